package process_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/process"
)

// TestMain plays the child when it is started with its argument.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "echo": // two lines, then it ends
			fmt.Printf("one %s\ntwo\n", os.Getenv("SEMABUS_DATA"))
			return
		case "stubborn": // ignores the request to end
			signal.Ignore(os.Interrupt)
			fmt.Println("here")
			select {}
		case "fail":
			fmt.Fprintln(os.Stderr, "no such disk")
			os.Exit(3)
		}
	}
	goleak.VerifyTestMain(m)
}

// What the system says of a process: here 1.5 s in user mode and a quarter in system mode.
func ExampleParseStat() {
	fmt.Println(process.ParseStat([]byte("4711 (redis-server) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0")))
	// Output: 1.75s <nil>
}

// A program of one's own, and what it has used. (Not run: this test program is not redis-server.)
func Example() {
	p, err := process.Start(context.Background(), process.Options{Path: "redis-server", Args: []string{"--port", "0"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Stop()
	fmt.Println(process.CPU(p.PID()))
}

func start(t *testing.T, arg string, line func([]byte)) *process.Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(t.Context(), process.Options{Path: self, Args: []string{arg}, Line: line})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLines(t *testing.T) {
	t.Setenv("SEMABUS_DATA", "the caller's own")
	var got []string
	p := start(t, "echo", func(line []byte) { got = append(got, string(line)) })
	<-p.Done()
	if len(got) != 2 || got[0] != "one " || got[1] != "two" {
		t.Errorf("lines %q: the child must print two and see none of the caller's configuration", got)
	}
	p.Stop() // of an ended child does nothing
}

func TestKill(t *testing.T) {
	t.Parallel()
	here := make(chan struct{}, 1)
	p := start(t, "stubborn", func([]byte) { here <- struct{}{} })
	<-here
	if runtime.GOOS == "linux" {
		if m, err := process.Memory(p.PID()); err != nil || m.Anonymous <= 0 || m.Resident < m.Anonymous || m.Peak < m.Resident {
			t.Errorf("memory %+v, %v", m, err)
		}
		if cpu, err := process.CPU(p.PID()); err != nil || cpu < 0 || cpu > time.Minute {
			t.Errorf("CPU time %v, %v", cpu, err)
		}
	}
	p.Pause() // a stopped process can be killed
	p.Resume()
	p.Pause()
	p.Kill()
	<-p.Done()
	p.Kill() // twice is harmless
	if _, err := process.CPU(p.PID()); err == nil {
		t.Error("a process that is gone has no CPU time")
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	p := start(t, "fail", nil)
	_, err := process.Ready(t.Context(), p, make(chan int), time.Minute)
	if semabus.CodeOf(err) != semabus.CodeUnavailable || !strings.Contains(err.Error(), "no such disk") {
		t.Errorf("a child that fails: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	p = start(t, "stubborn", nil)
	if _, err := process.Ready(over, p, make(chan int), time.Minute); err == nil {
		t.Error("a wait that is over must fail")
	}
	<-p.Done() // it was killed
	ready := make(chan int, 1)
	ready <- 7
	p = start(t, "stubborn", nil)
	defer p.Kill()
	if got, err := process.Ready(t.Context(), p, ready, time.Minute); err != nil || got != 7 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	if _, err := process.Start(t.Context(), process.Options{Path: "no-such-program"}); semabus.CodeOf(err) != semabus.CodeUnavailable {
		t.Errorf("%v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := process.Start(over, process.Options{Path: os.Args[0]}); err == nil {
		t.Error("a start that is over must fail")
	}
}

// TestParseStat: the name of a process may hold spaces and brackets, and hide numbers.
func TestParseStat(t *testing.T) {
	t.Parallel()
	const numbers = "S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20"
	for _, name := range []string{"redis-server", "a b", "x) 1 2 3 4 (y"} {
		got, err := process.ParseStat([]byte("4711 (" + name + ") " + numbers))
		if err != nil || got != 1750*time.Millisecond {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "1 (x) S 1 2", "1 (x) S 1 2 3 4 5 6 7 8 9 10 much 25"} {
		if _, err := process.ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	const text = "Name:\tsemabus\nVmHWM:\t    300 kB\nVmRSS:\t    200 kB\nRssAnon:\t    100 kB\nRssFile:\t 100 kB\n"
	got, err := process.ParseStatus(strings.NewReader(text))
	if err != nil || got != (process.Usage{Anonymous: 100 << 10, Resident: 200 << 10, Peak: 300 << 10}) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"Name: x\n", strings.Replace(text, "100 kB", "some", 1)} {
		if _, err := process.ParseStatus(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestSyncTime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if d, err := process.SyncTime(dir, semabus.SystemClock{}); err != nil || d <= 0 {
		t.Errorf("%v, %v", d, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	if _, err := process.SyncTime(dir+"/nowhere", semabus.SystemClock{}); err == nil {
		t.Error("a folder that is not there must fail")
	}
}

func TestFreePort(t *testing.T) {
	t.Parallel()
	if port, err := process.FreePort(); err != nil || port < 1 || port > 65535 {
		t.Errorf("%v, %v", port, err)
	}
}

// TestVolatile: Linux keeps this folder in memory, and the one of processes nowhere at all.
func TestVolatile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "linux" && !process.Volatile("/dev/shm") {
		t.Error("/dev/shm is a disk")
	}
	if process.Volatile("/proc") || process.Volatile("/no/such/folder") {
		t.Error("what is not in memory is")
	}
}
