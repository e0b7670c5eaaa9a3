package broker

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

// Bounds beside those of the root package.
const (
	MaxTokenBytes = 128  // a lease token
	MaxTextField  = 8192 // bytes of subject, type, content type and trace state
	MaxAudience   = 256  // groups of an audience
	MaxParts      = 256
	MaxEmbeddings = 16
	MaxDimension  = 8192 // numbers of one embedding
	MaxCommit     = 4096 // entries, settles, appends, conditions, counters: each
)

// Fixes that several faults share.
const (
	fixText   = "send valid UTF-8 without control characters"
	fixNumber = "give a number inside the bounds"
)

// faults collects every fault of one request.
type faults struct{ list []*semabus.Error }

func (f *faults) add(reason, field, limit, value, fix string) {
	f.list = append(f.list, &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: reason, Field: field, Limit: limit, Value: semabus.Shorten(value), Fix: fix,
	})
}

// err is the fault, or all of them joined, or nil.
func (f *faults) err(op string) error {
	if len(f.list) == 0 {
		return nil
	}
	all := make([]error, len(f.list))
	for i, e := range f.list {
		e.Op = op
		all[i] = e
	}
	if len(all) == 1 {
		return all[0]
	}
	return errors.Join(all...)
}

// id checks an identifier, see [semabus.CheckID]; one that is not required may be empty.
func (f *faults) id(field, s string, required bool) { f.idIn("", field, s, required) }

// idIn is id for a field inside another: the two names are put together only for a fault.
func (f *faults) idIn(parent, field, s string, required bool) {
	if s == "" && !required {
		return
	}
	if e := semabus.CheckID(s); e != nil {
		e.Field = parent + field
		f.list = append(f.list, e)
	}
}

// CheckID validates an id that a caller chose, under the name of its field. Errors: those of [semabus.CheckID].
func CheckID(op, field, id string) error {
	var f faults
	f.id(field, id, true)
	return f.err(op)
}

// text checks free text of at most limit bytes.
func (f *faults) text(parent, field, s string, limit int) {
	switch {
	case len(s) > limit:
		f.add(semabus.ReasonTooLarge, parent+field, fmt.Sprintf("%d bytes", limit), fmt.Sprintf("%d bytes", len(s)), "shorten it")
	case !utf8.ValidString(s):
		f.add(semabus.ReasonInvalidUTF8, parent+field, "", "", "send valid UTF-8")
	}
}

// count checks the length of a list.
func (f *faults) count(field string, n, limit int) bool {
	if n <= limit {
		return true
	}
	f.add(semabus.ReasonTooMany, field, strconv.Itoa(limit), strconv.Itoa(n), "send fewer, or split the request")
	return false
}

func tooLarge(field string, n, limit int, fix string) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonTooLarge, Op: "broker.Commit", Field: field,
		Limit: fmt.Sprintf("%d bytes", limit), Value: fmt.Sprintf("%d bytes", n), Fix: fix,
	}
}

// Check validates a message before anything is spent on it; field is the path to name in faults ("messages[3]"). Its error
// is a *semabus.Error INVALID_ARGUMENT with reason, field, limit and value, or several of them joined. An [Entry] that says
// Checked is not looked at again.
func (b *Broker) Check(m *semabus.Message, field string) error {
	var f faults
	if m == nil {
		f.add(semabus.ReasonRequired, field, "", "", "send a message")
		return f.err("broker.Check")
	}
	checkMessage(&f, m, field)
	if n := len(m.Payload) + len(m.Text); n > b.o.MaxMessageBytes && len(m.Text) <= semabus.MaxTextBytes {
		f.add(semabus.ReasonTooLarge, field, fmt.Sprintf("%d bytes", b.o.MaxMessageBytes), fmt.Sprintf("%d bytes", n),
			"shorten it, or store the payload as a blob")
	}
	return f.err("broker.Check")
}

func checkMessage(f *faults, m *semabus.Message, field string) {
	f.idIn(field, ".id", m.ID, true)
	for _, x := range [...]struct{ name, value string }{
		{".source", m.Source}, {".topic", m.Topic}, {".to", m.To}, {".session", m.Session}, {".in_reply_to", m.InReplyTo},
		{".cause", m.Cause}, {".root", m.Root}, {".dedup_key", m.DedupKey}, {".reply_to", m.ReplyTo},
		{".trace_parent", m.TraceParent},
	} {
		if x.value != "" {
			f.idIn(field, x.name, x.value, false)
		}
	}
	for _, x := range [...]struct{ name, value string }{
		{".type", m.Type}, {".subject", m.Subject}, {".content_type", m.ContentType}, {".trace_state", m.TraceState},
	} {
		if x.value != "" {
			f.text(field, x.name, x.value, MaxTextField)
		}
	}
	f.text(field, ".text", m.Text, semabus.MaxTextBytes)
	if m.Priority < 0 || m.Priority > 9 {
		f.add(semabus.ReasonInvalidValue, field+".priority", "0 to 9", strconv.Itoa(m.Priority), fixNumber)
	}
	if m.Hops < 0 {
		f.add(semabus.ReasonInvalidValue, field+".hops", "0 or more", strconv.Itoa(m.Hops), fixNumber)
	}
	if !(m.Cost >= 0) || math.IsInf(m.Cost, 0) {
		f.add(semabus.ReasonInvalidValue, field+".cost", "0 or more", fmt.Sprint(m.Cost), fixNumber)
	}
	if m.TTL < 0 {
		f.add(semabus.ReasonInvalidValue, field+".ttl", "0 or more", m.TTL.String(), fixNumber)
	}
	if len(m.Headers)+len(m.Audience)+len(m.Parts)+len(m.Embeddings) > 0 {
		checkLists(f, m, field)
	}
}

// checkLists validates what a message has many of.
func checkLists(f *faults, m *semabus.Message, field string) {
	if f.count(field+".headers", len(m.Headers), semabus.MaxHeaders) {
		for k, v := range m.Headers {
			at := field + ".headers[" + strconv.QuoteToASCII(semabus.Shorten(k)) + "]"
			f.text(at, "", v, semabus.MaxHeaderBytes-min(len(k), semabus.MaxHeaderBytes))
			f.id(at, k, true)
		}
	}
	if f.count(field+".audience", len(m.Audience), MaxAudience) {
		for i, g := range m.Audience {
			f.id(field+".audience["+strconv.Itoa(i)+"]", g, true)
		}
	}
	if f.count(field+".parts", len(m.Parts), MaxParts) {
		for i := range m.Parts {
			checkPart(f, &m.Parts[i], field+".parts["+strconv.Itoa(i)+"]")
		}
	}
	if f.count(field+".embeddings", len(m.Embeddings), MaxEmbeddings) {
		for i := range m.Embeddings {
			checkEmbedding(f, &m.Embeddings[i], field+".embeddings["+strconv.Itoa(i)+"]")
		}
	}
}

func checkPart(f *faults, p *semabus.Part, field string) {
	f.text(field, ".media_type", p.MediaType, MaxTextField)
	if !utf8.ValidString(p.Text) {
		f.add(semabus.ReasonInvalidUTF8, field+".text", "", "", "send valid UTF-8")
	}
	if p.Blob != "" && !isHash(p.Blob) {
		f.add(semabus.ReasonInvalidValue, field+".blob", "64 lower-case hex digits", p.Blob, "upload the blob and use its id")
	}
	if p.Size < 0 {
		f.add(semabus.ReasonInvalidValue, field+".size", "0 or more", strconv.FormatInt(p.Size, 10), fixNumber)
	}
}

func isHash(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

func checkEmbedding(f *faults, e *semabus.Embedding, field string) {
	f.id(field+".space", e.Space, true)
	if len(e.Values) == 0 {
		f.add(semabus.ReasonRequired, field+".values", "", "", "send the numbers of the vector")
	}
	if !f.count(field+".values", len(e.Values), MaxDimension) {
		return
	}
	for _, v := range e.Values {
		if v != v || math.IsInf(float64(v), 0) {
			f.add(semabus.ReasonInvalidValue, field+".values", "finite numbers", fmt.Sprint(v), fixNumber)
			return
		}
	}
}

// check validates a commit.
func (b *Broker) check(c *Commit) error {
	var f faults
	f.id("tenant", c.Tenant, true)
	if c.OpID != "" {
		f.id("op_id", c.OpID, false)
	}
	if c.DedupKey != "" {
		f.id("dedup_key", c.DedupKey, false)
	}
	if f.count("ops", len(c.Ops), MaxCommit) {
		for i := range c.Ops {
			f.id("op_id", c.Ops[i].ID, false)
		}
	}
	if c.Producer != nil {
		f.id("producer", c.Producer.ID, true)
		if c.Producer.Seq == 0 {
			f.add(semabus.ReasonInvalidValue, "sequence", "1 or more", "0", "number the messages of a producer from 1")
		}
	}
	if len(c.Value) > MaxValueBytes {
		f.add(semabus.ReasonTooLarge, "value", fmt.Sprintf("%d bytes", MaxValueBytes), fmt.Sprintf("%d bytes", len(c.Value)), "shorten it")
	}
	if f.count("messages", len(c.Entries), MaxCommit) {
		for i := range c.Entries {
			checkEntry(&f, &c.Entries[i], i)
		}
	}
	if f.count("settlements", len(c.Settles), MaxCommit) {
		for i := range c.Settles {
			checkSettle(&f, &c.Settles[i], i)
		}
	}
	checkDrops(&f, c.Drops)
	checkAppends(&f, c.Appends)
	if f.count("trims", len(c.Trims), MaxCommit) {
		for i := range c.Trims {
			f.id("trims.log", c.Trims[i].Log, true)
		}
	}
	b.checkConditions(&f, c)
	return f.err("broker.Commit")
}

func checkEntry(f *faults, e *Entry, at int) {
	switch {
	case e.Message == nil:
		f.add(semabus.ReasonRequired, "messages["+strconv.Itoa(at)+"]", "", "", "send a message")
		return
	case e.Checked:
	case e.Retained:
		f.idIn("messages["+strconv.Itoa(at)+"]", ".id", e.Message.ID, true)
	default:
		checkMessage(f, e.Message, "messages["+strconv.Itoa(at)+"]")
	}
	if len(e.Groups) > MaxCommit {
		f.count("messages["+strconv.Itoa(at)+"].groups", len(e.Groups), MaxCommit)
		return
	}
	for i := range e.Groups {
		f.id("groups", e.Groups[i].Group, true)
	}
}

func checkDrops(f *faults, ds []driver.Drop) {
	if !f.count("drops", len(ds), MaxCommit) {
		return
	}
	for i := range ds {
		f.id("drops.message_id", ds[i].MessageID, true)
		f.id("drops.group", ds[i].Group, true)
		if ds[i].Key != "" {
			f.id("drops.key", ds[i].Key, true)
		}
	}
}

func checkAppends(f *faults, as []driver.Append) {
	if !f.count("appends", len(as), MaxCommit) {
		return
	}
	for i := range as {
		field := "appends[" + strconv.Itoa(i) + "]"
		f.id(field+".log", as[i].Log, true)
		limit := semabus.MaxEventBytes
		if strings.HasPrefix(as[i].Log, "$") { // the bus's own: an intent with all its examples is one event
			limit = semabus.MaxMessageBytes
		}
		if n := len(as[i].Data); n > limit {
			f.add(semabus.ReasonTooLarge, field+".data", fmt.Sprintf("%d bytes", limit), fmt.Sprintf("%d bytes", n), "shorten it, or store it as a blob")
		}
	}
}

func (b *Broker) checkConditions(f *faults, c *Commit) {
	if f.count("conditions", len(c.Conditions), MaxCommit) {
		for i := range c.Conditions {
			field := "conditions[" + strconv.Itoa(i) + "]"
			switch q := &c.Conditions[i]; {
			case (q.Log == "") == (q.Counter == ""):
				f.add(semabus.ReasonInvalidValue, field, "exactly one of log and counter", "", "set one of them")
			case q.Log != "":
				f.id(field+".log", q.Log, true)
			default:
				f.id(field+".counter", q.Counter, true)
			}
		}
	}
	if f.count("counters", len(c.Counters), MaxCommit) {
		for i := range c.Counters {
			field := "counters[" + strconv.Itoa(i) + "]"
			f.id(field+".key", c.Counters[i].Key, true)
			for j := range c.Counters[i].Then {
				f.id(field+".then", c.Counters[i].Then[j].MessageID, true)
				f.id(field+".then", c.Counters[i].Then[j].Group, true)
			}
		}
	}
	if len(c.Conditions) > 0 && !b.caps.Conditions || len(c.Counters) > 0 && !b.caps.Counters {
		f.add(semabus.ReasonCapabilityMissing, "conditions, counters", "", b.caps.Engine, "use an engine that declares the capability")
		f.list[len(f.list)-1].Code = semabus.CodeUnimplemented
	}
}
