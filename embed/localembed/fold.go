package localembed

import "unicode"

// plain spells U+00C0 to U+017F without diacritics; a space keeps the character.
const plain = "AAAAAA CEEEEIIII NOOOOO OUUUUY  aaaaaa ceeeeiiii nooooo ouuuuy y" +
	"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi  JjKk LlLlLlL" +
	"lLlNnNnNnn  OoOoOo  RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs"

// fold maps forms of a character that mean the same to one: full-width forms to ASCII, Latin letters to those without
// diacritics. Case is folded by the caller.
func fold(r rune) rune {
	switch {
	case 0xff01 <= r && r <= 0xff5e:
		return r - 0xff01 + '!'
	case r == 0x3000:
		return ' '
	case 0xc0 <= r && r < 0xc0+rune(len(plain)):
		if p := rune(plain[r-0xc0]); p != ' ' {
			return p
		}
	}
	return r
}

// unspaced reports whether r belongs to a script written without spaces between words, whose characters carry meaning.
func unspaced(r rune) bool {
	switch {
	case r < 0x2e80:
		return false
	case 0x4e00 <= r && r <= 0x9fff:
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
}
