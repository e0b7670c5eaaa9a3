package demo_test

import (
	"slices"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/child"
	"github.com/semabus/semabus/cmd/semabus/internal/wait"
	"github.com/semabus/semabus/examples/helpdesk"
)

// TestDevList decides the desk's tuning list and names what is wrong: the list to look at when the router changes. The demo
// itself plays the other list, which nobody may tune on.
func TestDevList(t *testing.T) {
	t.Parallel()
	node, err := child.StartNode(t.Context(), child.NodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	c, err := client.Dial(t.Context(), node.GRPC, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	intents, err := helpdesk.Intents()
	if err != nil {
		t.Fatal(err)
	}
	for i := range intents {
		if _, err := c.RegisterIntent(t.Context(), intents[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := wait.Refits(t.Context(), semabus.SystemClock{}, c); err != nil {
		t.Fatal(err)
	}
	messages, err := helpdesk.Dev()
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, m := range messages {
		e, err := c.Explain(t.Context(), &semabus.Message{Text: m.Text}, "")
		if err != nil {
			t.Fatal(err)
		}
		groups := slices.Sorted(slices.Values(e.Decision.Groups()))
		if slices.Equal(groups, m.Groups) || len(groups)+len(m.Groups) == 0 {
			right++
			continue
		}
		t.Logf("%s is for %v and would reach %v: %s", m.ID, m.Groups, groups, m.Text)
	}
	if share := float64(right) / float64(len(messages)); share < 0.95 {
		t.Errorf("%d of %d messages would reach exactly the right agents (%.1f %%), want 95 %%", right, len(messages), 100*share)
	}
}
