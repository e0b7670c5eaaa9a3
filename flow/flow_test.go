package flow_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/flow"
)

func setup(groups ...semabus.GroupConfig) *flow.Flow {
	f := flow.New(semabus.SystemClock{})
	changes := make([]*flow.Change, len(groups))
	for i, g := range groups {
		changes[i] = &flow.Change{Version: uint64(i + 1), Group: g}
	}
	f.Apply("t", changes)
	return f
}

// lease is one granted delivery.
func lease(token string, expires time.Time) []semabus.Delivery {
	return []semabus.Delivery{{Lease: semabus.Lease{Token: []byte(token), Expires: expires}}}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	t.Parallel()
	f := setup(semabus.GroupConfig{Name: "a", MaxAttempts: 3, RetryBase: 10 * time.Minute})
	got, configured := f.Group("t", "a")
	want := semabus.GroupConfig{Name: "a", Lease: semabus.DefaultLease, Grace: semabus.DefaultGrace, MaxAttempts: 3,
		RetryBase: 10 * time.Minute, RetryCap: 10 * time.Minute, Version: 1}
	if diff := cmp.Diff(want, got); diff != "" || !configured {
		t.Errorf("configured %v, (-want +got):\n%s", configured, diff)
	}
	if _, configured := f.Group("other tenant", "a"); configured {
		t.Error("a group of one tenant is visible to another")
	}
}

func TestCheckNamesTheField(t *testing.T) {
	t.Parallel()
	for field, g := range map[string]semabus.GroupConfig{
		"group.name":            {Name: "$dlq"},
		"group.max_concurrency": {Name: "g", MaxConcurrency: -1},
		"group.lease":           {Name: "g", Lease: 48 * time.Hour},
		"group.grace":           {Name: "g", Grace: -1},
		"group.max_attempts":    {Name: "g", MaxAttempts: 5000},
		"group.retry_base":      {Name: "g", RetryBase: time.Minute, RetryCap: time.Second},
		"group.max_depth":       {Name: "g", MaxDepth: -1},
		"group.topics[1]":       {Name: "g", Topics: []string{"a.*", "a.*.b"}},
		"group.ageing":          {Name: "g", Ageing: 25 * time.Hour},
		"group.on_expiry":       {Name: "g", OnExpiry: semabus.ExpiryDrop + 1},
	} {
		err := flow.New(semabus.SystemClock{}).Check(g)
		e, ok := semabus.AsError(err)
		if !ok || e.Field != field || e.Code != semabus.CodeInvalidArgument || e.Limit == "" || e.Fix == "" {
			t.Errorf("%s: got %v", field, err)
		}
	}
	good := semabus.GroupConfig{Name: "g", Topics: []string{"orders.*"}, Ageing: time.Minute, OnExpiry: semabus.ExpiryDrop}
	if err := flow.New(semabus.SystemClock{}).Check(good); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
}

// TestPatternsThatNothingMatchesAreRefused: each would be accepted and silent for ever.
func TestPatternsThatNothingMatchesAreRefused(t *testing.T) {
	t.Parallel()
	f := flow.New(semabus.SystemClock{})
	for _, p := range []string{"", "*", ".*", "a..b", ".a", "a.", "a b.*", "a.b .*", "a*", "a.**", "a..*", "a.b\tc"} {
		if err := f.Check(semabus.GroupConfig{Name: "g", Topics: []string{p}}); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%q: %v", p, err)
		}
		if flow.CheckTopic(p) == nil {
			t.Errorf("a message may have the topic %q", p)
		}
	}
	for _, p := range []string{"a", "a.b", "订单.退款", "a-b.c_d.E"} {
		for _, q := range []string{p, p + ".*"} {
			if err := f.Check(semabus.GroupConfig{Name: "g", Topics: []string{q}}); err != nil {
				t.Errorf("%q: %v", q, err)
			}
		}
		if e := flow.CheckTopic(p); e != nil {
			t.Errorf("the topic %q: %v", p, e)
		}
	}
}

func TestTopics(t *testing.T) {
	t.Parallel()
	f := setup(semabus.GroupConfig{Name: "b", Topics: []string{"orders.*", "orders.refund"}}, semabus.GroupConfig{Name: "a", Topics: []string{"orders.refund"}})
	for topic, want := range map[string]string{"orders.refund": "a,b", "orders.new": "b", "orders": "", "orders.": "", "ordersX": ""} {
		if got := strings.Join(f.TopicGroups("t", topic), ","); got != want {
			t.Errorf("%s: got %q, want %q", topic, got, want)
		}
	}
}

