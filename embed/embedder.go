package embed

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/semabus/semabus/embed/driver"
)

// DefaultBatch is the number of texts handed to a driver at once where [Options] do not say.
const DefaultBatch = 64

// Options configure [New]. The zero value is usable.
type Options struct {
	Batch int // most texts in one call of the driver; 0 or less = [DefaultBatch]
}

// Vector is one text in one tier.
type Vector struct {
	Tier      string    // name of the tier
	Space     string    // identity of the embedding space; vectors of two spaces are never compared
	Values    []float32 // the tier's dimension; unit length, or all zero where the model found nothing in the text
	Language  Language  // of the text
	Truncated bool      // the text was longer than the tier's bound: its beginning was embedded
}

// Embedder is the portable embedder over one driver. It is safe for concurrent use.
type Embedder struct {
	d       driver.Driver
	tiers   []driver.Tier
	longest int // largest MaxBytes of the tiers
	batch   int
	pool    sync.Pool // of *scratch
}

// scratch is what one call of the driver needs. Its rows borrow the Values of the caller's vectors for that call.
type scratch struct {
	texts []string
	rows  [][]driver.Vector
	text  [1]string // of EmbedOne
	out   [1][]Vector
}

// New wraps a driver. It starts nothing. An embedder over nil has no tiers and answers every call with an error.
func New(d driver.Driver, o Options) *Embedder {
	if o.Batch <= 0 {
		o.Batch = DefaultBatch
	}
	e := &Embedder{d: d, batch: o.Batch}
	if d != nil {
		e.tiers = slices.Clone(d.Tiers())
	}
	for _, t := range e.tiers {
		e.longest = max(e.longest, t.MaxBytes)
	}
	e.pool.New = func() any { return &scratch{} }
	return e
}

// Tiers lists what is computed, cheapest first. The slice belongs to the caller.
func (e *Embedder) Tiers() []driver.Tier { return slices.Clone(e.tiers) }

// Embed returns the vectors of texts: result[i][j] belongs to texts[i] and Tiers()[j]. Drivers are asked for at most
// Options.Batch texts at once. The result of an empty list is empty.
func (e *Embedder) Embed(ctx context.Context, texts []string, kind driver.Kind) ([][]Vector, error) {
	const op = "embed.Embed"
	if err := e.ready(ctx, op); err != nil {
		return nil, err
	}
	for i, t := range texts {
		if !utf8.ValidString(t) {
			return nil, errUTF8(op, "texts["+strconv.Itoa(i)+"]", t)
		}
	}
	sc := e.scratch()
	defer e.free(sc)
	out := make([][]Vector, len(texts))
	for from := 0; from < len(texts); from += e.batch {
		to := min(from+e.batch, len(texts))
		for i := from; i < to; i++ {
			out[i] = make([]Vector, len(e.tiers))
		}
		if err := e.run(ctx, op, sc, texts[from:to], kind, out[from:to]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// EmbedOne returns the vectors of one text, one a tier. It reuses the capacity of dst and of the Values found there, so a
// caller that hands in the last result allocates nothing; dst may be nil. After an error the contents of dst are undefined.
func (e *Embedder) EmbedOne(ctx context.Context, text string, kind driver.Kind, dst []Vector) ([]Vector, error) {
	const op = "embed.EmbedOne"
	if err := e.ready(ctx, op); err != nil {
		return nil, err
	}
	if !utf8.ValidString(text) {
		return nil, errUTF8(op, "text", text)
	}
	dst = slices.Grow(dst[:0], len(e.tiers))[:len(e.tiers)]
	sc := e.scratch()
	defer e.free(sc)
	sc.text[0], sc.out[0] = text, dst
	if err := e.run(ctx, op, sc, sc.text[:], kind, sc.out[:]); err != nil {
		return nil, err
	}
	return dst, nil
}

func (e *Embedder) scratch() *scratch {
	return e.pool.Get().(*scratch) //nolint:errcheck // the pool holds nothing else
}

// free gives a scratch back without what it borrowed.
func (e *Embedder) free(sc *scratch) {
	clear(sc.texts[:cap(sc.texts)])
	for _, row := range sc.rows[:cap(sc.rows)] {
		clear(row)
	}
	sc.text[0], sc.out[0] = "", nil
	e.pool.Put(sc)
}

// ready refuses what cannot succeed.
func (e *Embedder) ready(ctx context.Context, op string) error {
	if len(e.tiers) == 0 {
		return errNoModel(op)
	}
	if err := ctx.Err(); err != nil {
		return errDriver(op, err)
	}
	return nil
}

// run asks the driver for the vectors of texts, which are valid UTF-8, and puts them into out, whose Values it reuses.
func (e *Embedder) run(ctx context.Context, op string, sc *scratch, texts []string, kind driver.Kind, out [][]Vector) error {
	sc.texts = sc.texts[:0]
	for _, t := range texts {
		sc.texts = append(sc.texts, cut(t, e.longest))
	}
	sc.rows = slices.Grow(sc.rows[:0], len(texts))[:len(texts)]
	for i := range sc.rows {
		row := slices.Grow(sc.rows[i][:0], len(e.tiers))[:len(e.tiers)]
		for j := range row {
			row[j] = driver.Vector{Values: out[i][j].Values}
		}
		sc.rows[i] = row
	}
	if err := e.d.Embed(ctx, sc.texts, kind, sc.rows); err != nil {
		return errDriver(op, err)
	}
	for i, row := range sc.rows {
		language := LanguageOf(sc.texts[i])
		for j := range e.tiers {
			t, v := &e.tiers[j], &row[j]
			if err := check(t, v.Values); err != nil {
				return errAnswer(op, t, err)
			}
			out[i][j] = Vector{Tier: t.Name, Space: t.Space, Values: v.Values, Language: language,
				Truncated: v.Truncated || len(texts[i]) > t.MaxBytes}
		}
	}
	return nil
}

// cut shortens s to at most limit bytes on a rune border.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// unitSlack is how far the squared length of a vector may be from 1: what half-precision weights of a remote model leave.
const unitSlack = 0.01

// check holds a driver's vector against its contract.
func check(t *driver.Tier, v []float32) error {
	if len(v) != t.Dim {
		return fmt.Errorf("%d values, want %d", len(v), t.Dim)
	}
	if sq := Dot(v, v); sq != 0 && !(math.Abs(float64(sq)-1) <= unitSlack) { // NaN fails too
		return fmt.Errorf("squared length %g, want 0 or 1", sq)
	}
	return nil
}
