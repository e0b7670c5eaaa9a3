package node

import (
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

// Config is everything a node can be told. The tags are the keys of the configuration file; docs/configuration.md and
// `semabus init` explain each with its default and unit.
type Config struct {
	Data          string        `koanf:"data"`          // folder of everything durable
	Listen        string        `koanf:"listen"`        // gRPC host:port, port 0 = any free one
	HTTP          string        `koanf:"http"`          // health, metrics host:port; "" = off
	Insecure      bool          `koanf:"insecure"`      // serve beyond loopback without keys
	ClusterID     string        `koanf:"clusterId"`     // part of every id between clusters
	Broker        string        `koanf:"broker"`        // URL of the broker engine
	Index         string        `koanf:"index"`         // URL of the vector index
	Embed         string        `koanf:"embed"`         // URL of the embedder
	Blobs         string        `koanf:"blobs"`         // URL of the blob store
	Relaxed       bool          `koanf:"relaxed"`       // acknowledge before fsync: a power cut may lose the last moments
	ShutdownGrace time.Duration `koanf:"shutdownGrace"` // for work under way when the node stops
	Pprof         bool          `koanf:"pprof"`         // serve /debug/pprof on the HTTP port
	TLS           TLSConfig     `koanf:"tls"`
	Log           LogConfig     `koanf:"log"`
	Trace         TraceConfig   `koanf:"trace"`
	Limits        Limits        `koanf:"limits"`
	Dedup         Dedup         `koanf:"dedup"`
	Retention     Retention     `koanf:"retention"`
}

// TLSConfig names PEM files; Cert and Key go together, ClientCA makes client certificates identities (mTLS).
type TLSConfig struct {
	Cert     string `koanf:"cert"`
	Key      string `koanf:"key"`
	ClientCA string `koanf:"clientCa"`
}

// LogConfig shapes the log on standard error.
type LogConfig struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // text, json
}

// TraceConfig sends OpenTelemetry spans.
type TraceConfig struct {
	Endpoint string  `koanf:"endpoint"` // host:port of an OTLP gRPC collector; "" = off
	Insecure bool    `koanf:"insecure"` // plain text to the collector
	Sample   float64 `koanf:"sample"`   // share of new traces recorded, 0–1
}

// Limits bound what a caller may send.
type Limits struct {
	MessageBytes int `koanf:"messageBytes"`
}

// Dedup bounds the memory of idempotence.
type Dedup struct {
	Window time.Duration `koanf:"window"`
	Max    int           `koanf:"max"`
}

// Retention bounds what is kept: of settled messages, of the ledger that knows what became of them, and of the queues where
// messages wait for an operator.
type Retention struct {
	Settled          time.Duration `koanf:"settled"`
	SettledBytes     int64         `koanf:"settledBytes"`
	Ledger           time.Duration `koanf:"ledger"`
	LedgerBytes      int64         `koanf:"ledgerBytes"`
	Unmatched        time.Duration `koanf:"unmatched"`
	UnmatchedBytes   int64         `koanf:"unmatchedBytes"`
	DeadLetters      time.Duration `koanf:"deadLetters"`
	DeadLettersBytes int64         `koanf:"deadLettersBytes"`
}

// DefaultRetention are the bounds when nothing is configured.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{
		Settled: day, SettledBytes: 1 << 30, Ledger: 7 * day, LedgerBytes: 1 << 30,
		Unmatched: 14 * day, UnmatchedBytes: 1 << 30, DeadLetters: 30 * day, DeadLettersBytes: 1 << 30,
	}
}

// bounds are those of the reserved queues.
func (r *Retention) bounds() map[string]broker.Bound {
	waiting := broker.Bound{Age: r.Unmatched, Bytes: r.UnmatchedBytes}
	return map[string]broker.Bound{
		semabus.GroupUnmatched: waiting, semabus.GroupHeld: waiting,
		semabus.GroupDeadLetter: {Age: r.DeadLetters, Bytes: r.DeadLettersBytes},
	}
}

