package semabus_test

import (
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
)

func TestCheckID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"":                       semabus.ReasonRequired,
		strings.Repeat("x", 256): "",
		strings.Repeat("x", 257): semabus.ReasonTooLarge,
		"a\xff":                  semabus.ReasonInvalidUTF8,
		"a\nb":                   semabus.ReasonInvalidID,
		"退款\u0085":               semabus.ReasonInvalidID,
		"/../":                   semabus.ReasonInvalidID,
		"..":                     semabus.ReasonInvalidID,
		"a/..":                   semabus.ReasonInvalidID,
		"../a":                   semabus.ReasonInvalidID,
		"a/../b":                 semabus.ReasonInvalidID,
		"退款":                     "",
		"a..b":                   "",
		"a/b.../c":               "",
		"orders.refund":          "",
		"run/2026-11-27 10:00":   "",
	} {
		got := ""
		if e := semabus.CheckID(id); e != nil {
			got = e.Reason
			if e.Code != semabus.CodeInvalidArgument || e.Fix == "" {
				t.Errorf("%q: %v does not say what to do", id, e)
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", id, got, want)
		}
	}
}
