package embed

import (
	"bytes"
	"html"
	"net/url"
	"strings"
)

// maxEntity is the length in bytes up to which a character reference is looked for.
const maxEntity = 32

// characterData writes the text between the tags of an XML or HTML document. Tags separate words; comments, processing
// instructions, declarations, scripts and style sheets are passed over; CDATA is text.
func characterData(b []byte, w *writer) {
	for len(b) > 0 && !w.full {
		open := bytes.IndexByte(b, '<')
		if open < 0 {
			open = len(b)
		}
		w.references(b[:open])
		if b = b[open:]; len(b) == 0 {
			return
		}
		switch {
		case bytes.HasPrefix(b, []byte("<!--")):
			b = behind(b[len("<!--"):], "-->")
		case bytes.HasPrefix(b, []byte("<![CDATA[")):
			b = b[len("<![CDATA["):]
			end := bytes.Index(b, []byte("]]>"))
			if end < 0 {
				end = len(b)
			}
			w.line(b[:end])
			b = behind(b, "]]>")
		case bytes.HasPrefix(b, []byte("<?")):
			b = behind(b, "?>")
		case startsTag(b):
			b = tag(b)
		default: // a lone sign, as in "a < b"
			w.raw(b[:1])
			b = b[1:]
			continue
		}
	}
}

// startsTag reports whether b, which begins with '<', begins a tag or a declaration.
func startsTag(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	c := b[1] | 0x20
	return 'a' <= c && c <= 'z' || b[1] == '/' || b[1] == '!' || b[1] == '_' || b[1] >= 0x80
}

// tag passes over the tag that b begins with, its quoted attributes, and all of a script or a style sheet.
func tag(b []byte) []byte {
	end := tagEnd(b)
	if end < 0 {
		return nil
	}
	rest := b[end+1:]
	for _, name := range []string{"script", "style"} {
		if isTag(b[1:end], name) && b[end-1] != '/' {
			return behindFold(rest, "</"+name)
		}
	}
	return rest
}

// tagEnd is the place of the sign that ends the tag b begins with, -1 where there is none. A quotation mark that is never
// closed does not count.
func tagEnd(b []byte) int {
	quote := byte(0)
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i
		}
	}
	if quote != 0 {
		return bytes.IndexByte(b, '>')
	}
	return -1
}

// isTag reports whether a tag's inside begins with the lower-case name.
func isTag(inside []byte, name string) bool {
	if len(inside) < len(name) || !bytes.EqualFold(inside[:len(name)], []byte(name)) {
		return false
	}
	return len(inside) == len(name) || strings.IndexByte(" \t\r\n/", inside[len(name)]) >= 0
}

// behind is what follows the first mark in b, nothing where there is none.
func behind(b []byte, mark string) []byte {
	if i := bytes.Index(b, []byte(mark)); i >= 0 {
		return b[i+len(mark):]
	}
	return nil
}

// behindFold is what begins with the mark, in upper or lower case; the mark begins with '<'.
func behindFold(b []byte, mark string) []byte {
	for len(b) >= len(mark) {
		i := bytes.IndexByte(b, '<')
		if i < 0 || len(b)-i < len(mark) {
			return nil
		}
		if b = b[i:]; bytes.EqualFold(b[:len(mark)], []byte(mark)) {
			return b
		}
		b = b[1:]
	}
	return nil
}

// references writes text whose character references are resolved.
func (w *writer) references(b []byte) {
	b = bytes.TrimSpace(b)
	if len(b) == 0 {
		return
	}
	if limit := maxEntity * (w.room() + 1); len(b) > limit { // more cannot be kept, however it shrinks
		b = b[:limit]
	}
	if bytes.IndexByte(b, '&') < 0 {
		w.line(b)
		return
	}
	w.line([]byte(html.UnescapeString(string(b))))
}

// line writes a piece separated by a space rather than a new line: markup splits sentences.
func (w *writer) line(b []byte) {
	if b = bytes.TrimSpace(b); len(b) == 0 || w.full {
		return
	}
	if len(w.buf) > 0 {
		w.raw([]byte{' '})
	}
	w.raw(b)
}

// formValues writes the values of an urlencoded form.
func formValues(b []byte, w *writer) {
	for pair := range bytes.SplitSeq(b, []byte{'&'}) {
		if w.full {
			return
		}
		_, value, ok := bytes.Cut(pair, []byte{'='})
		if !ok {
			continue
		}
		if s, err := url.QueryUnescape(string(value)); err == nil {
			value = []byte(s)
		}
		w.piece(value)
	}
}
