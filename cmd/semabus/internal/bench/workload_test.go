package bench_test

import (
	"strings"
	"testing"

	"github.com/semabus/semabus/cmd/semabus/internal/bench"
)

func TestIntentsDiffer(t *testing.T) {
	t.Parallel()
	const n = 120_000
	seen, groups := make(map[string]bool, n), map[string]int{}
	for _, in := range bench.Intents(n, 7) {
		if seen[in.Description] || seen[in.Name] {
			t.Fatalf("%s: %q is there twice", in.Name, in.Description)
		}
		seen[in.Description], seen[in.Name] = true, true
		groups[in.Group]++
	}
	for g, k := range groups {
		if len(groups) != 7 || k < n/7 {
			t.Errorf("%s has %d of %d intents in %d groups", g, k, n, len(groups))
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 64, 256, 4096} {
		seen, bytes := map[string]bool{}, 0
		for _, s := range bench.Texts(500, 1000, size) {
			if seen[s] {
				t.Fatalf("size %d: %q is there twice", size, s)
			}
			seen[s] = true
			bytes += len(s)
			if !strings.Contains(s, " Reference ") {
				t.Errorf("%q has no number of its own", s)
			}
		}
		if mean := bytes / 500; size >= 256 && (mean < size-20 || mean > size+20) {
			t.Errorf("size %d: texts have %d bytes on average", size, mean)
		}
	}
}

func TestBesides(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{"127.0.0.1:7420": "127.0.0.1:7421", "[::1]:7420": "[::1]:7421", "nowhere": "", "a:b": ""} {
		if got := bench.Besides(addr); got != want {
			t.Errorf("besides %s: %q, want %q", addr, got, want)
		}
	}
}
