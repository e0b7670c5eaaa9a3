package peer

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/bench/internal/process"
)

const jetStreamReady = 20 * time.Second

// ServeJetStream is the process that serves JetStream: a nats-server, as a library, on a free loopback port with a file
// store in --dir, until ctx ends. Its first line on out says where it listens.
func ServeJetStream(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("jetstream", flag.ContinueOnError)
	dir := f.String("dir", "", "folder of the file store")
	always := f.Bool("always", false, "sync_interval: always")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: *dir, SyncAlways: *always, NoSigs: true, NoLog: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(jetStreamReady) {
		return errors.New("nats-server does not accept connections")
	}
	if got := s.JetStreamConfig(); got == nil || got.SyncAlways != *always {
		return fmt.Errorf("JetStream runs with %+v", got)
	}
	if err := json.NewEncoder(out).Encode(s.ClientURL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

type jetStreamServer struct {
	*process.Process
	url string
}

func startJetStream(ctx context.Context, e Env, always bool) (Server, error) {
	args := append(e.Self[1:len(e.Self):len(e.Self)], "--dir", e.Dir)
	if always {
		args = append(args, "--always")
	}
	lines := make(chan []byte, 1)
	var first sync.Once
	p, err := process.Start(ctx, process.Options{
		Path: e.Self[0], Args: args, Line: func(line []byte) { first.Do(func() { lines <- line }) },
	})
	if err != nil {
		return nil, err
	}
	line, err := process.Ready(ctx, p, lines, jetStreamReady)
	s := &jetStreamServer{Process: p}
	if err == nil {
		err = json.Unmarshal(line, &s.url)
	}
	if err == nil {
		err = s.makeStream(ctx)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *jetStreamServer) makeStream(ctx context.Context) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	js, err := jetstream.New(c)
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{stream}, Storage: jetstream.FileStorage})
	return err
}

func (s *jetStreamServer) connect() (*nats.Conn, error) {
	return nats.Connect(s.url, nats.NoReconnect())
}

// Close implements [Server].
func (s *jetStreamServer) Close() { s.Stop() }

// Publish implements [Server]: PublishAsync, with a window of acknowledgements for each publisher.
func (s *jetStreamServer) Publish(ctx context.Context, l *Load) error {
	conns := make([]*nats.Conn, l.Lines())
	for i := range conns {
		c, err := s.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		conns[i] = c
	}
	g, ctx := errgroup.WithContext(ctx)
	for i := range l.Publishers {
		p, err := newJetPublisher(conns[i%len(conns)], l.Source(i), l.Window)
		if err != nil {
			return err
		}
		g.Go(func() error { return p.run(ctx) })
	}
	return g.Wait()
}

// slot is one place of a publisher's window.
type slot struct {
	msg  nats.Msg
	sent time.Duration
}

type jetPublisher struct {
	js     jetstream.JetStream
	source *Source
	slots  map[*nats.Msg]*slot // all of them; never changes
	free   chan *slot
	failed chan error // the first
}

func newJetPublisher(c *nats.Conn, s *Source, window int) (*jetPublisher, error) {
	p := &jetPublisher{source: s, slots: map[*nats.Msg]*slot{}, free: make(chan *slot, window), failed: make(chan error, 1)}
	for range window {
		f := &slot{msg: nats.Msg{Subject: stream}}
		p.slots[&f.msg] = f
		p.free <- f
	}
	js, err := jetstream.New(c,
		jetstream.WithPublishAsyncMaxPending(2*window+16), // never reached: the slots are the window
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) {
			f := p.slots[m]
			s.Acked(f.sent)
			p.free <- f
		}),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) {
			select {
			case p.failed <- err:
			default:
			}
		}))
	p.js = js
	return p, err
}

// take is a free place of the window.
func (p *jetPublisher) take(ctx context.Context) (*slot, error) {
	select {
	case f := <-p.free:
		return f, nil
	case err := <-p.failed:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *jetPublisher) run(ctx context.Context) error {
	for {
		f, err := p.take(ctx)
		if err != nil {
			return err
		}
		text, sent, ok := p.source.Next(ctx)
		if !ok {
			break
		}
		f.msg.Data, f.sent = append(f.msg.Data[:0], text...), sent
		if _, err := p.js.PublishMsgAsync(&f.msg); err != nil {
			return err
		}
	}
	for range len(p.slots) - 1 { // one was taken to see that there is nothing more to send
		if _, err := p.take(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}
