package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/meter"
	"github.com/semabus/semabus/bench/internal/process"
)

const (
	dialWithin  = 5 * time.Second
	listenAgain = time.Millisecond // until another try, when somebody took the port meanwhile
)

// Relay forwards connections of its port to a target. It is safe for concurrent use.
type Relay struct {
	clock  semabus.Clock
	target string
	addr   string
	group  errgroup.Group // owns the accept loops and the connections

	mu       sync.Mutex
	listener net.Listener       // nil while the port is away
	links    map[*link]struct{} // open connections
	frozen   chan struct{}      // closed by Thaw; nil while bytes flow
	mute     bool               // what the target says is dropped
	closed   bool
}

// link is one connection: both halves, and when it ends.
type link struct {
	near, far *net.TCPConn
	ended     chan struct{}
	once      sync.Once
}

// Listen opens a free loopback port and forwards it to the target, HOST:PORT, until Close.
func Listen(clock semabus.Clock, target string) (*Relay, error) {
	r := &Relay{clock: clock, target: target, links: map[*link]struct{}{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, process.Failed("listen on a free port", err)
	}
	r.addr = l.Addr().String()
	r.accept(l)
	return r, nil
}

// Addr is the port, HOST:PORT.
func (r *Relay) Addr() string { return r.addr }

// accept serves what comes until the listener is closed.
func (r *Relay) accept(l net.Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener, r.mute = l, false
	r.group.Go(func() error {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			r.group.Go(func() error { return r.serve(c) })
		}
		return nil // the port is away
	})
}

// serve forwards one connection; that it ends is never an error of the relay.
func (r *Relay) serve(near net.Conn) error {
	far, err := net.DialTimeout("tcp", r.target, dialWithin)
	if err != nil {
		return near.Close()
	}
	k := &link{near: near.(*net.TCPConn), far: far.(*net.TCPConn), ended: make(chan struct{})} //nolint:errcheck // of a TCP listener and dialler
	r.mu.Lock()
	if r.listener == nil { // cut meanwhile
		r.mu.Unlock()
		k.end(false)
		return nil
	}
	r.links[k] = struct{}{}
	r.mu.Unlock()
	var g errgroup.Group
	g.Go(func() error { return r.forward(k, k.far, k.near, false) })
	g.Go(func() error { return r.forward(k, k.near, k.far, true) })
	_ = g.Wait()
	r.mu.Lock()
	delete(r.links, k)
	r.mu.Unlock()
	return nil
}

// forward copies one direction until either end is gone.
func (r *Relay) forward(k *link, to io.Writer, from io.Reader, answers bool) error {
	defer k.end(false)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			drop := r.pass(k, answers)
			if !drop {
				if _, err := to.Write(buf[:n]); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// pass waits while the relay is frozen, and says whether the bytes are to be dropped.
func (r *Relay) pass(k *link, answers bool) (drop bool) {
	for {
		r.mu.Lock()
		frozen, mute := r.frozen, r.mute
		r.mu.Unlock()
		if frozen == nil {
			return answers && mute
		}
		select {
		case <-frozen:
		case <-k.ended:
			return true
		}
	}
}

// end closes both halves; a reset throws away what is on its way.
func (k *link) end(reset bool) {
	k.once.Do(func() {
		if reset {
			_ = k.near.SetLinger(0) // the close below then resets; if this fails it ends in order, which is a cut as well
			_ = k.far.SetLinger(0)
		}
		_ = k.near.Close()
		_ = k.far.Close()
		close(k.ended)
	})
}

// Cut takes the port away and ends every connection, by a reset or in order. It also ends Freeze and Mute.
func (r *Relay) Cut(reset bool) {
	r.mu.Lock()
	l := r.listener
	r.listener = nil
	links := make([]*link, 0, len(r.links))
	for k := range r.links {
		links = append(links, k)
	}
	r.mu.Unlock()
	if l != nil {
		_ = l.Close()
	}
	for _, k := range links {
		k.end(reset)
	}
	r.Thaw()
}

// Restore brings the port back after Cut.
func (r *Relay) Restore(ctx context.Context) error {
	r.mu.Lock()
	here := r.listener != nil || r.closed
	r.mu.Unlock()
	if here {
		return errors.New("relay: the port is not away")
	}
	for {
		l, err := net.Listen("tcp", r.addr)
		if err == nil {
			r.accept(l)
			return nil
		}
		if !meter.Wait(ctx, r.clock, listenAgain) {
			return process.Failed("listen on "+r.addr, err)
		}
	}
}

// Freeze holds everything back until Thaw or Cut, without a word to either side.
func (r *Relay) Freeze() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen == nil {
		r.frozen = make(chan struct{})
	}
}

// Thaw ends Freeze.
func (r *Relay) Thaw() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.frozen != nil {
		close(r.frozen)
		r.frozen = nil
	}
}

// Mute drops what the target says from now on, until Cut: it gets every request, and no answer arrives.
func (r *Relay) Mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = true
}

// Close ends the relay with every connection and waits for them.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.Cut(false)
	_ = r.group.Wait() // no goroutine of it fails
}
