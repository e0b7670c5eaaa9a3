package relay_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server that says every line again, and tells got of it first.
type echo struct {
	net.Listener
	got   chan string
	group errgroup.Group
}

func newEcho() (*echo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &echo{Listener: l, got: make(chan string, 16)}
	e.group.Go(func() error {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			e.group.Go(func() error {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					e.got <- lines.Text()
					if _, err := fmt.Fprintln(c, lines.Text()); err != nil {
						return nil
					}
				}
				return nil
			})
		}
		return nil
	})
	return e, nil
}

// setup is a relay before an echo server.
func setup(t *testing.T) (*relay.Relay, *echo) {
	t.Helper()
	e, err := newEcho()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		_ = e.group.Wait()
	})
	r, err := relay.Listen(semabus.SystemClock{}, e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, e
}

func dial(t *testing.T, r *relay.Relay) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, bufio.NewReader(c)
}

func say(t *testing.T, c io.Writer, text string) {
	t.Helper()
	if _, err := fmt.Fprintln(c, text); err != nil {
		t.Fatal(err)
	}
}

// Requests arrive and their answers do not: what a client must be prepared for.
func Example() {
	server, err := newEcho()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := relay.Listen(semabus.SystemClock{}, server.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Mute()
	fmt.Fprintln(c, "pay the bill")
	fmt.Println("the server got:", <-server.got)
	r.Cut(false)
	answer, err := io.ReadAll(c)
	fmt.Printf("the client got: %q %v\n", answer, err)
	r.Close()
	server.Close()
	_ = server.group.Wait()
	// Output:
	// the server got: pay the bill
	// the client got: "" <nil>
}

func TestCutAndRestore(t *testing.T) {
	t.Parallel()
	r, e := setup(t)
	for i, reset := range []bool{true, false} {
		c, answers := dial(t, r)
		text := fmt.Sprint("hello ", i)
		say(t, c, text)
		if got, err := answers.ReadString('\n'); err != nil || got != text+"\n" || <-e.got != text {
			t.Fatalf("%q, %v", got, err)
		}
		r.Cut(reset)
		if _, err := answers.ReadByte(); err == nil {
			t.Error("the connection goes on after a cut")
		}
		if other, err := net.Dial("tcp", r.Addr()); err == nil {
			other.Close()
			t.Error("the port is still there after a cut")
		}
		addr := r.Addr()
		if err := r.Restore(t.Context()); err != nil || r.Addr() != addr {
			t.Fatalf("%v: %s was %s", err, r.Addr(), addr)
		}
		if err := r.Restore(t.Context()); err == nil {
			t.Error("a port that is there was restored")
		}
	}
	c, answers := dial(t, r)
	say(t, c, "again")
	if got, err := answers.ReadString('\n'); err != nil || got != "again\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFreeze: nothing arrives while the relay is frozen, and everything afterwards, in order.
func TestFreeze(t *testing.T) {
	t.Parallel()
	r, e := setup(t)
	c, answers := dial(t, r)
	say(t, c, "before")
	if got, err := answers.ReadString('\n'); err != nil || got != "before\n" || <-e.got != "before" {
		t.Fatalf("%q, %v", got, err)
	}
	r.Freeze()
	r.Freeze() // twice is once
	say(t, c, "one")
	say(t, c, "two")
	brief, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	select {
	case got := <-e.got:
		t.Errorf("%q came through", got)
	case <-brief.Done():
	}
	r.Thaw()
	r.Thaw()
	for _, want := range []string{"one\n", "two\n"} {
		if got, err := answers.ReadString('\n'); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}

// TestCutWhileFrozen: what waits in a frozen relay is lost with its connection, and the next one flows.
func TestCutWhileFrozen(t *testing.T) {
	t.Parallel()
	r, e := setup(t)
	c, _ := dial(t, r)
	r.Freeze()
	say(t, c, "lost")
	r.Cut(true)
	if err := r.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, answers := dial(t, r)
	say(t, c, "found")
	if got, err := answers.ReadString('\n'); err != nil || got != "found\n" || <-e.got != "found" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTargetAway(t *testing.T) {
	t.Parallel()
	r, e := setup(t)
	e.Close()
	c, answers := dial(t, r)
	if b, err := answers.ReadByte(); err == nil {
		t.Errorf("%q came from nowhere", b)
	}
	c.Close()
}
