package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/process"
)

const (
	stream     = "bench"
	redisReady = 20 * time.Second
	redisLook  = 10 * time.Millisecond
)

// FindRedis is the path of redis-server, named or in PATH. Errors: FAILED_PRECONDITION that says how to install it.
func FindRedis(path string) (string, error) {
	found, err := exec.LookPath(path)
	if err == nil {
		return found, nil
	}
	return "", &semabus.Error{
		Code: semabus.CodeFailedPrecondition, Reason: semabus.ReasonEngineUnavailable, Op: "peers", Field: "--redis", Value: path,
		Fix: "install it (Debian: apt-get install redis-server), name it by --redis PATH, or leave it out: --peers semabus,jetstream",
		Err: err,
	}
}

type redisServer struct {
	*process.Process
	addr string
}

// startRedis runs redis-server with a log that it syncs before it answers. It rewrites that log never, which is in its favour.
func startRedis(ctx context.Context, e Env) (Server, error) {
	port, err := process.FreePort()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(ctx, process.Options{Path: e.Redis, Args: []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", e.Dir, "--save", "", "--appendonly", "yes",
		"--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--daemonize", "no", "--logfile", "",
	}})
	if err != nil {
		return nil, err
	}
	s := &redisServer{p, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	if err := s.ready(ctx, e.Clock); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// ready waits until the server accepts connections, and asks whether it really syncs.
func (s *redisServer) ready(ctx context.Context, clock semabus.Clock) error {
	ctx, cancel := context.WithTimeout(ctx, redisReady)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = conn.Close()
			break
		}
		select {
		case <-s.Done():
			return process.Failed("start redis-server", errors.New("it ended: "+s.Said()))
		default:
		}
		if !meter.Wait(ctx, clock, redisLook) {
			return process.Failed("reach redis-server", err)
		}
	}
	c := s.client(1)
	defer closed(c)
	config, err := c.ConfigGet(ctx, "append*").Result()
	if err != nil {
		return process.Failed("ask redis-server for its configuration", err)
	}
	if config["appendonly"] != "yes" || config["appendfsync"] != "always" {
		return process.Failed("make redis-server durable", errors.New("it runs with appendfsync "+config["appendfsync"]))
	}
	return nil
}

func (s *redisServer) client(connections int) *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.addr, PoolSize: connections, MaxRetries: -1, DisableIdentity: true, ReadTimeout: time.Minute,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
}

// closed closes a connection; everything that was sent over it is answered by then.
func closed(c io.Closer) { _ = c.Close() }

// Close implements [Server].
func (s *redisServer) Close() { s.Stop() }

// Publish implements [Server]. A publisher with a connection of its own sends its window as one pipeline, whose answers come
// together after one sync; publishers that share a connection are sent together with whoever else waits for it.
func (s *redisServer) Publish(ctx context.Context, l *Load) error {
	lines := l.Lines()
	c := s.client(lines)
	defer closed(c)
	g, ctx := errgroup.WithContext(ctx)
	if lines == l.Publishers {
		for i := range l.Publishers {
			source := l.Source(i)
			g.Go(func() error { return pipeline(ctx, c, source, l.Window) })
		}
		return g.Wait()
	}
	for i := range lines {
		var sources []*Source
		for p := i; p < l.Publishers; p += lines {
			sources = append(sources, l.Source(p))
		}
		g.Go(func() error { return shared(ctx, c, sources, l.Window) })
	}
	return g.Wait()
}

// pipeline sends a window of messages at once, waits for all of them, and again.
func pipeline(ctx context.Context, c *redis.Client, s *Source, window int) error {
	conn := c.Conn()
	defer closed(conn)
	sent := make([]time.Duration, 0, window)
	for {
		sent = sent[:0]
		batch := conn.Pipeline()
		for len(sent) < window {
			text, at, ok := s.Next(ctx)
			if !ok {
				break
			}
			add(ctx, batch, text)
			sent = append(sent, at)
		}
		if len(sent) == 0 {
			return ctx.Err()
		}
		if _, err := batch.Exec(ctx); err != nil {
			return err
		}
		for _, at := range sent {
			s.Acked(at)
		}
	}
}

// add copies the text: a pipeline is sent later.
func add(ctx context.Context, to redis.Cmdable, text []byte) {
	to.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []string{"text", string(text)}})
}

// waiting is a message of a publisher that shares a connection.
type waiting struct {
	source *Source
	slot   chan struct{} // gets a token when the message is acknowledged
	text   string
	sent   time.Duration
}

// shared is one connection and its publishers: while a pipeline is on its way, the next one gathers.
func shared(ctx context.Context, c *redis.Client, sources []*Source, window int) error {
	queue := make(chan waiting, len(sources)*window)
	g, ctx := errgroup.WithContext(ctx)
	var offering sync.WaitGroup
	for _, s := range sources {
		offering.Add(1)
		g.Go(func() error {
			defer offering.Done()
			return offer(ctx, s, queue, window)
		})
	}
	g.Go(func() error {
		offering.Wait()
		close(queue)
		return nil
	})
	g.Go(func() error { return send(ctx, c, queue) })
	return g.Wait()
}

// offer queues messages, as many as the window has room for.
func offer(ctx context.Context, s *Source, queue chan<- waiting, window int) error {
	slots := make(chan struct{}, window)
	for range window {
		slots <- struct{}{}
	}
	for {
		select {
		case <-slots:
		case <-ctx.Done():
			return ctx.Err()
		}
		text, sent, ok := s.Next(ctx)
		if !ok {
			return ctx.Err()
		}
		queue <- waiting{s, slots, string(text), sent} // has room for every window
	}
}

// send takes everything that waits, sends it as one pipeline and answers it.
func send(ctx context.Context, c *redis.Client, queue <-chan waiting) error {
	conn := c.Conn()
	defer closed(conn)
	var batch []waiting
	for first := range queue {
		batch = append(batch[:0], first)
		for len(queue) > 0 {
			batch = append(batch, <-queue)
		}
		p := conn.Pipeline()
		for i := range batch {
			p.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []string{"text", batch[i].text}})
		}
		if _, err := p.Exec(ctx); err != nil {
			return err
		}
		for i := range batch {
			batch[i].source.Acked(batch[i].sent)
			batch[i].slot <- struct{}{}
		}
	}
	return nil
}
