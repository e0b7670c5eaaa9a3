package consume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// The exit codes of a command that mean more than "failed"; they are those of sysexits.h.
const (
	exitData = 65 // EX_DATAERR
	exitTemp = 75 // EX_TEMPFAIL
)

// killAfter is how long a command that was asked to stop may take.
const killAfter = 5 * time.Second

// run gives the delivery to the command and settles it by its exit code.
func (w *worker) run(ctx context.Context, d *semabus.Delivery) (semabus.Settlement, error) {
	var out bytes.Buffer
	errs := &tail{}
	c := exec.CommandContext(ctx, "/bin/sh", "-c", w.exec) //nolint:gosec // running the user's command is the point
	c.Stdin, c.Stdout, c.Stderr = w.input(d), &limited{to: &out, left: maxAnswer}, errs
	c.Env = append(os.Environ(),
		"MESSAGE_ID="+d.Message.ID, "MESSAGE_GROUP="+d.Group, "MESSAGE_ATTEMPT="+strconv.Itoa(d.Attempt), "MESSAGE_TOPIC="+d.Message.Topic,
		"MESSAGE_SESSION="+d.Message.Session, "MESSAGE_REPLY_TO="+d.Message.ReplyTo)
	// A group of its own: Ctrl-C is for us, the command is let finish.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	c.WaitDelay = killAfter
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return w.answered(d, out.Bytes())
	case ctx.Err() != nil:
		return semabus.Settlement{Outcome: semabus.SettleRetry, Error: "stopped before it was done"}, nil //nolint:nilerr // settled as such
	case !errors.As(err, &exit):
		return semabus.Settlement{}, err
	}
	s := semabus.Settlement{Outcome: semabus.SettleRetry, Error: strings.TrimSpace(exit.Error() + ": " + errs.String())}
	switch exit.ExitCode() {
	case exitData:
		s.Outcome = semabus.SettlePoison
	case exitTemp:
		s.Outcome = semabus.SettleThrottled
	}
	w.log.Warn("the command failed", "message", d.Message.ID, "settled", s.Outcome, "error", s.Error)
	return s, nil
}

// input is what the command reads.
func (w *worker) input(d *semabus.Delivery) io.Reader {
	if w.print.json {
		var b bytes.Buffer
		_ = output.JSON(&b, view.NewDelivery(d)) // a buffer takes everything
		return &b
	}
	if len(d.Message.Payload) > 0 {
		return bytes.NewReader(d.Message.Payload)
	}
	return strings.NewReader(d.Message.Text)
}

// answered sends what the command printed to the reply address, or prints it where there is none.
func (w *worker) answered(d *semabus.Delivery, out []byte) (semabus.Settlement, error) {
	done := semabus.Settlement{Outcome: semabus.SettleDone}
	m := d.Message
	if m.ReplyTo == "" {
		return done, w.print.text(string(out))
	}
	text := strings.TrimRight(string(out), "\n")
	if text == "" {
		return done, nil
	}
	reply := &semabus.Message{To: m.ReplyTo, InReplyTo: m.ID, Session: m.Session}
	if len(text) <= semabus.MaxTextBytes && utf8.ValidString(text) {
		reply.Text = text
	} else {
		reply.Payload = out
	}
	done.Outputs = []*semabus.Message{reply}
	return done, nil
}

// maxAnswer bounds what is kept of a command's output, bytes.
const maxAnswer = semabus.MaxMessageBytes

// limited passes on up to left bytes and refuses more.
type limited struct {
	to   io.Writer
	left int
}

var errAnswer = errors.New("the command printed more than 4 MiB")

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errAnswer
	}
	l.left -= len(p)
	return l.to.Write(p)
}

// tail keeps the last 2 KiB written to it.
type tail struct{ buf []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - 2<<10; over > 0 {
		t.buf = t.buf[over:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.TrimSpace(strings.ToValidUTF8(string(t.buf), "\uFFFD"))
}
