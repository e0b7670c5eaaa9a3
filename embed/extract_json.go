package embed

import (
	"unicode/utf16"
	"unicode/utf8"
)

// jsonStrings writes the string values of one or more JSON documents in order. It reads tokens, not grammar: a string
// followed by a colon is a member's name, everything outside strings is passed over.
func jsonStrings(b []byte, w *writer) {
	var value []byte
	for i := 0; i < len(b) && !w.full; i++ {
		if b[i] != '"' {
			continue
		}
		value, i = jsonString(b, i+1, value[:0])
		if !namesMember(b, i) && !opaque(value) {
			w.piece(value)
		}
		i--
	}
}

// opaqueBytes is the length from which a string without a space is no text.
const opaqueBytes = 200

// opaque reports whether a value is encoded data rather than text: a long run of ASCII without white space.
func opaque(value []byte) bool {
	if len(value) < opaqueBytes {
		return false
	}
	for _, c := range value {
		if c <= ' ' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// jsonString decodes the string that begins at b[i], behind its quotation mark, into dst; next is behind its end.
func jsonString(b []byte, i int, dst []byte) (value []byte, next int) {
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			return dst, i + 1
		case '\\':
			dst, i = jsonEscape(b, i+1, dst)
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, i
}

var jsonEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': ' ', 'f': ' ', 'n': '\n', 'r': '\r', 't': '\t'}

// jsonEscape decodes what stands behind a backslash at b[i-1]. An unknown escape is taken literally.
func jsonEscape(b []byte, i int, dst []byte) (out []byte, next int) {
	if i == len(b) {
		return dst, i
	}
	c := b[i]
	if e := jsonEscapes[c]; e != 0 {
		return append(dst, e), i + 1
	}
	r := rune(-1)
	if c == 'u' {
		r = hex4(b, i+1)
	}
	if r < 0 {
		return append(dst, c), i + 1
	}
	i += 5
	if utf16.IsSurrogate(r) {
		second := rune(-1)
		if i+1 < len(b) && b[i] == '\\' && b[i+1] == 'u' {
			second = hex4(b, i+2)
		}
		if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
			i += 6
		}
	}
	return utf8.AppendRune(dst, r), i
}

// hex4 is the number of four hexadecimal digits at b[i], -1 where there are none.
func hex4(b []byte, i int) rune {
	if i+4 > len(b) {
		return -1
	}
	r := rune(0)
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// namesMember reports whether a colon follows at b[i], behind white space.
func namesMember(b []byte, i int) bool {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t', '\n', '\r':
		case ':':
			return true
		default:
			return false
		}
	}
	return false
}
