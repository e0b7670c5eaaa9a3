package embed_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/embed"
)

func TestExtract(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, contentType, payload, want string }{
		{"plain", "text/plain", "Refund, please.", "Refund, please."},
		{"plain with parameters", "Text/Plain; charset=UTF-8; format=flowed", "  退款\n", "退款"},
		{"byte order mark", "text/plain", "\ufeffhello", "hello"},
		{"invalid bytes", "text/plain", "caf\xe9 \xff\xfe!", "caf\ufffd \ufffd!"},
		{"nul", "text/plain", "a\x00b", "a b"},
		{"latin-1", "text/plain; charset=iso-8859-1", "caf\xe9", "café"},
		{"utf-16", "text/plain; charset=utf-16", "\x00h\x00i\xd8\x3c\xdf\x89", "hi🎉"},
		{"utf-16 little endian, byte order mark", "text/plain", "\xff\xfeh\x00i\x00", "hi"},
		{"utf-16, lone surrogate and odd byte", "text/plain; charset=utf-16le", "a\x00\x3c\xd8b\x00c", "a\ufffdb"},
		{"unknown character set", "text/plain; charset=koi8-r", "hello", ""},
		{"markdown", "text/markdown", "# Title", "# Title"},
		{"yaml", "application/yaml", "subject: late parcel", "subject: late parcel"},

		{"json", "application/json", `{"subject":"Late","n":1,"lines":["a\n\"b\"","退\u6b3e",null,""],"o":{"k" : "\ud83c\udf89"}}`, "Late\na\n\"b\"\n退款\n🎉"},
		{"json string", "application/json", `"refund"`, "refund"},
		{"json without strings", "application/json", `{"a":1,"b":[true]}`, ""},
		{"json, cut", "application/json", `{"subject":"Late par`, "Late par"},
		{"json, odd escapes", "application/json", `["\x\u12","\ud83cx","\`, "xu12\n\ufffdx"},
		{"json lines", "application/x-ndjson", "{\"a\":\"one\"}\n{\"a\":\"two\"}\n", "one\ntwo"},
		{"cloud event", "application/cloudevents+json; charset=utf-8", `{"data":"hello"}`, "hello"},
		{"json, encoded data", "application/json", `{"image":"` + strings.Repeat("QUJD", 100) + `","text":"see image"}`, "see image"},

		{"xml", "application/xml", `<?xml version="1.0"?><!DOCTYPE x><x a="no > no"><b>Late &amp; lost</b><!-- no --><![CDATA[1 < 2]]></x>`, "Late & lost 1 < 2"},
		{"atom", "application/atom+xml", "<title>Hi</title>", "Hi"},
		{"html", "text/html", "<html><STYLE>p{}</STYLE><script>if (a<b) {}</script><p>Dear&nbsp;team,<br/>my card &#x1F389;</p>", "Dear\u00a0team, my card 🎉"},
		{"html, never closed", "text/html", "before<script>var x", "before"},
		{"html, lone sign", "text/html", "1 < 2 and <b>3", "1< 2 and 3"},
		{"html, open quotation mark", "text/html", `<a href="x>link`, "link"},
		{"html, tag without end", "text/html", "text <a href", "text"},

		{"form", "application/x-www-form-urlencoded", "q=late+parcel&n=%E9%80%80%E6%AC%BE&flag&bad=%zz", "late parcel\n退款\n%zz"},

		{"octets", "application/octet-stream", "hello", ""},
		{"image", "image/png", "hello", ""},
		{"no type", "", "hello", ""},
		{"no media type", ";;;", "hello", ""},
		{"empty", "text/plain", "", ""},
		{"white space", "text/plain", " \n\t ", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := embed.Extract(c.contentType, []byte(c.payload))
			if got != c.want || ok != (c.want != "") {
				t.Errorf("Extract = %q, %v; want %q", got, ok, c.want)
			}
		})
	}
}

func TestExtractIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("退款", semabus.MaxTextBytes)
	for contentType, payload := range map[string]string{
		"text/plain":                        long,
		"text/markdown":                     strings.Repeat("\xff\xfea", semabus.MaxTextBytes), // grows when replaced
		"application/json":                  `["` + long + `"]`,
		"application/x-ndjson":              strings.Repeat("{\"a\":\"字\"}\n", semabus.MaxTextBytes),
		"text/html":                         "<p>" + long + "</p>",
		"application/xml":                   strings.Repeat("<p>字</p>", semabus.MaxTextBytes),
		"application/x-www-form-urlencoded": strings.Repeat("a="+url.QueryEscape("字")+"&", semabus.MaxTextBytes),
	} {
		got, ok := embed.Extract(contentType, []byte(payload))
		if !ok || len(got) > semabus.MaxTextBytes || len(got) < semabus.MaxTextBytes-8 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, %v, valid %v", contentType, len(got), ok, utf8.ValidString(got))
		}
	}
}

func FuzzExtract(f *testing.F) {
	types := []string{
		"application/json", "text/html", "text/plain", "text/plain; charset=utf-16", "text/plain; charset=latin1",
		"application/x-www-form-urlencoded", "application/xml", "application/octet-stream",
	}
	for i := range types {
		for _, s := range []string{
			`{"a":["b\u00e9\ud83c\udf89\\",1,"\"c"],"d" : {"e":"f"}}`, `"\ud800"`, `"\u0008a\u001f"`, `<p a='>'>x &lt; y</p><!-- --><script>"</script>`,
			"a=b&c=%41+d", "\xff\x00\xd8", "", "<![CDATA[x", "<", "&#xFFFFFFFF;",
		} {
			f.Add(uint8(i), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		contentType := types[int(kind)%len(types)]
		given := bytes.Clone(payload)
		got, ok := embed.Extract(contentType, payload)
		if ok != (got != "") || !utf8.ValidString(got) || len(got) > semabus.MaxTextBytes || strings.ContainsRune(got, 0) {
			t.Fatalf("Extract = %q, %v", got, ok)
		}
		if !bytes.Equal(given, payload) {
			t.Fatal("the payload was written to")
		}
		if contentType == "application/json" && len(payload) < semabus.MaxTextBytes {
			if want, valid := stringsOf(payload); valid && got != want {
				t.Fatalf("Extract = %q, encoding/json finds %q", got, want)
			}
		}
	})
}

// stringsOf is the oracle: the string values of a JSON document as encoding/json reads them.
func stringsOf(document []byte) (text string, valid bool) {
	if !json.Valid(document) || !utf8.Valid(document) {
		return "", false
	}
	dec := json.NewDecoder(bytes.NewReader(document))
	var found []string
	type level struct{ object, key bool }
	stack := []level{{}}
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", false
		}
		top := &stack[len(stack)-1]
		isKey := top.object && top.key
		top.key = !top.key
		switch v := tok.(type) {
		case json.Delim:
			if v == '}' || v == ']' {
				stack = stack[:len(stack)-1]
				stack[len(stack)-1].key = stack[len(stack)-1].object // its value is complete
				continue
			}
			stack = append(stack, level{object: v == '{', key: true})
		case string:
			if !isKey && v != "" {
				if len(v) >= 200 && strings.IndexFunc(v, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf }) < 0 {
					continue
				}
				found = append(found, v)
			}
		}
	}
	s := strings.Map(func(r rune) rune {
		if r < ' ' && !strings.ContainsRune("\n\r\t", r) {
			return ' '
		}
		return r
	}, strings.Join(found, "\n"))
	return strings.TrimSpace(s), true
}
