package localbroker

// Most of what an engine holds is settled: messages are kept for a day, so that they can be found, replayed and explained. One
// that had a single delivery, settled at the first attempt, rests in a slot as well.

// restBytes is what the index of a resting message takes in memory, about.
const restBytes = 128

// keeps is what keeping a resting message costs, as message.size has it.
func (x *slot) keeps() int64 { return restBytes + int64(x.bytes) }

// resting is a place in the order in which what rests is forgotten.
type resting struct {
	slot   uint32
	number uint64 // another one: the slot was used again
}

// rests says that a slot can hold the settled message.
func (m *message) rests() bool {
	if m.item == 0 || len(m.deliveries) != 1 || m.live > 0 || m.deciding || m.gone || !m.shown {
		return false
	}
	d := m.deliveries[0]
	return d.stage == settled && d.item != 0 && d.at == m.at && d.ttl == 0 && d.key == "" && d.attempt == 1 && len(d.errors) == 0
}

// compact puts a settled message, which is in no place of retention, into a slot. While a checkpoint is taken it would miss what
// moves behind its back: then the message waits.
func (s *state) compact(m *message) bool {
	if !m.rests() || s.replaying {
		return false
	}
	if s.walking {
		s.deferred = append(s.deferred, m)
		return false
	}
	d := m.deliveries[0]
	x := s.slotOf(d)
	x.ended, x.settled = d.ended, true
	if !d.dropped {
		x.seq = d.seq
	}
	s.forgetObjects(d)
	i := s.lot.add(d.group, x)
	s.rested.push(resting{i, x.number})
	s.kept += x.keeps()
	return true
}

// compactDeferred does what waited for a checkpoint.
func (s *state) compactDeferred() {
	s.walking = false
	for _, m := range s.deferred {
		if m.place >= 0 && m.rests() {
			s.revive(m)
			if !s.compact(m) {
				s.retain(m)
			}
		}
	}
	s.deferred = nil
}

// rouse brings a resting message back into the index in full; it stays in retention.
func (s *state) rouse(i uint32) (*message, error) {
	m, d, err := s.peek(i)
	if err != nil {
		return nil, err
	}
	s.kept -= s.lot.at(i).keeps()
	s.lot.remove(i)
	m.tenant.messages[m.id] = m
	s.deliveries[d.number] = d
	m.item, m.idle = 0, max(m.at, d.ended) // what was asked for once stays as it is
	s.retained.push(m)
	s.kept += m.size()
	return m, nil
}

// oldestRested is the slot that rests longest; ok is false when none does.
func (s *state) oldestRested() (i uint32, ok bool) {
	for s.rested.len() > 0 {
		r := s.rested.items[s.rested.head]
		if x := s.lot.find(r.slot, r.number); x != nil && x.settled {
			return r.slot, true
		}
		s.rested.pop()
	}
	return 0, false
}

// forgetRested drops resting messages beyond the bounds, at most limit of them.
func (s *state) forgetRested(oldest, maxBytes int64, limit int) {
	for ; limit > 0; limit-- {
		i, ok := s.oldestRested()
		if !ok {
			return
		}
		x := s.lot.at(i)
		if x.ended > oldest && s.kept <= maxBytes {
			return
		}
		s.kept -= x.keeps()
		s.use(x.segment, -int(x.values), -int64(x.bytes))
		s.lot.groups[x.group].stored--
		s.lot.remove(i)
	}
}
