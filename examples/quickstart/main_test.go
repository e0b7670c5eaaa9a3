package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/internal/node"
)

// The program of docs/quickstart.md does what the page shows.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	config := node.Default()
	config.Data, config.Listen, config.HTTP = t.TempDir(), "127.0.0.1:0", ""
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	n, err := node.Open(ctx, config, node.Options{})
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return n.Run(life) })
	var out bytes.Buffer
	if err := run(ctx, n.GRPCAddr(), &out); err != nil {
		t.Error(err)
	}
	end()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var handled []string
	for _, l := range lines {
		if strings.HasPrefix(l, "refunds ") || strings.HasPrefix(l, "cards ") {
			handled = append(handled, l)
		}
	}
	slices.Sort(handled)
	want := []string{
		"cards      My card was stolen on the train, please block it!",
		"refunds    Hello, you charged me twice for order 4711.",
		"refunds    I want my money back for the broken lamp.",
	}
	if !slices.Equal(handled, want) {
		t.Errorf("the agents heard:\n%s", out.String())
	}
}
