package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// process is a node that a script runs in the background.
type process struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr bytes.Buffer
}

// processes are the running nodes by script and data folder.
var processes sync.Map

type processKey struct {
	ts   *testscript.TestScript
	data string
}

// startNode is `node DATA [flag...]`: it runs serve on free ports until the script ends, and points SEMABUS_ADDR, GRPC and
// HTTP at it.
func startNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: node DATA [flag...]")
	}
	path, err := exec.LookPath("semabus")
	ts.Check(err)
	all := append([]string{"serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", args[0]}, args[1:]...)
	p := &process{cmd: exec.Command(path, all...)}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = ts.MkAbs("."), os.Environ(), &p.stderr
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	ts.Defer(func() { _ = p.cmd.Process.Kill() })
	lines := bufio.NewReader(out)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		_ = p.cmd.Wait()
		ts.Fatalf("the node did not start: %s", p.stderr.String())
	}
	var at struct{ GRPC, HTTP string }
	ts.Check(json.Unmarshal(line, &at))
	p.stdout = lines
	ts.Setenv("SEMABUS_ADDR", at.GRPC)
	ts.Setenv("GRPC", at.GRPC)
	ts.Setenv("HTTP", at.HTTP)
	processes.Store(processKey{ts, args[0]}, p)
}

// take finds a running node and forgets it.
func take(ts *testscript.TestScript, data string) *process {
	p, ok := processes.LoadAndDelete(processKey{ts, data})
	if !ok {
		ts.Fatalf("no node runs on %s", data)
	}
	return p.(*process)
}

// stopNode is `stop DATA`: SIGTERM; the node must end by itself with exit code 0, and have printed nothing after its line.
func stopNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: stop DATA")
	}
	p := take(ts, args[0])
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	rest, err := io.ReadAll(p.stdout)
	ts.Check(err)
	if err := p.cmd.Wait(); err != nil {
		ts.Fatalf("stopping the node: %v\n%s", err, p.stderr.String())
	}
	if len(rest) > 0 {
		ts.Fatalf("the node printed %q on standard output", rest)
	}
}

// crashNode is `crash DATA`: kill -9.
func crashNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: crash DATA")
	}
	p := take(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	_ = p.cmd.Wait() // killed
}

// exitCode is `code N semabus …`: it runs the command, whose output later lines see as after exec, and demands the exit code.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d instead of %d", strings.Join(args[1:], " "), got, want)
	}
}

// writeBytes is `bytes FILE N`: a file of N zero bytes.
func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bytes FILE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), make([]byte, n), 0o600))
}

// grab is `grab NAME REGEXP`: the first group of the expression in the last standard output becomes a variable.
func grab(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: grab NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("%s matches nothing with one group", args[1])
	}
	ts.Setenv(args[0], m[1])
}