func TestOldChangesAreIgnored(t *testing.T) {
	t.Parallel()
	f := setup(semabus.GroupConfig{Name: "a", MaxAttempts: 1}, semabus.GroupConfig{Name: "a", MaxAttempts: 2})
	f.Apply("t", []*flow.Change{{Version: 1, Group: semabus.GroupConfig{Name: "a", MaxAttempts: 9}}})
	if g, _ := f.Group("t", "a"); g.MaxAttempts != 2 || f.Version("t") != 2 {
		t.Errorf("got %d attempts at version %d", g.MaxAttempts, f.Version("t"))
	}
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		f := setup(semabus.GroupConfig{Name: "g", MaxConcurrency: 2})
		if n := f.Acquire(ctx, "t", "free", 50, 0); n != 50 {
			t.Errorf("a group without a limit got %d of 50", n)
		}
		if n := f.Acquire(ctx, "t", "g", 5, 0); n != 2 {
			t.Fatalf("got %d places, want 2", n)
		}
		f.Hold("t", "g", lease("one", time.Now().Add(time.Minute)))
		f.Unused("t", "g", 1)
		if n := f.Acquire(ctx, "t", "g", 5, 0); n != 1 {
			t.Fatalf("after one came back: got %d, want 1", n)
		}
		f.Hold("t", "g", lease("two", time.Now().Add(time.Hour)))

		start := time.Now()
		if n := f.Acquire(ctx, "t", "g", 5, 10*time.Minute); n != 1 || time.Since(start) != time.Minute {
			t.Errorf("got %d after %v, want the place of the lease that expires after 1m", n, time.Since(start))
		}
		f.Unused("t", "g", 1)
		f.Hold("t", "g", lease("three", time.Now().Add(time.Hour)))
		go func() {
			time.Sleep(time.Second)
			f.Release([]byte("two"))
		}()
		start = time.Now()
		if n := f.Acquire(ctx, "t", "g", 1, time.Hour); n != 1 || time.Since(start) != time.Second {
			t.Errorf("got %d after %v, want 1 after the release at 1s", n, time.Since(start))
		}
		start = time.Now()
		if n := f.Acquire(ctx, "t", "g", 1, 3*time.Second); n != 0 || time.Since(start) != 3*time.Second {
			t.Errorf("got %d after %v, want 0 after the wait of 3s", n, time.Since(start))
		}
	})
}

func TestRaisedLimitWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := setup(semabus.GroupConfig{Name: "g", MaxConcurrency: 1})
		f.Acquire(context.Background(), "t", "g", 1, 0)
		f.Hold("t", "g", lease("x", time.Now().Add(time.Hour)))
		go func() {
			time.Sleep(time.Second)
			f.Apply("t", []*flow.Change{{Version: 2, Group: semabus.GroupConfig{Name: "g", MaxConcurrency: 3}}})
		}()
		start := time.Now()
		if n := f.Acquire(context.Background(), "t", "g", 9, time.Minute); n != 2 || time.Since(start) != time.Second {
			t.Errorf("got %d after %v", n, time.Since(start))
		}
	})
}

func TestMaxDepth(t *testing.T) {
	t.Parallel()
	f := setup(semabus.GroupConfig{Name: "a"})
	if n := f.MaxDepth("t", "a"); n != 0 {
		t.Errorf("unlimited: %d", n)
	}
	f = setup(semabus.GroupConfig{Name: "a", MaxDepth: 5}, semabus.GroupConfig{Name: "b"})
	for group, want := range map[string]int64{"a": 5, "b": 0, "never configured": 0} {
		if n := f.MaxDepth("t", group); n != want {
			t.Errorf("%s: %d, want %d", group, n, want)
		}
	}
	if n := f.MaxDepth("other tenant", "a"); n != 0 {
		t.Errorf("another tenant: %d", n)
	}
}

// TestUnlimitedGroupsAreNotCounted: tokens of a group without a limit are not kept.
func TestUnlimitedGroupsAreNotCounted(t *testing.T) {
	t.Parallel()
	f := setup(semabus.GroupConfig{Name: "g", MaxConcurrency: 1})
	f.Hold("t", "free", lease("x", time.Now().Add(time.Hour)))
	f.Extend([]byte("x"), time.Now())
	f.Release([]byte("x"))
	f.Unused("t", "free", 3)
	if n := f.Acquire(context.Background(), "t", "g", 5, 0); n != 1 {
		t.Errorf("got %d places, want 1", n)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	f := setup()
	a, b := f.Join("t", "g"), f.Join("t", "g")
	a()
	a()
	if got := f.Joined("t"); len(got) != 1 || got[0] != "g" {
		t.Errorf("joined %v", got)
	}
	if n := f.Members("t", "g"); n != 1 {
		t.Errorf("got %d members, want 1", n)
	}
	b()
	if n := f.Members("t", "g"); n != 0 {
		t.Errorf("got %d members, want 0", n)
	}
}

func FuzzDecodeChange(f *testing.F) {
	yes := true
	good, err := flow.EncodeChange(&flow.Change{Version: 3, Group: semabus.GroupConfig{Name: "g", Topics: []string{"a.*"}}, By: "me", Paused: &yes})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := flow.DecodeChange(raw)
		if err != nil {
			if semabus.CodeOf(err) != semabus.CodeDataLoss {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		again, err := flow.EncodeChange(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := flow.DecodeChange(again)
		if err != nil || cmp.Diff(c, back) != "" {
			t.Errorf("round trip: %v %s", err, cmp.Diff(c, back))
		}
	})
}
