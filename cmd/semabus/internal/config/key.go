package config

import (
	"reflect"
	"strings"
	"unicode"

	"github.com/semabus/semabus/cmd/semabus/internal/document"
	"github.com/semabus/semabus/internal/node"
)

// Key is one key of the configuration.
type Key struct {
	Path    string // in camelCase, dotted
	Unit    string // unit and range; "" where the meaning says it
	Meaning string // one line
}

// Keys lists every key in the order of node.Config.
func Keys() []Key {
	return []Key{
		{"data", "folder", "everything durable; one node at a time"},
		{"listen", "host:port, 0 = any free port", "gRPC"},
		{"http", "host:port, 0 = any free port, empty = off", "/healthz, /readyz, /metrics"},
		{"insecure", "true or false", "serve beyond loopback without keys"},
		{"clusterId", "1–256 bytes", "part of every id between clusters; a data folder belongs to one"},
		{"broker", "URL", "queues, logs, leases"},
		{"index", "URL", "vector index"},
		{"embed", "URL", "text to vectors"},
		{"blobs", "URL", "large payloads"},
		{"relaxed", "true or false", "acknowledge before fsync: a power cut may lose the last moments"},
		{"shutdownGrace", "0–1h", "for work under way when the node stops"},
		{"pprof", "true or false", "serve /debug/pprof on the HTTP port"},
		{"tls.cert", "PEM file", "certificate chain of the node; with tls.key"},
		{"tls.key", "PEM file", "its key"},
		{"tls.clientCa", "PEM file", "authority of client certificates: their subjects become identities"},
		{"log.level", "debug, info, warn, error", "what the log on standard error has"},
		{"log.format", "text, json", "how it has it"},
		{"trace.endpoint", "host:port, empty = no spans", "OTLP gRPC collector"},
		{"trace.insecure", "true or false", "plain text to the collector"},
		{"trace.sample", "0–1", "share of new traces recorded; a publisher's own decision is followed"},
		{"limits.messageBytes", "1024–67108864 bytes", "one message, encoded; the gRPC receive limit follows it"},
		{"dedup.window", "1m–720h", "how long dedup keys and op ids are remembered"},
		{"dedup.max", "≥ 1000 keys", "full means DEDUP_FULL for new keys, never early forgetting"},
		{"retention.settled", "≥ 0", "settled messages are kept for why and replay"},
		{"retention.settledBytes", "bytes, ≥ 0", "at most this many of them"},
		{"retention.ledger", "≥ 0, 0 = 7 days", "what became of a message is known for so long after its last delivery ended"},
		{"retention.ledgerBytes", "bytes, ≥ 0, 0 = 1 GiB", "at most this many of it, on disk"},
		{"retention.unmatched", "≥ 0, 0 = for ever", "unmatched and held messages wait for so long"},
		{"retention.unmatchedBytes", "bytes, ≥ 0, 0 = no bound", "at most this many of them in each queue of a tenant; the oldest go to the ledger"},
		{"retention.deadLetters", "≥ 0, 0 = for ever", "dead letters wait for so long"},
		{"retention.deadLettersBytes", "bytes, ≥ 0, 0 = no bound", "at most this many of them of a tenant, warned of from 80 % on; the oldest go to the ledger"},
	}
}

// Flag is the key's flag without dashes: "tls.clientCa" is "tls-client-ca".
func (k Key) Flag() string { return separate(k.Path, '-', unicode.ToLower) }

// Variable is the key's environment variable: "tls.clientCa" is "SEMABUS_TLS_CLIENT_CA".
func (k Key) Variable() string { return prefix + separate(k.Path, '_', unicode.ToUpper) }

// separate puts sep between the words of a camelCase path and changes the case of its letters.
func separate(path string, sep rune, letter func(rune) rune) string {
	var b strings.Builder
	for _, r := range path {
		switch {
		case r == '.':
			b.WriteRune(sep)
			continue
		case unicode.IsUpper(r):
			b.WriteRune(sep)
		}
		b.WriteRune(letter(r))
	}
	return b.String()
}

// paths lists the keys' paths in order.
func paths() []string {
	keys := Keys()
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Path
	}
	return out
}

// find is the known path that a dotted path in any case form means; ok is false for an unknown one.
func find(path string) (known string, ok bool) {
	for _, p := range paths() {
		if fold(p) == fold(path) {
			return p, true
		}
	}
	return "", false
}

// fold keeps the dots and folds the names between them.
func fold(path string) string {
	parts := strings.Split(path, ".")
	for i := range parts {
		parts[i] = document.Fold(parts[i])
	}
	return strings.Join(parts, ".")
}

// section reports whether a path is the beginning of known ones: "tls", "log".
func section(path string) bool {
	for _, p := range paths() {
		if strings.HasPrefix(fold(p), fold(path)+".") {
			return true
		}
	}
	return false
}

// values lists a configuration's value of each path.
func values(c node.Config) map[string]any {
	out := map[string]any{}
	collect(reflect.ValueOf(c), "", out)
	return out
}

func collect(v reflect.Value, path string, out map[string]any) {
	for i := range v.NumField() {
		key := path + v.Type().Field(i).Tag.Get("koanf")
		if f := v.Field(i); f.Kind() == reflect.Struct {
			collect(f, key+".", out)
		} else {
			out[key] = f.Interface()
		}
	}
}
