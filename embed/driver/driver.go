// Package driver is the seam between the portable embedder and the models behind it. Its suite is package embedtest.
package driver

import "context"

// Driver turns texts into vectors. It is safe for concurrent use, deterministic for equal texts of one space, and never
// retries. Texts are valid UTF-8 of at most the largest MaxBytes of the tiers; the portable type sees to that. A tier whose
// bound is smaller looks at the beginning and sets Truncated.
type Driver interface {
	// Tiers lists what the driver computes, cheapest first; constant for the life of the value.
	Tiers() []Tier
	// Embed writes one vector a text and tier into out: out[i][j] belongs to texts[i] and Tiers()[j] and has Values
	// of length Dim, unit length (or all zero for a text without any feature). The driver reuses the capacity of Values it
	// finds there. An error concerns all texts.
	Embed(ctx context.Context, texts []string, kind Kind, out [][]Vector) error
}

// Kind says which side of a comparison the text is on; models with prefixes care.
type Kind uint8

// The kinds.
const (
	Query   Kind = iota // a message
	Passage             // an intent's description or example
)

// Tier is one quality level of a driver.
type Tier struct {
	Name     string // "hashed", "static", "contextual"
	Space    string // identity of weights, tokenizer, pooling, prefixes, quantisation; vectors of two spaces never compare
	Dim      int
	MaxBytes int // longer texts are cut on a rune border and marked Truncated
}

// Vector is one text in one tier.
type Vector struct {
	Values    []float32
	Truncated bool
}
