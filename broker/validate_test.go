package broker_test

import (
	"math"
	"strings"
	"testing"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
	"github.com/semabus/semabus/broker/driver"
)

// faults lists what was joined.
func faults(err error) (out []*semabus.Error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, faults(e)...)
		}
		return out
	}
	if e, ok := semabus.AsError(err); ok {
		out = append(out, e)
	}
	return out
}

func TestCheckNamesFieldLimitAndValue(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{MaxMessageBytes: 1 << 20})
	long, invalid := strings.Repeat("x", 10<<10), "a\xff"
	many := make([]string, 300)
	for name, c := range map[string]struct {
		change        func(*semabus.Message)
		reason, field string
	}{
		"no id":           {func(m *semabus.Message) { m.ID = "" }, semabus.ReasonRequired, "m.id"},
		"id of 10 KB":     {func(m *semabus.Message) { m.ID = long }, semabus.ReasonTooLarge, "m.id"},
		"id not UTF-8":    {func(m *semabus.Message) { m.ID = invalid }, semabus.ReasonInvalidUTF8, "m.id"},
		"id with control": {func(m *semabus.Message) { m.ID = "a\x00b" }, semabus.ReasonInvalidID, "m.id"},
		"id with C1":      {func(m *semabus.Message) { m.ID = "a\u0085b" }, semabus.ReasonInvalidID, "m.id"},
		"topic":           {func(m *semabus.Message) { m.Topic = long }, semabus.ReasonTooLarge, "m.topic"},
		"session":         {func(m *semabus.Message) { m.Session = invalid }, semabus.ReasonInvalidUTF8, "m.session"},
		"dedup key":       {func(m *semabus.Message) { m.DedupKey = long }, semabus.ReasonTooLarge, "m.dedup_key"},
		"type":            {func(m *semabus.Message) { m.Type = long }, semabus.ReasonTooLarge, "m.type"},
		"text":            {func(m *semabus.Message) { m.Text = strings.Repeat("x", semabus.MaxTextBytes+1) }, semabus.ReasonTooLarge, "m.text"},
		"text not UTF-8":  {func(m *semabus.Message) { m.Text = invalid }, semabus.ReasonInvalidUTF8, "m.text"},
		"priority":        {func(m *semabus.Message) { m.Priority = 10 }, semabus.ReasonInvalidValue, "m.priority"},
		"hops":            {func(m *semabus.Message) { m.Hops = -1 }, semabus.ReasonInvalidValue, "m.hops"},
		"cost":            {func(m *semabus.Message) { m.Cost = math.NaN() }, semabus.ReasonInvalidValue, "m.cost"},
		"infinite cost":   {func(m *semabus.Message) { m.Cost = math.Inf(1) }, semabus.ReasonInvalidValue, "m.cost"},
		"ttl":             {func(m *semabus.Message) { m.TTL = -1 }, semabus.ReasonInvalidValue, "m.ttl"},
		"payload":         {func(m *semabus.Message) { m.Payload = make([]byte, 1<<20+1) }, semabus.ReasonTooLarge, "m"},
		"header name":     {func(m *semabus.Message) { m.Headers = map[string]string{"": "v"} }, semabus.ReasonRequired, `m.headers[""]`},
		"header value":    {func(m *semabus.Message) { m.Headers = map[string]string{"k": invalid} }, semabus.ReasonInvalidUTF8, `m.headers["k"]`},
		"large header":    {func(m *semabus.Message) { m.Headers = map[string]string{"k": long} }, semabus.ReasonTooLarge, `m.headers["k"]`},
		"audience":        {func(m *semabus.Message) { m.Audience = []string{"ok", ""} }, semabus.ReasonRequired, "m.audience[1]"},
		"large audience":  {func(m *semabus.Message) { m.Audience = many }, semabus.ReasonTooMany, "m.audience"},
		"id upwards":      {func(m *semabus.Message) { m.ID = "/../../etc/passwd" }, semabus.ReasonInvalidID, "m.id"},
		"topic upwards":   {func(m *semabus.Message) { m.Topic = "a/.." }, semabus.ReasonInvalidID, "m.topic"},
		"part blob":       {func(m *semabus.Message) { m.Parts = []semabus.Part{{Blob: "../etc"}} }, semabus.ReasonInvalidValue, "m.parts[0].blob"},
		"part size":       {func(m *semabus.Message) { m.Parts = []semabus.Part{{Size: -1}} }, semabus.ReasonInvalidValue, "m.parts[0].size"},
		"embedding space": {func(m *semabus.Message) { m.Embeddings = []semabus.Embedding{{Values: []float32{1}}} }, semabus.ReasonRequired, "m.embeddings[0].space"},
		"empty embedding": {func(m *semabus.Message) { m.Embeddings = []semabus.Embedding{{Space: "s"}} }, semabus.ReasonRequired, "m.embeddings[0].values"},
		"embedding of NaN": {func(m *semabus.Message) {
			m.Embeddings = []semabus.Embedding{{Space: "s", Values: []float32{float32(math.NaN())}}}
		}, semabus.ReasonInvalidValue, "m.embeddings[0].values"},
	} {
		m := message("m")
		c.change(m)
		err := b.Check(m, "m")
		e, ok := semabus.AsError(err)
		if !ok || e.Code != semabus.CodeInvalidArgument || e.Reason != c.reason || e.Field != c.field || e.Fix == "" {
			t.Errorf("%s: %v, want %s of %s", name, err, c.reason, c.field)
			continue
		}
		if len(e.Value) > 200 {
			t.Errorf("%s: a value of %d bytes in the error", name, len(e.Value))
		}
	}
	if err := b.Check(nil, "m"); semabus.ReasonOf(err) != semabus.ReasonRequired {
		t.Errorf("nil: %v", err)
	}
	odd := message("/etc/passwd")
	odd.Session, odd.Topic, odd.To = "日本", "a/.../b", "🙂"
	must(t, b.Check(odd, "m"))
	must(t, b.Check(full0(), "m"))
}

