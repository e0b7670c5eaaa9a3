package semabus

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckID says what is wrong with an id: it must be 1–256 bytes of UTF-8 without control characters and without a ".."
// between slashes. Ids are never paths in the bus, but they end up in the paths and URLs of its users. The error lacks Field
// and Op; nil = nothing is wrong. Reasons: REQUIRED, TOO_LARGE, INVALID_UTF8, INVALID_ID.
func CheckID(id string) *Error {
	bad := func(reason, limit, value, fix string) *Error {
		return &Error{Code: CodeInvalidArgument, Reason: reason, Limit: limit, Value: value, Fix: fix}
	}
	switch {
	case id == "":
		return bad(ReasonRequired, "1 to 256 bytes", "", "set it")
	case len(id) > MaxIDBytes:
		return bad(ReasonTooLarge, "256 bytes", fmt.Sprintf("%d bytes", len(id)), "use a shorter id")
	case !utf8.ValidString(id):
		return bad(ReasonInvalidUTF8, "UTF-8", strconv.QuoteToASCII(Shorten(id)), "send valid UTF-8 without control characters")
	case hasControl(id):
		return bad(ReasonInvalidID, "no control characters", strconv.QuoteToASCII(Shorten(id)), "send valid UTF-8 without control characters")
	case climbs(id):
		return bad(ReasonInvalidID, "no .. between slashes", Shorten(id), "use an id that is not a path upwards")
	}
	return nil
}

// hasControl looks at bytes first: most ids are ASCII.
func hasControl(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20 || c == 0x7f:
			return true
		case c >= utf8.RuneSelf:
			return strings.ContainsFunc(s[i:], unicode.IsControl)
		}
	}
	return false
}

// climbs reports whether one of the slash-separated segments of s is "..".
func climbs(s string) bool {
	if !strings.Contains(s, "..") {
		return false
	}
	for part := range strings.SplitSeq(s, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
