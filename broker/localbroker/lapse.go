package localbroker

// A lease that ran out costs its delivery an attempt. Leases are not in the log, so these are written down with whatever
// frame comes next, or by Run and Close where nothing else is written.

// maxLapses bounds those in one frame, and lapseBytes what one takes there: its cause names a member of up to 256 bytes.
const (
	maxLapses  = 1024
	lapseBytes = 320
)

// lapse is the attempt that a lease cost which ran out.
type lapse struct {
	delivery *delivery
	attempt  int // of the delivery from then on
	cause    string
}

// lapsed counts the attempt of a lease that ran out.
func (g *stager) lapsed(d *delivery) {
	d.attempt++
	cause := "the lease ran out"
	if d.member != "" {
		cause = "the lease of " + d.member + " ran out"
	}
	d.fail(cause)
	g.s.lapses = append(g.s.lapses, lapse{d, d.attempt, cause})
}

// lapseRoom is what those that wait take in the next frame.
func (b *Broker) lapseRoom() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return min(len(b.s.lapses), maxLapses) * lapseBytes
}

// lapses writes at most limit of those that wait into the frame.
func (p *planner) lapses(limit int) {
	s, f := p.b.s, &p.frame
	n := min(len(s.lapses), limit)
	if n == 0 {
		return
	}
	p.aside()
	for _, l := range s.lapses[:n] {
		if s.deliveries[l.delivery.number] != l.delivery {
			continue // forgotten meanwhile
		}
		f.tag(tagLapse)
		f.uint(l.delivery.number)
		f.int(int64(l.attempt))
		f.string(l.cause)
	}
	f.tag(tagEnd)
	rest := copy(s.lapses, s.lapses[n:])
	clear(s.lapses[rest:])
	s.lapses = s.lapses[:rest]
}

// writeLapses writes down what waits, in a frame of its own.
func (b *Broker) writeLapses() error {
	if b.lapseRoom() == 0 {
		return nil
	}
	return b.exclusive(func() error {
		if err := b.usable(); err != nil {
			return err
		}
		room := b.lapseRoom()
		if room == 0 {
			return nil
		}
		return b.commitFrame(room, func() { b.planner.lapses(room / lapseBytes) })
	})
}