// full0 is full without what Check refuses.
func full0() *semabus.Message {
	m := full()
	m.Audience = []string{"desk", "audit"}
	return m
}

func TestEveryFaultIsListed(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	err := b.Check(&semabus.Message{Priority: 77, TTL: -1, Text: "a\xff"}, "m")
	var fields []string
	for _, e := range faults(err) {
		fields = append(fields, e.Field)
	}
	if got := strings.Join(fields, " "); got != "m.id m.text m.priority m.ttl" {
		t.Errorf("faults of %q", got)
	}
}

func TestBadCommitsStoreNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{MaxMessageBytes: 64 << 10})
	good := func() *broker.Commit { return put(message("m"), "g") }
	for name, c := range map[string]struct {
		change        func(*broker.Commit)
		reason, field string
	}{
		"no tenant":       {func(c *broker.Commit) { c.Tenant = "" }, semabus.ReasonRequired, "tenant"},
		"op id":           {func(c *broker.Commit) { c.OpID = strings.Repeat("x", 257) }, semabus.ReasonTooLarge, "op_id"},
		"dedup key":       {func(c *broker.Commit) { c.DedupKey = "\xff" }, semabus.ReasonInvalidUTF8, "dedup_key"},
		"further op":      {func(c *broker.Commit) { c.Ops = []broker.Op{{ID: "\x00"}} }, semabus.ReasonInvalidID, "op_id"},
		"sequence 0":      {func(c *broker.Commit) { c.Producer = &driver.Producer{ID: "p"} }, semabus.ReasonInvalidValue, "sequence"},
		"producer":        {func(c *broker.Commit) { c.Producer = &driver.Producer{Seq: 1} }, semabus.ReasonRequired, "producer"},
		"value":           {func(c *broker.Commit) { c.Value = make([]byte, broker.MaxValueBytes+1) }, semabus.ReasonTooLarge, "value"},
		"no message":      {func(c *broker.Commit) { c.Entries[0].Message = nil }, semabus.ReasonRequired, "messages[0]"},
		"bad message":     {func(c *broker.Commit) { c.Entries[0].Message.Priority = -1 }, semabus.ReasonInvalidValue, "messages[0].priority"},
		"encoded size":    {func(c *broker.Commit) { c.Entries[0].Message.Payload = make([]byte, 64<<10) }, semabus.ReasonTooLarge, "messages[0]"},
		"group":           {func(c *broker.Commit) { c.Entries[0].Groups[0].Group = "" }, semabus.ReasonRequired, "groups"},
		"no token":        {func(c *broker.Commit) { c.Settles = []broker.Settle{{Outcome: semabus.SettleDone}} }, semabus.ReasonRequired, "settlements[0].token"},
		"outcome":         {func(c *broker.Commit) { c.Settles = []broker.Settle{{Token: []byte{1}}} }, semabus.ReasonInvalidValue, "settlements[0].outcome"},
		"unknown outcome": {func(c *broker.Commit) { c.Settles = []broker.Settle{{Token: []byte{1}, Outcome: 99}} }, semabus.ReasonInvalidValue, "settlements[0].outcome"},
		"retry after": {func(c *broker.Commit) {
			c.Settles = []broker.Settle{{Token: []byte{1}, Outcome: semabus.SettleRetry, RetryAfter: -1}}
		}, semabus.ReasonInvalidValue, "settlements[0].retry_after"},
		"policy": {func(c *broker.Commit) {
			c.Settles = []broker.Settle{{Token: []byte{1}, Outcome: semabus.SettleRetry, Policy: broker.RetryPolicy{Base: -1}}}
		}, semabus.ReasonInvalidValue, "settlements[0].policy"},
		"log": {func(c *broker.Commit) { c.Appends = []driver.Append{{Data: []byte("e")}} }, semabus.ReasonRequired, "appends[0].log"},
		"event": {func(c *broker.Commit) {
			c.Appends = []driver.Append{{Log: "l", Data: make([]byte, semabus.MaxEventBytes+1)}}
		}, semabus.ReasonTooLarge, "appends[0].data"},
		"own event": {func(c *broker.Commit) {
			c.Appends = []driver.Append{{Log: "$l", Data: make([]byte, semabus.MaxMessageBytes+1)}}
		}, semabus.ReasonTooLarge, "appends[0].data"},
		"empty condition":  {func(c *broker.Commit) { c.Conditions = []driver.Condition{{}} }, semabus.ReasonInvalidValue, "conditions[0]"},
		"double condition": {func(c *broker.Commit) { c.Conditions = []driver.Condition{{Log: "l", Counter: "c"}} }, semabus.ReasonInvalidValue, "conditions[0]"},
		"counter":          {func(c *broker.Commit) { c.Counters = []driver.Counter{{Add: 1}} }, semabus.ReasonRequired, "counters[0].key"},
		"4,097 settles":    {func(c *broker.Commit) { c.Settles = make([]broker.Settle, broker.MaxCommit+1) }, semabus.ReasonTooMany, "settlements"},
	} {
		bad := good()
		c.change(bad)
		neighbour := put(message("n-"+name), "g")
		done, err := b.Commit(t.Context(), []*broker.Commit{bad, neighbour})
		must(t, err)
		e, ok := semabus.AsError(done[0].Err)
		if !ok || e.Code != semabus.CodeInvalidArgument || e.Reason != c.reason || e.Field != c.field {
			t.Errorf("%s: %v, want %s of %s", name, done[0].Err, c.reason, c.field)
		}
		if done[0].Applied || !done[1].Applied {
			t.Errorf("%s: applied %v, its neighbour %v", name, done[0].Applied, done[1].Applied)
		}
	}
	if _, err := b.Message(t.Context(), tenant, "m"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("something of a refused commit is there: %v", err)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	t.Parallel()
	_, err := broker.New(nil, broker.Options{DedupWindow: -1, MaxMessageBytes: -1})
	if n := len(faults(err)); n != 3 {
		t.Errorf("%d faults in %v, want 3", n, err)
	}
}

