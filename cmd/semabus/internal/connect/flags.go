package connect

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// DefaultAddr is where a node serves unless it is told otherwise.
const DefaultAddr = "127.0.0.1:7420"

// The variables of the flags. A command line can be read by every user of a machine: prefer the variable for the key.
const (
	addrVariable = "SEMABUS_ADDR"
	keyVariable  = "SEMABUS_API_KEY"
)

// Flags say where the node is and who asks.
type Flags struct {
	Addr     string        // HOST:PORT
	APIKey   string        // "" = none
	Patience time.Duration // with a node that is away

	addr                      *pflag.Flag
	tls                       bool
	ca, cert, key, serverName string
}

// Bind adds the flags to a command.
func (f *Flags) Bind(cmd *cobra.Command) {
	p := cmd.Flags()
	p.StringVar(&f.Addr, "addr", DefaultAddr, "node, HOST:PORT (or the variable "+addrVariable+")")
	f.addr = p.Lookup("addr")
	p.StringVar(&f.APIKey, "api-key", "", "API key (better the variable "+keyVariable+")")
	p.DurationVar(&f.Patience, "patience", 0, "how long to wait for a node that is away")
	p.BoolVar(&f.tls, "tls", false, "encrypt, and check the node's certificate against the system's authorities")
	p.StringVar(&f.ca, "tls-ca", "", "PEM file of the authority of the node's certificate; implies --tls")
	p.StringVar(&f.cert, "tls-cert", "", "PEM file of a client certificate, with --tls-key; implies --tls")
	p.StringVar(&f.key, "tls-key", "", "PEM file of its key")
	p.StringVar(&f.serverName, "tls-server-name", "", "name that the node's certificate must have; default: the host of --addr")
}

// Dial makes a client. It connects with the first call; with --patience 0 that call fails at once where no node is.
func (f *Flags) Dial(ctx context.Context) (*client.Client, error) {
	patience := f.Patience
	if patience == 0 {
		patience = -1
	}
	return f.dial(ctx, patience, nil)
}

// DialPatient makes a client that reconnects for as long as it lives; log hears of lost connections.
func (f *Flags) DialPatient(ctx context.Context, log *slog.Logger) (*client.Client, error) {
	return f.dial(ctx, 0, log)
}

func (f *Flags) dial(ctx context.Context, patience time.Duration, log *slog.Logger) (*client.Client, error) {
	if f.Patience < 0 {
		return nil, fault.Usage("--patience", f.Patience.String(), "give 0 or more")
	}
	config, err := f.config()
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, f.Target(), client.Options{APIKey: f.credential(), TLS: config, Patience: patience, Logger: log})
}

// Target is the address in use: the flag, else the variable, else the default.
func (f *Flags) Target() string {
	if v := os.Getenv(addrVariable); v != "" && (f.addr == nil || !f.addr.Changed) {
		return v
	}
	return f.Addr
}

// Use makes addr the address, whatever flag and variable say.
func (f *Flags) Use(addr string) { f.Addr, f.addr = addr, &pflag.Flag{Changed: true} }

// credential is the flag's key, else the variable's.
func (f *Flags) credential() string {
	if f.APIKey != "" {
		return f.APIKey
	}
	return strings.TrimSpace(os.Getenv(keyVariable))
}

// HasCredential reports whether a key or certificate is given.
func (f *Flags) HasCredential() bool { return f.credential() != "" || f.cert != "" }

// config is the TLS configuration that the flags ask for, nil for plain text.
func (f *Flags) config() (*tls.Config, error) {
	if !f.tls && f.ca == "" && f.cert == "" && f.key == "" && f.serverName == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: f.serverName}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, bad("--tls-ca", f.ca, "name a readable PEM file", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, bad("--tls-ca", f.ca, "name a PEM file with a certificate", nil)
		}
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, bad("--tls-cert", f.cert, "name readable PEM files of a certificate and its key, both", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func bad(flag, value, fix string, err error) error {
	e := fault.Usage(flag, value, fix)
	e.Err = err
	return e
}

// End closes a client whose calls have all returned: then there is nothing that closing could fail to finish.
func End(c *client.Client) { _ = c.Close() }
