package router

import (
	"math"
	"unicode"
	"unicode/utf8"
)

// Lexical features of a text: words, pairs of neighbouring words, character 3-grams inside words, and one to three
// neighbouring Han characters. A feature is known by a 32-bit hash; its value is 1 + ln(times), weighted by kind and
// lowered for function words. Values are relative to the text's norm, so that long and short texts score alike, but the norm of
// a long text is taken for less than it is: most of it is talk around what matters, which must not drown it (after A. Singhal,
// C. Buckley, M. Mitra, "Pivoted document length normalization", SIGIR 1996).
const (
	maxFeatures  = 2048    // distinct features taken from one text; the rest of a longer text is not looked at
	maxScanBytes = 8 << 10 // bytes scanned for features: the subject of a message stands at its beginning
	gram         = 3       // bytes of a character n-gram: longer ones beside it cost twice the time and tell no more
	maxGrammed   = 66      // bytes of a word, spaces included, whose n-grams are taken

	pivotNorm  = 8   // norm of a text of about twenty words, from which on texts count as long
	pivotSlope = 0.8 // exponent by which a longer text's norm is taken for less; 0 = not at all

	weightWord = 1.5
	weightPair = 1.0
	weightGram = 0.6
	weightHan  = 0.7 // one Han character says less than a word
	weightStop = 0.4
)

// featureVec is a text as features: hashes and values of the same length, values divided by the norm.
type featureVec struct {
	hash  []uint32
	value []float32
	kind  []uint8 // featureKind
}

// featureKind tells a feature's origin; only whole words and Han pairs name an example to a reader.
type featureKind = uint8

const (
	kindWord featureKind = iota
	kindPair
	kindGram
	kindHan
	kindStop
)

var kindWeight = [...]float32{kindWord: weightWord, kindPair: weightPair, kindGram: weightGram, kindHan: weightHan, kindStop: weightStop}

// extractor turns texts into features; it keeps its tables between texts. Not safe for concurrent use.
type extractor struct {
	out   featureVec
	table []int32 // open addressing: 1 + index into out, 0 = free
	word  []byte  // the running word, lower case, with a space before and after
	prev  uint32  // hash of the word before, 0 = none
	han   [2]rune // the two Han characters before, 0 = none
}

const tableSize = 4 * maxFeatures

func newExtractor() *extractor {
	return &extractor{
		out: featureVec{
			hash: make([]uint32, 0, 512), value: make([]float32, 0, 512), kind: make([]uint8, 0, 512),
		},
		table: make([]int32, tableSize),
		word:  make([]byte, 0, 64),
	}
}

// extract returns the features of text; the result is valid until the next call.
func (x *extractor) extract(text string) featureVec {
	x.reset()
	if len(text) > maxScanBytes {
		text = text[:maxScanBytes]
	}
	for i := 0; i < len(text) && len(x.out.hash) < maxFeatures; {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			x.ascii(c)
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		x.rune(r)
	}
	x.endWord()
	x.finish()
	return x.out
}

func (x *extractor) reset() {
	for _, h := range x.out.hash {
		for p := h % tableSize; x.table[p] != 0; p = (p + 1) % tableSize {
			x.table[p] = 0
		}
	}
	x.out.hash, x.out.value, x.out.kind = x.out.hash[:0], x.out.value[:0], x.out.kind[:0]
	x.word = append(x.word[:0], ' ')
	x.prev, x.han = 0, [2]rune{}
}

func (x *extractor) ascii(c byte) {
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

func (x *extractor) rune(r rune) {
	if r >= 0xFF01 && r <= 0xFF5E { // full-width forms of ASCII
		x.ascii(byte(r - 0xFEE0))
		return
	}
	switch {
	case r == '’':
	case unicode.Is(unicode.Han, r):
		x.endWord()
		x.addHan(r)
	case unicode.IsLetter(r), unicode.IsDigit(r):
		x.word = utf8.AppendRune(x.word, unicode.ToLower(r))
		x.han = [2]rune{}
	default:
		x.endWord()
		x.han = [2]rune{}
	}
}

// addHan adds the one to three Han characters that end in r.
func (x *extractor) addHan(r rune) {
	x.prev = 0
	h := mix(hanSeed, uint32(r))
	x.add(finish32(h), kindHan)
	if a := x.han[1]; a != 0 {
		h2 := mix(mix(hanSeed, uint32(a)), uint32(r))
		x.add(finish32(h2), kindWord)
		if b := x.han[0]; b != 0 {
			x.add(finish32(mix(mix(mix(hanSeed, uint32(b)), uint32(a)), uint32(r))), kindPair)
		}
	}
	x.han[0], x.han[1] = x.han[1], r
}

const (
	wordSeed = 0x9E3779B1
	pairSeed = 0x85EBCA77
	gramSeed = 0xC2B2AE3D
	hanSeed  = 0x27D4EB2F
)

func mix(h, c uint32) uint32 { return (h ^ c) * 0x01000193 }

// finish32 spreads the last characters over all bits (the finaliser of MurmurHash3, A. Appleby).
func finish32(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// wordHash is the feature of a word.
func wordHash(w []byte) uint32 {
	h := uint32(wordSeed)
	for _, c := range w {
		h = mix(h, uint32(c))
	}
	return finish32(h)
}

// endWord adds the features of the finished word.
func (x *extractor) endWord() {
	if len(x.word) == 1 {
		return
	}
	h := wordHash(x.word[1:])
	if isStop(h) {
		x.add(h, kindStop)
	} else {
		x.add(h, kindWord)
	}
	if x.prev != 0 {
		x.add(finish32(mix(mix(pairSeed, x.prev), h)), kindPair)
	}
	x.prev = h
	x.addGrams(append(x.word, ' '))
	x.word = append(x.word[:0], ' ')
}

// addGrams adds the character 3-grams of w, a word between spaces. Bytes stand for characters: beyond ASCII a gram is shorter
// in characters, never ambiguous.
func (x *extractor) addGrams(w []byte) {
	w = w[:min(len(w), maxGrammed)]
	for i := 0; i+gram <= len(w); i++ {
		h := uint32(gramSeed)
		for _, c := range w[i : i+gram] {
			h = mix(h, uint32(c))
		}
		x.add(finish32(h), kindGram)
	}
}

func (x *extractor) add(h uint32, kind featureKind) {
	p := h % tableSize
	for x.table[p] != 0 {
		if i := x.table[p] - 1; x.out.hash[i] == h {
			x.out.value[i]++
			return
		}
		p = (p + 1) % tableSize
	}
	if len(x.out.hash) >= maxFeatures {
		return
	}
	x.out.hash = append(x.out.hash, h)
	x.out.value = append(x.out.value, 1)
	x.out.kind = append(x.out.kind, kind)
	x.table[p] = int32(len(x.out.hash))
}

// finish turns counts into weighted values of unit norm.
func (x *extractor) finish() {
	var sum float32
	for i, n := range x.out.value {
		v := kindWeight[x.out.kind[i]]
		if n > 1 {
			v *= 1 + float32(math.Log(float64(n)))
		}
		x.out.value[i] = v
		sum += v * v
	}
	if sum == 0 {
		return
	}
	n := math.Sqrt(float64(sum))
	if n > pivotNorm {
		n = math.Pow(pivotNorm, pivotSlope) * math.Pow(n, 1-pivotSlope)
	}
	inv := float32(1 / n)
	for i := range x.out.value {
		x.out.value[i] *= inv
	}
}
