package child

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
)

// stopGrace is how long a child may take to end by itself after the signal to stop.
const stopGrace = 5 * time.Second

// Process is one running child. Its methods are safe for concurrent use.
type Process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	errs  *tail
	once  sync.Once
	group errgroup.Group // owns the goroutine that waits for the process
	done  chan struct{}
}

// Start runs this program with the arguments; every line it prints goes to line, from one goroutine at a time. The child
// lives until it ends by itself, Stop or Kill; ctx covers the start only.
func Start(ctx context.Context, args []string, line func([]byte)) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, failed("find the running program", err)
	}
	p := &Process{cmd: exec.Command(exe, args...), errs: &tail{}, done: make(chan struct{})}
	p.cmd.Env = environment(os.Environ())
	p.cmd.Stdout, p.cmd.Stderr = &lines{call: line}, p.errs
	p.cmd.SysProcAttr = attributes()
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, failed("open the child's input", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, failed("start the child process", err)
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

// Stderr is the end of what the child said on its standard error.
func (p *Process) Stderr() string { return p.errs.String() }

// Kill is kill -9; it returns once the process is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // already gone is what we want
	<-p.done
}

// Signal asks the child to end: it closes its input and sends SIGTERM.
func (p *Process) Signal() {
	p.once.Do(func() {
		_ = p.stdin.Close()
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	})
}

// Stop is Signal, a grace to end in, then Kill; it returns once the process is gone.
func (p *Process) Stop() {
	p.Signal()
	late := make(chan struct{})
	stop := time.AfterFunc(stopGrace, func() { close(late) })
	defer stop.Stop()
	select {
	case <-p.done:
	case <-late:
		p.Kill()
	}
}

// environment leaves out the caller's own configuration: a child gets what its flags say and nothing else.
func environment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(kv string) bool { return strings.HasPrefix(kv, "SEMABUS_") })
}

func failed(what string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeUnavailable, Reason: semabus.ReasonEngineUnavailable, Op: "child",
		Fix: "could not " + what + "; see the cause", Err: err,
	}
}

// lines calls for each complete line written to it.
type lines struct {
	call func([]byte)
	part []byte
}

func (l *lines) Write(p []byte) (int, error) {
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
	return string(t.buf)
}

// errEnded says that a child ended before it was ready.
var errEnded = errors.New("the child ended before it was ready")
