package api_test

import (
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/api"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// FuzzDecode: whatever arrives decodes or becomes a typed error; nothing panics, no invalid text comes through.
func FuzzDecode(f *testing.F) {
	good, err := proto.Marshal(&semabusv1.PublishRequest{OpId: "op", Message: &semabusv1.Message{Text: "t", Headers: map[string]string{"a": "b"}}})
	must(f, err)
	f.Add(good)
	f.Add([]byte("\x0a\x01\xff"))
	f.Add([]byte("\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := &semabusv1.PublishRequest{}
		if err := api.Decode(raw, r); err != nil {
			if e, ok := semabus.AsError(err); !ok || e.Code != semabus.CodeInvalidArgument {
				t.Fatalf("not typed: %v", err)
			}
			return
		}
		for _, s := range []string{r.GetOpId(), r.GetMessage().GetText(), r.GetMessage().GetHeaders()["a"]} {
			if !utf8.ValidString(s) {
				t.Fatalf("invalid UTF-8 came through: %q", s)
			}
		}
	})
}
