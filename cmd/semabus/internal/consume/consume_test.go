package consume_test

import (
	"bytes"
	"encoding/base64"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/consume"
)

// TestToken: a token is read in every form of base64 that a tool in between may make of it.
func TestToken(t *testing.T) {
	t.Parallel()
	token := []byte{0xfb, 0xff, 0xfe, 0}
	for _, form := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		got, err := consume.DecodeToken(form.EncodeToString(token))
		if err != nil || !bytes.Equal(got, token) {
			t.Errorf("%q gave %x, %v", form.EncodeToString(token), got, err)
		}
	}
	for _, text := range []string{"", "=", "!!", "a"} {
		if _, err := consume.DecodeToken(text); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzToken(f *testing.F) {
	f.Add("AW5AAmLjl5OKosZFgUewqEU=")
	f.Add("-_-_")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := consume.DecodeToken(text)
		if err != nil {
			return
		}
		again, err := consume.DecodeToken(consume.EncodeToken(token))
		if err != nil || !bytes.Equal(again, token) {
			t.Errorf("%x became %x, %v", token, again, err)
		}
	})
}
