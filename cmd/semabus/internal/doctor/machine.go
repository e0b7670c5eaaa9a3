package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/internal/node"
)

// machine checks the limits of the process.
func machine() []Finding {
	files := Finding{Check: "open files", State: OK}
	var limit unix.Rlimit
	switch err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); {
	case err != nil:
		files.State, files.Detail, files.Fix = Warn, fault.Clean(err.Error()), "look at ulimit -n"
	case limit.Max < 4096:
		files.State, files.Detail, files.Fix = Warn, fmt.Sprintf("at most %d", limit.Max), "raise ulimit -n: each connection takes one"
	default:
		files.Detail = fmt.Sprintf("up to %d", limit.Max)
	}
	return []Finding{files, {"processors", OK, fmt.Sprintf("%d used", runtime.GOMAXPROCS(0)), ""}}
}

// loopback reports whether an address can be reached from this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// port checks that an address can be served, or is by the node that was reached.
func port(check, flag, address string, reached Finding) Finding {
	if address == "" {
		return Finding{check, OK, "off", ""}
	}
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		_ = l.Close() // it was only tried
		return Finding{check, OK, address + " is free", ""}
	case errors.Is(err, syscall.EADDRINUSE) && reached.State == OK:
		return Finding{check, OK, address + " is in use, a node runs", ""}
	case errors.Is(err, syscall.EADDRINUSE):
		return Finding{check, Fail, address + " is in use by another program", "stop it, or give another --" + flag + "; port 0 is any free one"}
	}
	return Finding{check, Fail, fault.Clean(err.Error()), "give an address of this machine with --" + flag}
}

// answerWithin bounds the wait for a node's answer.
const answerWithin = 5 * time.Second

// node asks the node of --addr, or the one that c would run, whether it is there.
func (o *options) node(ctx context.Context, c *node.Config) Finding {
	if c != nil {
		if _, p, err := net.SplitHostPort(c.Listen); err == nil && p == "0" {
			return Finding{"node", OK, absent(c), ""}
		}
		o.to.Use(c.Listen)
	}
	at := o.to.Target()
	f := Finding{Check: "node", State: Fail, Fix: "start it, or give another --addr"}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	cl, err := o.to.Dial(ctx)
	if err != nil {
		f.Detail, f.Fix = fault.Summary(err), "correct the flags"
		return f
	}
	defer connect.End(cl)
	info, err := cl.Info(ctx)
	switch code := semabus.CodeOf(err); {
	case err == nil:
		return Finding{"node", OK, fmt.Sprintf("%s answers: version %s, %s of tenant %s", at, info.Version, info.Role, info.Tenant), ""}
	case code == semabus.CodeUnauthenticated && !o.to.HasCredential():
		return Finding{"node", OK, at + " answers, and asks for a key", ""}
	case code == semabus.CodeUnavailable && c != nil && !listens(ctx, at):
		return Finding{"node", OK, absent(c), ""}
	}
	f.Detail = at + ": " + fault.Summary(err)
	if e, ok := semabus.AsError(err); ok && e.Fix != "" && e.Code != semabus.CodeUnavailable {
		f.Fix = e.Fix
	}
	return f
}

// listens reports whether anything accepts connections at an address.
func listens(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only tried
	return true
}
