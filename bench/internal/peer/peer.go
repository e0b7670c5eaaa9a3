package peer

import (
	"context"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
)

// The peers by name.
const (
	Semabus          = "semabus"
	JetStreamAlways  = "jetstream_always"  // syncs each message before it acknowledges
	JetStreamDefault = "jetstream_default" // syncs every two minutes: not durable
	RedisAlways      = "redis_always"      // appendfsync always
)

// Names are all peers.
func Names() []string { return []string{Semabus, JetStreamAlways, JetStreamDefault, RedisAlways} }

// Parse reads a list of peers, separated by commas; "jetstream" and "redis" stand for those of that name. Errors:
// INVALID_ARGUMENT.
func Parse(list string) ([]string, error) {
	var out []string
	for word := range strings.SplitSeq(list, ",") {
		word = strings.TrimSpace(word)
		known := false
		for _, n := range Names() {
			if n == word || strings.HasPrefix(n, word+"_") {
				known = true
				if !slices.Contains(out, n) {
					out = append(out, n)
				}
			}
		}
		if !known {
			return nil, &semabus.Error{
				Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "peers", Field: "--peers", Value: word,
				Limit: strings.Join(Names(), ", "), Fix: "name some of these, separated by commas",
			}
		}
	}
	return out, nil
}

// Env is what a peer needs to run.
type Env struct {
	Dir     string   // an empty folder on the disk that is measured
	Self    []string // command that serves JetStream: this program and the argument by which it calls [ServeJetStream]
	Binary  string   // of semabus
	Redis   string   // redis-server
	Intents int      // for semabus
	Clock   semabus.Clock
}

// Server is a running peer.
type Server interface {
	// Publish sends the load until it is stopped and everything is acknowledged. A message that is refused ends it.
	Publish(ctx context.Context, l *Load) error
	// PID is the process that serves.
	PID() int
	// Close ends the process and waits for it. Its data stays.
	Close()
}

// Start runs a peer in a process of its own and returns when it is ready to be measured.
func Start(ctx context.Context, name string, e Env) (Server, error) {
	switch name {
	case Semabus:
		return startSemabus(ctx, e)
	case RedisAlways:
		return startRedis(ctx, e)
	}
	return startJetStream(ctx, e, name == JetStreamAlways)
}
