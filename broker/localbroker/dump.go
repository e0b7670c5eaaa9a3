package localbroker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Item is one thing that a record says, as [Dump] shows it. What does not apply is zero.
type Item struct {
	Segment string
	Offset  int64 // of the frame
	Frame   uint64
	Time    time.Time
	Commit  uint64
	Tenant  string

	Kind     string // mark, producer, settle, message, decision, enqueue, append, counter, drop, trim, lapse, move, or a frame's: epoch, close
	Name     string // message id, log, key, producer or counter
	Group    string
	Number   uint64 // of the delivery
	Sequence uint64 // of a producer, an event or a lease
	Text     string // error, session or flags in words
	Bytes    int    // of its values
	Body     []byte // of a message or an event
	Value    int64  // of a counter, in nanoseconds a due time
}

// Dump calls do for everything that the log of a folder says, oldest first, from the oldest segment that is there. It changes
// nothing and keeps one segment in memory. Errors: those of [Inspect], and what do returns.
func Dump(ctx context.Context, o Options, do func(*Item) error) (err error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return err
	}
	b, err := openForReading(&o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.release()) }()
	segments, err := b.openSegments()
	if err != nil {
		return err
	}
	for _, n := range segments {
		if err := b.dumpSegment(ctx, n, do); err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) dumpSegment(ctx context.Context, n uint32, do func(*Item) error) error {
	data, err := readFrom(b.cache.files[n], 0)
	if err != nil {
		return errEngine(err)
	}
	seed := frameSeed(b.journal.logID, n)
	at, newest := int64(0), uint64(0)
	for {
		payload, number, size, ok := openFrame(data[at:], seed)
		if !ok || newest > 0 && number != newest+1 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		base := Item{Segment: segmentName(n), Offset: at, Frame: number}
		if err := dumpFrame(base, payload, do); err != nil {
			return err
		}
		newest, at = number, at+int64(size)
	}
}

func dumpFrame(base Item, payload []byte, do func(*Item) error) error {
	switch payload[0] {
	case frameEpoch:
		base.Kind = "epoch"
		return do(&base)
	case frameClose:
		base.Kind = "close"
		return do(&base)
	}
	return eachRecord(payload, func(at int64, commit uint64, tenant string, items *decoder) error {
		for {
			k := tag(items.byte())
			if items.err != nil || k == tagEnd {
				return items.err
			}
			x, err := readItem(k, items)
			if err != nil {
				return errDamaged(base.Segment, base.Offset, err.Error())
			}
			x.Segment, x.Offset, x.Frame = base.Segment, base.Offset, base.Frame
			x.Time, x.Commit, x.Tenant = fromNanos(at), commit, tenant
			if err := do(x); err != nil {
				return err
			}
		}
	})
}

// readItem reads one item behind its tag: what replayer.item does, without a state.
func readItem(k tag, d *decoder) (*Item, error) {
	x := &Item{}
	switch k {
	case tagMark:
		x.Kind, x.Name = "mark", d.string()
		_, _ = d.fixed64(), d.int()
		x.Bytes = len(d.data())
	case tagProducer:
		x.Kind, x.Name, x.Sequence = "producer", d.string(), d.uint()
	case tagSettle:
		x.Kind, x.Number, x.Sequence = "settle", d.uint(), d.uint()
		flags := d.byte()
		x.Value, x.Text = d.int(), d.string()
		if flags&flagRequeue != 0 {
			x.Kind = "requeue"
		}
	case tagMessage:
		x.Kind, x.Name = "message", d.string()
		_ = d.fixed64()
		x.Body = d.data()
		x.Bytes = len(x.Body) + len(d.data())
	case tagDecision:
		x.Kind, x.Name, x.Bytes = "decision", d.string(), len(d.data())
	case tagEnqueue:
		x.Kind, x.Number, x.Name, x.Group = "enqueue", d.uint(), d.string(), d.string()
		key, session := d.string(), d.string()
		if x.Text = session; key != "" {
			x.Text = "key " + key
		}
		_ = d.byte()
		x.Value, _, x.Bytes = d.int(), d.int(), len(d.data())
	case tagAppend:
		x.Kind, x.Name, x.Sequence = "append", d.string(), d.uint()
		x.Body = d.data()
		x.Bytes = len(x.Body)
	case tagCounter:
		x.Kind, x.Name, x.Value, _ = "counter", d.string(), d.int(), d.int()
	case tagDrop:
		x.Kind, x.Number, _, x.Text = "drop", d.uint(), d.byte(), d.string()
	case tagTrim:
		x.Kind, x.Name, x.Sequence, _ = "trim", d.string(), d.uint(), d.byte()
	case tagLapse:
		x.Kind, x.Number, x.Value, x.Text = "lapse", d.uint(), d.int(), d.string()
	case tagMove:
		x.Kind = "move"
		readMove(x, d)
	default:
		return nil, fmt.Errorf("an unknown item %d", k)
	}
	return x, d.err
}

func readMove(x *Item, d *decoder) {
	switch movable(d.byte()) {
	case movesBody, movesDecision:
		_, x.Name, _ = d.string(), d.string(), d.uint()
	case movesInfo:
		x.Number = d.uint()
	case movesEvent:
		_, x.Name, x.Sequence = d.string(), d.string(), d.uint()
	case movesWhole:
		_, _, x.Number = d.string(), d.uint(), d.uint()
		x.Name = d.string()
		_ = d.fixed64()
		x.Bytes = len(d.data()) + len(d.data())
		_, _, x.Group, _, _, _ = d.uint(), d.string(), d.string(), d.string(), d.string(), d.byte()
		_, _ = d.int(), d.int()
	default:
		d.fail()
	}
	x.Bytes += len(d.data())
}
