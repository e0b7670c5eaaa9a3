package localembed

import (
	"unicode"
	"unicode/utf8"
)

// Bounds of what is taken from a text.
const (
	maxFeatures = 8192 // distinct features of one text; what follows is left out and the vector marked Truncated
	maxWord     = 48   // characters of a word that are looked at for parts
	minGram     = 3    // characters of the shortest part
	maxGram     = 4    // and of the longest; 5 costs a quarter more time and brought nothing measurable
)

// Weights by kind of feature. They were chosen by nearest-centroid accuracy on training and validation texts in two
// languages; the optimum is flat.
const (
	weightWord   = 1.5
	weightStop   = 0.8 // a function word; in short questions it still tells how, when and how much apart
	weightPair   = 0.5 // two neighbouring words
	weightGram   = 0.6 // a part of a word
	weightSingle = 0.9 // one character of a script without spaces says less than a word
	weightDouble = 1.2 // two neighbouring ones are what a word is elsewhere
	weightTriple = 0.5
)

// Seeds keep kinds of features apart.
const (
	seedWord   = 0x9e3779b97f4a7c15
	seedPair   = 0xbf58476d1ce4e5b9
	seedGram   = 0x94d049bb133111eb
	seedSingle = 0xd6e8feb86659fd93
)

// feature is one kind of evidence found in a text.
type feature struct {
	hash   uint64
	weight float32
	times  float32
}

// cell is one place of the extractor's hash table.
type cell struct {
	hash  uint64
	turn  uint32 // the text it belongs to; an older one means free
	index uint32 // into features
}

// extractor turns texts into features. It keeps its tables between texts and is not safe for concurrent use.
type extractor struct {
	features []feature
	table    []cell // of a power of two
	mask     uint64
	turn     uint32
	full     bool

	word []rune  // the running word, folded, with a space before it
	last uint64  // hash of the word before, 0 = none
	han  [2]rune // the two characters before, of a script without spaces; 0 = none
}

func newExtractor() *extractor {
	return &extractor{word: append(make([]rune, 0, maxWord+2), ' ')}
}

// extract returns the features of text in the order of their first appearance, and whether they are all of them. The
// result is valid until the next call.
func (x *extractor) extract(text string) (features []feature, whole bool) {
	x.reset(len(text))
	for i := 0; i < len(text) && !x.full; {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			x.ascii(rune(c))
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		x.rune(r)
	}
	x.endWord()
	return x.features, !x.full
}

// reset begins a text of n bytes. Only a part of the table that fits the text is used, so that it stays in the cache.
func (x *extractor) reset(n int) {
	size := 64
	for size < 2*maxFeatures && size < 8*n {
		size *= 2
	}
	if size > len(x.table) {
		x.table, x.turn = make([]cell, size), 0
	}
	x.mask = uint64(size - 1)
	if x.turn++; x.turn == 0 {
		clear(x.table)
		x.turn = 1
	}
	x.features, x.full = x.features[:0], false
	x.word, x.last, x.han = x.word[:1], 0, [2]rune{}
}

// rune takes the next character.
func (x *extractor) rune(r rune) {
	if r = fold(r); r < utf8.RuneSelf {
		x.ascii(r)
		return
	}
	switch {
	case unspaced(r):
		x.endWord()
		x.addHan(r)
		return
	case unicode.Is(unicode.Mn, r), r == '\u2019': // marks of the letter before, an apostrophe
		return
	case unicode.IsLetter(r), unicode.IsDigit(r):
		x.word = append(x.word, unicode.ToLower(r))
	case unicode.Is(unicode.So, r): // a pictograph
		x.endWord()
		x.word = append(x.word, r)
		x.endWord()
	default:
		x.endWord()
	}
	x.han = [2]rune{}
}

func (x *extractor) ascii(c rune) {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		x.word = append(x.word, c)
	case 'A' <= c && c <= 'Z':
		x.word = append(x.word, c|0x20)
	case c == '\'':
		return
	default:
		x.endWord()
	}
	x.han = [2]rune{}
}

// addHan adds the runs of one to three characters that end in r.
func (x *extractor) addHan(r rune) {
	b, a := x.han[0], x.han[1]
	x.last, x.han = 0, [2]rune{a, r}
	x.addStoppable(mix(seedSingle, r), weightSingle)
	if a == 0 {
		return
	}
	x.addStoppable(mix(mix(seedSingle, a), r), weightDouble)
	if b != 0 {
		x.add(finish(mix(mix(mix(seedSingle, b), a), r)), weightTriple)
	}
}

// endWord adds the features of the running word, if there is one. A function word has no parts.
func (x *extractor) endWord() {
	if len(x.word) == 1 {
		return
	}
	h := uint64(seedWord)
	for _, r := range x.word[1:] {
		h = mix(h, r)
	}
	if !x.addStoppable(h, weightWord) {
		x.addGrams()
	}
	h = finish(h)
	if x.last != 0 {
		x.add(finish((x.last^seedPair)*multiplier^h), weightPair)
	}
	x.last, x.word = h, x.word[:1]
}

// addStoppable adds a word by its unfinished hash, with less weight if it is a function word.
func (x *extractor) addStoppable(h uint64, weight float32) (stop bool) {
	h = finish(h)
	if stop = stopWords[h]; stop {
		weight = weightStop
	}
	x.add(h, weight)
	return stop
}

// addGrams adds the runs of 3 to 5 characters of the running word between its spaces.
func (x *extractor) addGrams() {
	w := x.word
	if len(w) > maxWord+1 {
		w = w[:maxWord+1]
	}
	w = append(w, ' ')
	for i := 0; i+minGram <= len(w); i++ {
		h := uint64(seedGram)
		for n, r := range w[i:min(i+maxGram, len(w))] {
			h = mix(h, r)
			if n+1 >= minGram {
				x.add(finish(h), weightGram)
			}
		}
	}
}

const multiplier = 0x9fb21c651e98df25

func mix(h uint64, r rune) uint64 { return (h ^ uint64(r)) * multiplier }

// finish spreads the last characters over all bits (the finaliser of MurmurHash3, A. Appleby).
func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// add counts a feature.
func (x *extractor) add(h uint64, weight float32) {
	for p := h & x.mask; ; p = (p + 1) & x.mask {
		c := &x.table[p]
		if c.turn != x.turn {
			if len(x.features) == maxFeatures {
				x.full = true
				return
			}
			*c = cell{h, x.turn, uint32(len(x.features))}
			x.features = append(x.features, feature{h, weight, 1})
			return
		}
		if c.hash == h {
			x.features[c.index].times++
			return
		}
	}
}