func TestBadQuestionsAreTyped(t *testing.T) {
	t.Parallel()
	b := setup(t, broker.Options{})
	ctx := t.Context()
	for name, ask := range map[string]func() error{
		"lease without group": func() error { _, err := b.Lease(ctx, broker.LeaseOptions{Tenant: tenant}); return err },
		"lease of -1": func() error {
			_, err := b.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: "g", Max: -1})
			return err
		},
		"negative wait": func() error {
			_, err := b.Lease(ctx, broker.LeaseOptions{Tenant: tenant, Group: "g", Wait: -time.Second})
			return err
		},
		"renew of nobody":   func() error { _, err := b.Renew(ctx, "", []driver.Renewal{{}}); return err },
		"holder of nothing": func() error { _, err := b.Holder(ctx, tenant, nil); return err },
		"message":           func() error { _, err := b.Message(ctx, tenant, strings.Repeat("x", 10<<10)); return err },
		"browse":            func() error { _, _, err := b.Browse(ctx, tenant, "", nil, 0); return err },
		"counter":           func() error { _, err := b.Counter(ctx, tenant, ""); return err },
		"stats":             func() error { _, err := b.Stats(ctx, tenant, []string{""}); return err },
		"read":              func() error { _, err := b.Read(ctx, driver.ReadRequest{Tenant: tenant, Log: "l", Max: -1}); return err },
		"logs":              func() error { _, err := b.Logs(ctx, tenant, "\xff"); return err },
		"id":                func() error { return broker.CheckID("op", "field", "") },
	} {
		if err := ask(); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Holder(ctx, tenant, []byte("garbled")); semabus.ReasonOf(err) != semabus.ReasonStaleLease {
		t.Errorf("a garbled token: %v", err)
	}
	if _, err := b.Message(ctx, tenant, "unknown"); semabus.CodeOf(err) != semabus.CodeNotFound {
		t.Errorf("an unknown message: %v", err)
	}
}
