package localbroker

import "fmt"

// replayer reads frames back into the state.
//
// A checkpoint is taken while commits go on: it holds each entry as it was at some moment between the frame it begins with
// and the frame it ends with. Frames in between are therefore replayed on entries that may know them already, may have lived
// on since, or may be forgotten. While loose is set, what is known is passed over by its version and what is gone is
// ignored; after that everything must fit.
type replayer struct {
	*stager
	decoder
	segment uint32
	frame   uint32
	loose   bool
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
	r.stager.frame = frameKey{r.segment, r.frame}
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
	if name != "" { // lapses and moves are of any tenant
		t = r.s.tenant(name)
	}
	r.s.clock, r.s.commit = at, commit
	for {
		k := tag(r.byte())
		if r.err != nil || k == tagEnd {
			return r.err
		}
		if t == nil && k != tagLapse && k != tagMove {
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
	case tagSettle, tagDrop, tagLapse:
		return r.delivery(k, at, commit)
	case tagMessage:
		item := uint32(r.off) //nolint:gosec // as written
		id, hash, body, decision := r.string(), r.fixed64(), r.value(), r.value()
		m := t.messages[id]
		if r.loose && m == nil {
			var err error
			if m, err = r.s.message(t, id); err != nil {
				return err
			}
		}
		if m == nil || m.commit < commit {
			r.message(t, id, hash, at, commit, body, decision).item = item
		}
	case tagDecision:
		id, decision := r.string(), r.value()
		switch m, err := r.s.message(t, id); {
		case err != nil:
			return err
		case m != nil && m.commit <= commit:
			r.decide(m, decision)
		case m == nil:
			return r.unknown("a decision on the message %q", id)
		}
	case tagEnqueue:
		return r.enqueued(t, at, commit)
	case tagAppend, tagTrim:
		return r.logged(k, t, at, commit)
	case tagCounter:
		key, value, until := r.string(), r.int(), r.int()
		r.tally(t, key, value, until)
	case tagMove:
		return r.moved()
	default:
		return fmt.Errorf("an unknown item %d", k)
	}
	return nil
}

// unknown is what to make of an item about something that is not there.
func (r *replayer) unknown(what string, of any) error {
	if r.err != nil {
		return r.err
	}
	if r.loose {
		return nil
	}
	return fmt.Errorf("unknown: "+what, of)
}

// delivery replays what happened to a delivery.
func (r *replayer) delivery(k tag, at int64, commit uint64) error {
	number := r.uint()
	d, err := r.numbered(number)
	if err != nil {
		return err
	}
	known := d != nil && d.version < commit
	switch k {
	case tagLapse:
		if attempt, cause := int(r.int()), r.string(); d != nil && attempt > d.attempt {
			d.attempt = attempt
			d.fail(cause)
		}
		return r.err
	case tagSettle:
		seq, flags, due, cause := r.uint(), r.byte(), r.int(), r.string()
		if known {
			d.seq = seq
			r.settle(settlement{delivery: d, due: due, at: at, requeue: flags&flagRequeue != 0, attempt: flags&flagAttempt != 0, cause: cause})
		}
	default:
		flags, cause := r.byte(), r.string()
		if known {
			r.drop(d, at, flags&flagOutlived != 0, cause)
		}
	}
	if d == nil {
		return r.unknown("the end of the delivery %d", number)
	}
	return r.err
}

// numbered finds a delivery by its number, parked or not.
func (r *replayer) numbered(number uint64) (*delivery, error) {
	if d := r.s.deliveries[number]; d != nil {
		return d, nil
	}
	if i, ok := r.s.lot.numbered(number); ok {
		if !r.s.lot.at(i).settled {
			return r.s.unpark(i)
		}
		m, err := r.s.rouse(i)
		if err != nil {
			return nil, err
		}
		return m.deliveries[0], nil
	}
	return nil, nil
}

func (r *replayer) enqueued(t *tenant, at int64, commit uint64) error {
	d := &delivery{item: uint32(r.off), at: at, attempt: 1, place: -1, timer: -1} //nolint:gosec // as written
	d.number = r.uint()
	id := r.string()
	var err error
	if d.message, err = r.s.message(t, id); err != nil {
		return err
	}
	group := r.string()
	d.key, d.session = r.string(), r.string()
	d.priority = r.byte()
	d.due, d.ttl, d.info = r.int(), r.int(), r.value()
	if d.message == nil || r.err != nil {
		return r.unknown("a delivery of the message %q", id)
	}
	if r.s.deliveries[d.number] != nil || d.message.commit > commit { // known, or of a message that had the id before
		return nil
	}
	d.group, d.order = t.group(group), orderOf(at, d.due)
	r.enqueue(d)
	return nil
}

// logged replays what happened to a log.
func (r *replayer) logged(k tag, t *tenant, at int64, commit uint64) error {
	name, place := r.string(), r.uint()
	l := t.logs[name]
	if k == tagTrim {
		flags := r.byte()
		if l == nil || r.err != nil {
			return r.unknown("a trim of the log %q", name)
		}
		if l.version < commit {
			r.trim(t, l, place, flags&flagForget != 0)
		}
		return nil
	}
	data := r.value()
	if r.err != nil || l != nil && l.version >= commit {
		return r.err
	}
	if l == nil || l.newest() == 0 {
		l = t.log(name)
		if place != 1 && !r.loose {
			return fmt.Errorf("event %d of the log %q, which is empty", place, name)
		}
		l.base, l.shown = place-1, place-1
	}
	if place != l.newest()+1 {
		return fmt.Errorf("event %d of the log %q, whose newest is %d", place, name, l.newest())
	}
	r.append(l, at, data)
	return nil
}

func clone(p []byte) []byte {
	if len(p) == 0 {
		return nil
	}
	return append([]byte(nil), p...)
}
