package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/internal/node"
)

// issue makes a certificate for 127.0.0.1, signed by the parent or, without one, by itself.
func issue(t *testing.T, name string, until time.Time, parent *tls.Certificate) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour),
		NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	signer, by := c, any(key)
	if parent == nil {
		c.KeyUsage = x509.KeyUsageCertSign
	} else {
		signer, by = parent.Leaf, parent.PrivateKey
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, signer, &key.PublicKey, by)
	must(t, err)
	leaf, err := x509.ParseCertificate(raw)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key, Leaf: leaf}
}

func write(t *testing.T, name, kind string, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600))
	return path
}

// serveTLS is a node with a certificate; ca signs those of its clients.
func serveTLS(t *testing.T, cert, ca *tls.Certificate) *server {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	must(t, err)
	s := &server{config: node.Default()}
	s.config.Data, s.config.Listen, s.config.HTTP, s.config.ShutdownGrace = t.TempDir(), "127.0.0.1:0", "", time.Second
	s.config.TLS.Cert, s.config.TLS.Key = write(t, "cert", "CERTIFICATE", cert.Certificate[0]), write(t, "key", "PRIVATE KEY", raw)
	s.config.TLS.ClientCA = write(t, "ca", "CERTIFICATE", ca.Certificate[0])
	s.start(t)
	t.Cleanup(func() { must(t, s.stop()) })
	return s
}

// TestTLSFaultsAreNamed: what is wrong with the connection is said, not that the node is away.
func TestTLSFaultsAreNamed(t *testing.T) {
	t.Parallel()
	hour := time.Now().Add(time.Hour)
	ours, theirs := issue(t, "ours", hour, nil), issue(t, "theirs", hour, nil)
	trust := x509.NewCertPool()
	trust.AddCert(ours.Leaf)
	good := serveTLS(t, issue(t, "node", hour, ours), ours)
	expired := serveTLS(t, issue(t, "node", time.Now().Add(-time.Hour), ours), ours)
	plain := serve(t)
	foreign := issue(t, "agent", hour, theirs)
	trusting := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS13}
		if change != nil {
			change(c)
		}
		return c
	}
	for name, c := range map[string]struct {
		at   *server
		tls  *tls.Config
		says string
	}{
		"plain text to a node with TLS": {good, nil, "speaks TLS"},
		"TLS to a node without":         {plain, trusting(nil), "plain text"},
		"unknown authority":             {good, &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}, "authority"},
		"another name":                  {good, trusting(func(c *tls.Config) { c.ServerName = "bus.example" }), "name"},
		"expired":                       {expired, trusting(nil), "expired"},
		"a client of another authority": {good, trusting(func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return foreign, nil }
		}), "client certificate"},
	} {
		var e *semabus.Error
		for range 100 { // of a client's certificate the node's word may be lost: a broken connection, once in a while
			_, err := c.at.dial(t, client.Options{TLS: c.tls, Patience: -1}).Info(t.Context())
			if e = is(t, err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable); strings.Contains(e.Fix, c.says) {
				break
			}
		}
		if !strings.Contains(e.Fix, c.says) || strings.Contains(e.Fix, "check that the node runs") {
			t.Errorf("%s: the advice is %q for %v", name, e.Fix, e.Err)
		}
	}
	gone, err := client.Dial(t.Context(), "127.0.0.1:1", client.Options{Patience: -1})
	must(t, err)
	defer gone.Close()
	_, err = gone.Info(t.Context())
	if e := is(t, err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable); !strings.Contains(e.Fix, "check that the node runs") {
		t.Errorf("a node that is away: %q", e.Fix)
	}
}
