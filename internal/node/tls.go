package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"

	semabus "github.com/semabus/semabus"
)

// loadTLS reads PEM files. With a client CA a client may show a certificate of it, whose subject is then its identity; one
// that does not verify ends the connection, and a client without one needs an API key.
func loadTLS(cert, key, clientCA string) (*tls.Config, error) {
	bad := func(field, value string, err error) error {
		return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "node.TLS", Field: field,
			Value: semabus.Shorten(value), Fix: "name readable PEM files that belong together", Err: err}
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, bad("tls.cert", cert, err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS13}
	if clientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(clientCA)
	if err != nil {
		return nil, bad("tls.clientCa", clientCA, err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, bad("tls.clientCa", clientCA, errors.New("no certificate in the file"))
	}
	c.ClientAuth = tls.VerifyClientCertIfGiven
	return c, nil
}