// Default is the embedded node on loopback.
func Default() Config {
	return Config{
		Data: "./semabus-data", Listen: "127.0.0.1:7420", HTTP: "127.0.0.1:7421", ClusterID: "local",
		Broker: "local:", Index: "local:", Embed: "local:", Blobs: "local:", ShutdownGrace: 10 * time.Second,
		Log: LogConfig{Level: "info", Format: "text"}, Trace: TraceConfig{Sample: 1},
		Limits:    Limits{MessageBytes: semabus.MaxMessageBytes},
		Dedup:     Dedup{Window: semabus.DefaultDedupWindow, Max: semabus.DefaultDedupMax},
		Retention: DefaultRetention(),
	}
}

// Validate lists every fault of the configuration at once, joined; nil when there is none.
func (c *Config) Validate() error {
	var errs []error
	bad := func(field, value, limit, fix string) {
		errs = append(errs, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue,
			Op: "config", Field: field, Value: semabus.Shorten(value), Limit: limit, Fix: fix})
	}
	if c.Data == "" {
		bad("data", "", "a folder", "name the data folder")
	}
	for _, a := range [...]struct{ field, value string }{{"listen", c.Listen}, {"http", c.HTTP}} {
		if a.field == "http" && a.value == "" {
			continue
		}
		if _, port, err := net.SplitHostPort(a.value); err != nil || !validPort(port) {
			bad(a.field, a.value, "host:port, port 0–65535", "write it like 127.0.0.1:7420")
		}
	}
	for _, u := range [...]struct{ field, value string }{{"broker", c.Broker}, {"index", c.Index}, {"embed", c.Embed}, {"blobs", c.Blobs}} {
		if p, err := url.Parse(u.value); err != nil || p.Scheme == "" {
			bad(u.field, u.value, "a URL", "write local: for the embedded default")
		} else if known := schemes(u.field); !slices.Contains(known, p.Scheme) {
			bad(u.field, u.value, strings.Join(known, ", "), "choose one of the known schemes")
		}
	}
	if c.Log.Level != "" && !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		bad("log.level", c.Log.Level, "debug, info, warn, error", "choose one of them")
	}
	if c.Log.Format != "" && !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		bad("log.format", c.Log.Format, "text, json", "choose one of them")
	}
	if (c.TLS.Cert == "") != (c.TLS.Key == "") || (c.TLS.ClientCA != "" && c.TLS.Cert == "") {
		bad("tls", "", "cert and key together, clientCa only with them", "name both files")
	}
	c.validateBounds(bad)
	return errors.Join(errs...)
}

func (c *Config) validateBounds(bad func(field, value, limit, fix string)) {
	if c.ClusterID == "" || len(c.ClusterID) > semabus.MaxIDBytes {
		bad("clusterId", c.ClusterID, "1–256 bytes", "write local")
	}
	if c.ShutdownGrace < 0 || c.ShutdownGrace > time.Hour {
		bad("shutdownGrace", c.ShutdownGrace.String(), "0–1h", "shorten it")
	}
	if c.Limits.MessageBytes < 1<<10 || c.Limits.MessageBytes > 64<<20 {
		bad("limits.messageBytes", strconv.Itoa(c.Limits.MessageBytes), "1024–67108864 bytes", "send larger payloads as blobs")
	}
	if c.Dedup.Window < time.Minute || c.Dedup.Window > 30*24*time.Hour {
		bad("dedup.window", c.Dedup.Window.String(), "1m–720h", "choose a window in range")
	}
	if c.Dedup.Max < 1000 {
		bad("dedup.max", strconv.Itoa(c.Dedup.Max), "≥ 1000 keys", "raise it")
	}
	for _, r := range [...]struct {
		field string
		value int64
	}{
		{"settled", int64(c.Retention.Settled)}, {"settledBytes", c.Retention.SettledBytes},
		{"ledger", int64(c.Retention.Ledger)}, {"ledgerBytes", c.Retention.LedgerBytes},
		{"unmatched", int64(c.Retention.Unmatched)}, {"unmatchedBytes", c.Retention.UnmatchedBytes},
		{"deadLetters", int64(c.Retention.DeadLetters)}, {"deadLettersBytes", c.Retention.DeadLettersBytes},
	} {
		if r.value < 0 {
			bad("retention."+r.field, strconv.FormatInt(r.value, 10), "≥ 0", "give a positive bound")
		}
	}
	if c.Trace.Sample < 0 || c.Trace.Sample > 1 {
		bad("trace.sample", strconv.FormatFloat(c.Trace.Sample, 'g', -1, 64), "0–1", "give the share of traces to record")
	}
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 65535
}
