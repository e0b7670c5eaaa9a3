package bench

import (
	"math/rand/v2"

	semabus "github.com/semabus/semabus"
)

// Intents are those of one run.
func Intents(count, groups int) []semabus.Intent { return names{"test"}.intents(count, groups) }

// Texts are the first n texts of a publisher.
func Texts(n, intents, size int) []string {
	r := rand.New(rand.NewPCG(1, 1))
	out := make([]string, n)
	for i := range out {
		out[i] = string(text(r, nil, intents, size, uint64(i)))
	}
	return out
}

// Besides is the address of the HTTP side of a node with default ports.
func Besides(addr string) string { return besides(addr) }
