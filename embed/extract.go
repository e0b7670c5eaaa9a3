package embed

import (
	"mime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
)

// Extract returns what of a payload is worth embedding, at most [semabus.MaxTextBytes] of valid UTF-8. ok is false where the
// media type is not textual, its character set is not known, or nothing but white space is found.
//
//   - JSON (application/json, +json, and lines or sequences of it): the strings of the document in order, one a line, without
//     the names of members and without what is encoded data (200 bytes and more of ASCII, no white space).
//   - XML and HTML (text/xml, application/xml, +xml, text/html): the character data, without scripts and style sheets.
//   - Forms (application/x-www-form-urlencoded): the values, one a line.
//   - Other text/*, YAML and TOML: as it is.
//
// Documents are not validated: what can be read of a damaged or a cut one is taken. Bytes that are not UTF-8 become U+FFFD,
// one a run; NUL becomes a space. Character sets beside UTF-8 are ISO 8859-1, US-ASCII and UTF-16.
func Extract(contentType string, payload []byte) (text string, ok bool) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil && media == "" {
		return "", false
	}
	form := formOf(media)
	if form == formNone {
		return "", false
	}
	body, ok := decode(params["charset"], payload)
	if !ok {
		return "", false
	}
	w := &writer{}
	switch form {
	case formJSON:
		jsonStrings(body, w)
	case formMarkup:
		characterData(body, w)
	case formURL:
		formValues(body, w)
	default:
		w.raw(body)
	}
	text = w.text()
	return text, text != ""
}

// form is how a media type carries its text.
type form uint8

const (
	formNone form = iota
	formPlain
	formJSON
	formMarkup
	formURL
)

var forms = map[string]form{
	"application/json": formJSON, "application/x-ndjson": formJSON, "application/jsonl": formJSON, "application/json-seq": formJSON,
	"application/xml": formMarkup, "text/xml": formMarkup, "text/html": formMarkup,
	"application/x-www-form-urlencoded": formURL,
	"application/yaml":                  formPlain, "application/x-yaml": formPlain, "application/toml": formPlain,
	"text/json": formJSON,
}

func formOf(media string) form {
	if f, ok := forms[media]; ok {
		return f
	}
	switch {
	case strings.HasSuffix(media, "+json"):
		return formJSON
	case strings.HasSuffix(media, "+xml"):
		return formMarkup
	case strings.HasSuffix(media, "+yaml"), strings.HasPrefix(media, "text/"):
		return formPlain
	}
	return formNone
}

// maxScan bounds how much of a payload is looked at in bytes: all of a message of the default limit.
const maxScan = semabus.MaxMessageBytes

// decode turns a payload into UTF-8, without a byte order mark; ok is false for an unknown character set.
func decode(charset string, payload []byte) (body []byte, ok bool) {
	if len(payload) > maxScan {
		payload = payload[:maxScan]
	}
	name := strings.ToLower(strings.TrimSpace(charset))
	switch {
	case len(payload) >= 2 && payload[0] == 0xfe && payload[1] == 0xff && name != "iso-8859-1":
		return fromUTF16(payload[2:], 0, 1), true
	case len(payload) >= 2 && payload[0] == 0xff && payload[1] == 0xfe && name != "iso-8859-1":
		return fromUTF16(payload[2:], 1, 0), true
	}
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		if len(payload) >= 3 && string(payload[:3]) == "\ufeff" {
			payload = payload[3:]
		}
		return payload, true
	case "iso-8859-1", "latin1":
		return fromLatin1(payload), true
	case "utf-16", "utf-16be":
		return fromUTF16(payload, 0, 1), true
	case "utf-16le":
		return fromUTF16(payload, 1, 0), true
	}
	return nil, false
}

func fromLatin1(payload []byte) []byte {
	out := make([]byte, 0, len(payload)+len(payload)/8)
	for _, c := range payload {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

// fromUTF16 decodes units whose high and low byte stand at the given places; a lone surrogate becomes U+FFFD.
func fromUTF16(payload []byte, high, low int) []byte {
	out := make([]byte, 0, len(payload))
	unit := func(i int) rune { return rune(payload[i+high])<<8 | rune(payload[i+low]) }
	for i := 0; i+1 < len(payload); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
			second := rune(0)
			if i+3 < len(payload) {
				second = unit(i + 2)
			}
			if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
				i += 2
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}
