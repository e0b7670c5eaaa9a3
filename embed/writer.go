package embed

import (
	"strings"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
)

// writer collects pieces of text up to [semabus.MaxTextBytes].
type writer struct {
	buf  []byte
	full bool
}

// piece appends a piece of text on a line of its own. What it is handed need not be UTF-8.
func (w *writer) piece(b []byte) {
	if len(b) == 0 || w.full {
		return
	}
	if len(w.buf) > 0 {
		w.raw([]byte{'\n'})
	}
	w.raw(b)
}

// raw appends text without a break.
func (w *writer) raw(b []byte) {
	if room := w.room(); len(b) > room {
		b, w.full = b[:room], true
	}
	w.buf = append(w.buf, b...)
}

// room is how many bytes more can be kept.
func (w *writer) room() int { return max(semabus.MaxTextBytes-len(w.buf), 0) }

// text is what was collected: valid UTF-8 without white space around it. Control characters other than line breaks and tabs
// say nothing and become spaces, however they were written.
func (w *writer) text() string {
	b := w.buf
	if w.full { // a rune may have been cut in two
		for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
			if c := b[len(b)-n]; utf8.RuneStart(c) {
				if !utf8.FullRune(b[len(b)-n:]) {
					b = b[:len(b)-n]
				}
				break
			}
		}
	}
	s := string(b)
	if !utf8.ValidString(s) {
		// A replacement takes three bytes where it may stand for one: cut again.
		s = cut(strings.ToValidUTF8(s, "\ufffd"), semabus.MaxTextBytes)
	}
	if strings.ContainsFunc(s, mute) {
		s = strings.Map(func(r rune) rune {
			if mute(r) {
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimSpace(s)
}

func mute(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }
