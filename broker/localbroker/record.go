package localbroker

import (
	"encoding/binary"
	"fmt"
)

// A record is the effect of one applied batch, as it stands in a frame: every check has passed and every no-op is left out,
// so that a replay decides nothing.
//
//	time fixed64 | commit uvarint | tenant string | items … | tagEnd
type tag byte

const (
	tagEnd      tag = iota
	tagMark         // key, hash, until, value
	tagProducer     // id, seq
	tagSettle       // delivery number, lease sequence, flags, due, cause
	tagMessage      // id, hash, body, decision
	tagDecision     // message id, decision
	tagEnqueue      // number, message id, group, key, session, priority, deliver-at, ttl end, info
	tagAppend       // log, data
	tagCounter      // key, value, until
	tagDrop         // delivery number, flags, cause
	tagTrim         // log, through, flags
	tagLapse        // delivery number, attempt, cause
)

const (
	flagRequeue byte = 1 << iota
	flagAttempt
)

const flagOutlived byte = 1 // of tagDrop

const flagForget byte = 1 // of tagTrim

// frameBuilder writes the records of one group and knows where their values will lie.
type frameBuilder struct {
	buf     []byte // frame header, then the payload so far
	segment uint32
	frame   uint32
}

// begin starts a frame at a place of the log, with room for size bytes of payload.
func (f *frameBuilder) begin(segment uint32, offset int64, size int) {
	f.buf = append(make([]byte, frameHeader, frameHeader+size+frameAlign), frameGroup)
	f.segment, f.frame = segment, uint32(offset/frameAlign) //nolint:gosec // a segment stays under 32 GiB
}

func (f *frameBuilder) empty() bool { return len(f.buf) <= frameHeader+1 }

func (f *frameBuilder) tag(t tag)       { f.buf = append(f.buf, byte(t)) }
func (f *frameBuilder) byte(b byte)     { f.buf = append(f.buf, b) }
func (f *frameBuilder) string(s string) { f.buf = appendString(f.buf, s) }
func (f *frameBuilder) uint(v uint64)   { f.buf = binary.AppendUvarint(f.buf, v) }
func (f *frameBuilder) int(v int64)     { f.buf = binary.AppendVarint(f.buf, v) }
func (f *frameBuilder) fixed(v uint64)  { f.buf = binary.LittleEndian.AppendUint64(f.buf, v) }

// data writes a value and returns where it lies.
func (f *frameBuilder) data(p []byte) loc {
	f.buf = appendData(f.buf, p)
	if len(p) == 0 {
		return loc{}
	}
	return loc{f.segment, f.frame, uint32(len(f.buf) - len(p) - frameHeader), uint32(len(p))} //nolint:gosec // a frame is under 4 GiB
}

// replayer reads frames back into the state.
type replayer struct {
	*stager
	decoder
	segment uint32
	frame   uint32
}

// value reads what data wrote.
func (r *replayer) value() loc {
	p := r.data()
	if len(p) == 0 {
		return loc{}
	}
	return loc{r.segment, r.frame, uint32(r.off - len(p)), uint32(len(p))} //nolint:gosec // as written
}

// group replays the payload of one group frame and reveals it. The error says what does not fit; the caller knows where.
func (r *replayer) group(payload []byte, segment uint32, offset int64) error {
	r.decoder = decoder{buf: payload, off: 1}
	r.segment, r.frame = segment, uint32(offset/frameAlign) //nolint:gosec // a segment stays under 32 GiB
	for !r.done() {
		if err := r.record(); err != nil {
			return err
		}
	}
	if r.err == nil {
		r.reveal(r.s.clock)
	}
	return r.err
}

func (r *replayer) record() error {
	at := int64(r.fixed64()) //nolint:gosec // written from an int64
	commit := r.uint()
	name := r.string()
	if r.err != nil {
		return r.err
	}
	var t *tenant
	if name != "" { // lapses are of any tenant
		t = r.s.tenant(name)
	}
	r.s.clock, r.s.commit = at, commit
	for {
		k := tag(r.byte())
		if r.err != nil || k == tagEnd {
			return r.err
		}
		if t == nil && k != tagLapse {
			return fmt.Errorf("an item %d of no tenant", k)
		}
		if err := r.item(k, t, at, commit); err != nil {
			return err
		}
	}
}

func (r *replayer) item(k tag, t *tenant, at int64, commit uint64) error {
	switch k {
	case tagMark:
		key, hash, until, value := r.string(), r.fixed64(), r.int(), r.data()
		r.mark(t, key, hash, until, clone(value))
	case tagProducer:
		id, seq := r.string(), r.uint()
		r.produce(t, id, seq, at)
	case tagSettle:
		return r.settled(at)
	case tagMessage:
		id, hash, body, decision := r.string(), r.fixed64(), r.value(), r.value()
		r.message(t, id, hash, at, commit, body, decision)
	case tagDecision:
		id, decision := r.string(), r.value()
		m := t.messages[id]
		if m == nil {
			return fmt.Errorf("a decision on the unknown message %q", id)
		}
		r.decide(m, decision)
	case tagEnqueue:
		return r.enqueued(t, at)
	case tagAppend:
		log, data := r.string(), r.value()
		r.append(t.log(log), at, data)
	case tagCounter:
		key, value, until := r.string(), r.int(), r.int()
		r.tally(t, key, value, until)
	case tagDrop, tagLapse:
		return r.ended(k, at)
	case tagTrim:
		log, through, flags := r.string(), r.uint(), r.byte()
		if l := t.logs[log]; l != nil {
			r.trim(t, l, through, flags&flagForget != 0)
		} else if r.err == nil {
			return fmt.Errorf("a trim of the unknown log %q", log)
		}
	default:
		return fmt.Errorf("an unknown item %d", k)
	}
	return nil
}

func (r *replayer) settled(at int64) error {
	number, seq, flags, due, cause := r.uint(), r.uint(), r.byte(), r.int(), r.string()
	d := r.s.deliveries[number]
	if d == nil {
		if r.err != nil {
			return r.err
		}
		return fmt.Errorf("a settlement of the unknown delivery %d", number)
	}
	d.seq = seq
	r.settle(settlement{delivery: d, due: due, at: at, requeue: flags&flagRequeue != 0, attempt: flags&flagAttempt != 0, cause: cause})
	return nil
}

// ended replays what happened to a delivery without a settlement.
func (r *replayer) ended(k tag, at int64) error {
	number := r.uint()
	d := r.s.deliveries[number]
	if k == tagLapse {
		attempt, cause := int(r.int()), r.string()
		if d != nil && attempt > d.attempt {
			d.attempt = attempt
			d.fail(cause)
		}
		return r.err
	}
	flags, cause := r.byte(), r.string()
	if d == nil || r.err != nil {
		if r.err != nil {
			return r.err
		}
		return fmt.Errorf("an end of the unknown delivery %d", number)
	}
	r.drop(d, at, flags&flagOutlived != 0, cause)
	return nil
}

func (r *replayer) enqueued(t *tenant, at int64) error {
	d := &delivery{number: r.uint(), at: at, attempt: 1, place: -1, timer: -1}
	id := r.string()
	d.message = t.messages[id]
	group := r.string()
	d.key, d.session = r.string(), r.string()
	d.priority = r.byte()
	d.due, d.ttl, d.info = r.int(), r.int(), r.value()
	if r.err != nil {
		return r.err
	}
	if d.message == nil {
		return fmt.Errorf("a delivery of the unknown message %q", id)
	}
	d.group, d.order = t.group(group), orderOf(at, d.due)
	r.enqueue(d)
	return nil
}

func clone(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return append([]byte(nil), p...)
}
