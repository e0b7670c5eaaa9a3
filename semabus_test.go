package semabus_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
)

func TestErrorTextHidesTheCauseFromClients(t *testing.T) {
	t.Parallel()
	e := &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonReadOnly, Op: "broker.Commit", Fix: "restart", Err: errors.New("disk 7")}
	if s := e.Message(); strings.Contains(s, "disk 7") || strings.Contains(s, "broker.Commit") {
		t.Errorf("a client would read %q", s)
	}
	if s := e.Error(); !strings.Contains(s, "disk 7") || !strings.HasPrefix(s, "broker.Commit: UNAVAILABLE READ_ONLY") {
		t.Errorf("the log would read %q", s)
	}
	if !errors.Is(e, e.Err) {
		t.Error("the cause cannot be found")
	}
}

func TestCodeAndReasonOf(t *testing.T) {
	t.Parallel()
	typed := fmt.Errorf("twice: %w", fmt.Errorf("wrapped: %w", &semabus.Error{Code: semabus.CodeNotFound, Reason: semabus.ReasonNotFound}))
	for name, c := range map[string]struct {
		err    error
		code   semabus.Code
		reason string
	}{
		"nil": {nil, semabus.CodeOK, ""}, "untyped": {errors.New("x"), semabus.CodeInternal, ""},
		"wrapped": {typed, semabus.CodeNotFound, semabus.ReasonNotFound}, "joined": {errors.Join(errors.New("x"), typed), semabus.CodeNotFound, semabus.ReasonNotFound},
	} {
		if semabus.CodeOf(c.err) != c.code || semabus.ReasonOf(c.err) != c.reason {
			t.Errorf("%s: %s %q", name, semabus.CodeOf(c.err), semabus.ReasonOf(c.err))
		}
	}
	if s := semabus.Code(99).String(); s != "CODE_99" {
		t.Errorf("an unknown code is %q", s)
	}
}

func TestShortenCutsBetweenRunes(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "short", strings.Repeat("x", 500), strings.Repeat("汉", 100), strings.Repeat("🙂", 60), strings.Repeat("x", 119) + "汉字"} {
		got := semabus.Shorten(s)
		if len(got) > 120 || !utf8.ValidString(got) || len(s) <= 120 && got != s {
			t.Errorf("%d bytes became %d: %q", len(s), len(got), got)
		}
	}
}

// TestNames: reasons, outcomes and settlements have the names that the contract and the documents use.
func TestNames(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]fmt.Stringer{
		"address": semabus.MatchAddress, "no_evidence": semabus.MissNoEvidence, "pending": semabus.OutcomePending, "loop": semabus.OutcomeLoop,
		"done": semabus.SettleDone, "not_for_me": semabus.SettleNotForMe,
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, unknown := range []fmt.Stringer{semabus.MatchReason(99), semabus.Outcome(99), semabus.SettleOutcome(99)} {
		if unknown.String() != "unknown" {
			t.Errorf("%T: %q", unknown, unknown)
		}
	}
	for r := semabus.ReasonUnspecified; r <= semabus.MissNoEvidence; r++ {
		if want := r >= semabus.MatchAddress && r <= semabus.MatchMeaning; r.Delivers() != want {
			t.Errorf("%s delivers: %v", r, r.Delivers())
		}
	}
}
