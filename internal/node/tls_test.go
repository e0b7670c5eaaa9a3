package node_test

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
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	a.cert, a.key = issue(t, nil, pkix.Name{CommonName: "authority"})
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate of the authority, or one of its own where there is none.
func issue(t *testing.T, a *authority, subject pkix.Name) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := c, key
	if a == nil {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		parent, signer = a.cert, a.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(t, err)
	out, err := x509.ParseCertificate(raw)
	must(t, err)
	return out, key
}

func (a *authority) client(t *testing.T, subject pkix.Name) tls.Certificate {
	t.Helper()
	cert, key := issue(t, a, subject)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func write(t *testing.T, dir, name, kind string, raw []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600))
	return path
}

func TestCertificateSubjectIsThePrincipal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ours, foreign := newAuthority(t), newAuthority(t)
	cert, key := issue(t, ours, pkix.Name{CommonName: "node"})
	raw, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	c := config(filepath.Join(dir, "data"))
	c.TLS.Cert, c.TLS.Key = write(t, dir, "cert", "CERTIFICATE", cert.Raw), write(t, dir, "key", "EC PRIVATE KEY", raw)
	c.TLS.ClientCA = write(t, dir, "ca", "CERTIFICATE", ours.cert.Raw)
	must(t, os.MkdirAll(c.Data, 0o700))
	_, err = openKeys(t, c.Data).CreateSubject("acme", "triage", "", semabus.RoleAgent, "CN=triage,O=Acme")
	must(t, err)
	n, _ := start(t, c)
	info := func(cs ...tls.Certificate) (*semabusv1.InfoResponse, error) {
		conn := dial(t, n.GRPCAddr(), credentials.NewTLS(&tls.Config{RootCAs: ours.pool, Certificates: cs, MinVersion: tls.VersionTLS13}))
		return semabusv1.NewAdminClient(conn).Info(t.Context(), &semabusv1.InfoRequest{})
	}
	got, err := info(ours.client(t, pkix.Name{CommonName: "triage", Organization: []string{"Acme"}}))
	must(t, err)
	if got.GetTenant() != "acme" || got.GetPrincipal() != "triage" || got.GetRole() != semabusv1.Role_ROLE_AGENT {
		t.Errorf("info is %v", got)
	}
	for name, c := range map[string]struct {
		certs []tls.Certificate
		code  codes.Code
	}{
		"unknown subject":   {[]tls.Certificate{ours.client(t, pkix.Name{CommonName: "mallory"})}, codes.Unauthenticated},
		"no certificate":    {nil, codes.Unauthenticated},
		"foreign authority": {[]tls.Certificate{foreign.client(t, pkix.Name{CommonName: "triage", Organization: []string{"Acme"}})}, codes.Unavailable},
	} {
		if got, err := info(c.certs...); status.Code(err) != c.code {
			// A client whose authorities do not include the node's ask leaves its certificate out: it is a stranger then.
			if name != "foreign authority" || status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}
	plain := dial(t, n.GRPCAddr())
	if _, err := semabusv1.NewAdminClient(plain).Info(t.Context(), &semabusv1.InfoRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("plain text: %v", err)
	}
}

func TestBadCertificatesAreTyped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAuthority(t)
	cert, key := issue(t, a, pkix.Name{CommonName: "node"})
	raw, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	certFile, keyFile := write(t, dir, "cert", "CERTIFICATE", cert.Raw), write(t, dir, "key", "EC PRIVATE KEY", raw)
	for name, c := range map[string][3]string{
		"absent certificate": {filepath.Join(dir, "none"), keyFile, ""}, "key that is none": {certFile, certFile, ""},
		"absent authority": {certFile, keyFile, filepath.Join(dir, "none")}, "authority that is none": {certFile, keyFile, keyFile},
	} {
		n := config(filepath.Join(dir, "data"))
		n.TLS.Cert, n.TLS.Key, n.TLS.ClientCA = c[0], c[1], c[2]
		if e := refused(t, n, semabus.ReasonInvalidValue); e.Code != semabus.CodeInvalidArgument {
			t.Errorf("%s: %+v", name, e)
		}
	}
}
