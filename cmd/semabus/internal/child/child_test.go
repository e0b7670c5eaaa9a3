package child_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"testing"

	"go.uber.org/goleak"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
)

// TestMain plays the child when it is started with its argument, the way Start runs this same program.
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
		case "serve": // a node that fails
			fmt.Fprintln(os.Stderr, "no such disk")
			os.Exit(3)
		}
	}
	goleak.VerifyTestMain(m)
}

func TestLines(t *testing.T) {
	t.Setenv("SEMABUS_DATA", "the caller's own")
	var got []string
	p, err := child.Start(t.Context(), []string{"echo"}, func(line []byte) { got = append(got, string(line)) })
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if len(got) != 2 || got[0] != "one " || got[1] != "two" {
		t.Errorf("lines %q: the child must print two and see none of the caller's configuration", got)
	}
	p.Stop() // of an ended child does nothing
}

func TestKill(t *testing.T) {
	t.Parallel()
	here := make(chan struct{}, 1)
	p, err := child.Start(t.Context(), []string{"stubborn"}, func([]byte) { here <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	<-here
	p.Kill()
	<-p.Done()
	p.Kill() // twice is harmless
}

func TestNodeThatFails(t *testing.T) {
	t.Parallel()
	_, err := child.StartNode(t.Context(), child.NodeOptions{Data: t.TempDir()})
	if semabus.CodeOf(err) != semabus.CodeUnavailable {
		t.Fatalf("a node that cannot start: %v", err)
	}
	if e, _ := semabus.AsError(err); e == nil || e.Err == nil {
		t.Error("the node's own words are not in the cause")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := child.StartNode(over, child.NodeOptions{}); err == nil {
		t.Error("a cancelled start must fail")
	}
}
