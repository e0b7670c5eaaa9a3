package process

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

// stopGrace is how long a child may take to end by itself after the signal to stop.
const stopGrace = 10 * time.Second

// Options say what to run.
type Options struct {
	Path string       // program; looked up in PATH when it has no slash
	Args []string     // behind the program's name
	Dir  string       // working directory; "" = the caller's
	Line func([]byte) // hears each line of the standard output, from one goroutine at a time; nil = nobody
}

// Process is one running child. Its methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	errs  *tail
	once  sync.Once
	group errgroup.Group // owns the goroutine that waits for the process
	done  chan struct{}
}

// Start runs a child until it ends by itself, Stop or Kill; ctx covers the start only. It gets none of the caller's semabus
// configuration.
func Start(ctx context.Context, o Options) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Line == nil {
		o.Line = func([]byte) {}
	}
	p := &Process{cmd: exec.Command(o.Path, o.Args...), errs: &tail{}, done: make(chan struct{})}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "SEMABUS_") {
			p.cmd.Env = append(p.cmd.Env, kv)
		}
	}
	p.cmd.Dir = o.Dir
	p.cmd.Stdout, p.cmd.Stderr = &lines{call: o.Line, copy: p.errs}, p.errs
	p.cmd.SysProcAttr = attributes()
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, Failed("open the input of "+o.Path, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, Failed("start "+o.Path, err)
	}
	p.group.Go(func() error {
		defer close(p.done)
		return p.cmd.Wait()
	})
	return p, nil
}

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the child has ended and everything it printed was handed on.
func (p *Process) Done() <-chan struct{} { return p.done }

// Said is the end of what the child printed.
func (p *Process) Said() string { return p.errs.String() }

// Kill is kill -9; it returns once the process is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // already gone is what we want
	<-p.done
}

// Signal sends a signal; one to a process that is gone is lost.
func (p *Process) Signal(s os.Signal) { _ = p.cmd.Process.Signal(s) }

// Stop asks the child to end, gives it a grace, then kills it; it returns once the process is gone.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.stdin.Close()
		p.terminate()
	})
	late := make(chan struct{})
	stop := time.AfterFunc(stopGrace, func() { close(late) })
	defer stop.Stop()
	select {
	case <-p.done:
	case <-late:
		p.Kill()
	}
}

// Ready waits for a child to be of use: until ready yields, the child ends, or the time is over.
func Ready[T any](ctx context.Context, p *Process, ready <-chan T, within time.Duration) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var none T
	select {
	case v := <-ready:
		return v, nil
	case <-p.Done():
		return none, Failed("use "+p.cmd.Path, fmt.Errorf("it ended: %s", p.Said()))
	case <-ctx.Done():
		p.Kill()
		return none, Failed("use "+p.cmd.Path, fmt.Errorf("%w: %s", ctx.Err(), p.Said()))
	}
}

// Failed is the error of something that the machine refused.
func Failed(what string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: "bench",
		Fix: "could not " + what + "; see the cause", Err: err,
	}
}

// lines calls for each complete line written to it, and copies all of it.
type lines struct {
	call func([]byte)
	copy io.Writer
	part []byte
}

func (l *lines) Write(p []byte) (int, error) {
	_, _ = l.copy.Write(p) // never fails
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			l.part = append(l.part, p...)
			return n, nil
		}
		l.call(append(l.part, p[:i]...))
		l.part, p = nil, p[i+1:]
	}
}

// tail keeps the last 4 KiB written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 4<<10; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.buf))
}
