package aged_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
)

// known is what a model knows of a key.
type known struct {
	value []byte
	until int64
}

// model is a table as a map, with the owner's log of what was not flushed.
type model struct {
	t       *testing.T
	rnd     *rand.Rand
	disk    *disk
	now     int64
	last    int64 // the latest end that was ever put
	keys    map[string]known
	pending map[string]known // what the owner puts again after a restart
}

func (m *model) key() string {
	k := m.rnd.IntN(300)
	if k%50 == 0 {
		return fmt.Sprintf("%0*d", 1+k*3, k) // up to 900 bytes
	}
	return fmt.Sprint("k", k)
}

func (m *model) entry() (string, known) {
	size := m.rnd.IntN(40)
	switch m.rnd.IntN(30) {
	case 0:
		size = 0
	case 1:
		size = m.rnd.IntN(6000)
	}
	value := bytes.Repeat([]byte{byte(m.rnd.Uint32())}, size)
	until := m.now + m.rnd.Int64N(400) - 20
	if m.rnd.IntN(10) == 0 {
		until += 5000
	}
	return m.key(), known{value, until}
}

// want is what a key has to be now.
func (m *model) want(k known, there bool) ([]byte, int64, bool) {
	if !there || m.now >= k.until {
		return nil, 0, false
	}
	return k.value, k.until, true
}

func (m *model) check(get func(key []byte, now int64) ([]byte, int64, bool, error), key string) {
	m.t.Helper()
	k, there := m.keys[key]
	value, until, live := m.want(k, there)
	got, end, ok, err := get([]byte(key), m.now)
	if err != nil || ok != live || end != until || !bytes.Equal(got, value) {
		m.t.Fatalf("at %d key %.20s is %d bytes until %d, %v, %v; want %d bytes until %d, %v (put until %d)",
			m.now, key, len(got), end, ok, err, len(value), until, live, k.until)
	}
}

// TestModel runs random operations against a map: -run TestModel/seed replays one.
func TestModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), disk: newDisk(), now: 1000, keys: map[string]known{}, pending: map[string]known{}}
			m.run(2500)
		})
	}
}

func (m *model) run(steps int) {
	t, table := m.t, open(m.t, m.disk)
	for range steps {
		switch op := m.rnd.IntN(100); {
		case op < 60:
			key, k := m.entry()
			table.Put([]byte(key), k.value, k.until)
			m.last = max(m.last, k.until)
			m.keys[key], m.pending[key] = k, k
		case op < 85:
			m.check(table.Get, m.key())
		case op < 91:
			flush(t, table)
			clear(m.pending)
		case op < 93:
			if _, err := table.Expire(m.now); err != nil {
				t.Fatal(err)
			}
		case op < 96:
			if _, err := table.Compact(context.Background(), m.now); err != nil {
				t.Fatal(err)
			}
		case op < 97:
			compact(t, table, m.now)
		case op < 99:
			m.now += m.rnd.Int64N(60)
		default:
			switch m.rnd.IntN(3) {
			case 0: // power is cut between two changes
				m.disk.crash(m.rnd.Float64(), m.rnd)
			case 1:
				m.disk.kill()
			default:
				_ = table.Close()
			}
			table = open(t, m.disk)
			for key, k := range m.pending {
				table.Put([]byte(key), k.value, k.until)
			}
			m.checkAll(table.Get)
		}
	}
	m.checkAll(table.Get)
	m.checkFiles(table)
}

func (m *model) checkAll(get func(key []byte, now int64) ([]byte, int64, bool, error)) {
	m.t.Helper()
	for k := range 300 {
		m.check(get, fmt.Sprint("k", k))
	}
	for key := range m.keys {
		m.check(get, key)
	}
}

// checkFiles compares Each and Verify with the map, and sees that time clears everything.
func (m *model) checkFiles(table interface {
	Flush() error
	Each(ctx context.Context, now int64, do func(key, value []byte, until int64) error) error
	Verify(ctx context.Context) error
	Compact(ctx context.Context, now int64) (bool, error)
	Count(now int64) int64
	Bytes() int64
}) {
	t := m.t
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	rest := maps.Clone(m.keys)
	maps.DeleteFunc(rest, func(_ string, k known) bool { return m.now >= k.until })
	live := int64(len(rest))
	err := table.Each(context.Background(), m.now, func(key, value []byte, until int64) error {
		k, there := rest[string(key)]
		if !there || !bytes.Equal(k.value, value) || k.until != until {
			t.Errorf("each: key %.20s has %d bytes until %d, want %d until %d, %v", key, len(value), until, len(k.value), k.until, there)
		}
		delete(rest, string(key))
		return nil
	})
	if err != nil || len(rest) > 0 {
		t.Errorf("each left %d keys out: %v", len(rest), err)
	}
	if err := table.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	if n := table.Count(m.now); n < live-live/10 {
		t.Errorf("it counts %d, %d live", n, live)
	}
	m.now = m.last
	for more := true; more; {
		if more, err = table.Compact(context.Background(), m.now); err != nil {
			t.Fatal(err)
		}
	}
	if table.Bytes() != 0 || table.Count(m.now) != 0 {
		t.Errorf("%d bytes and %d entries when everything has ended", table.Bytes(), table.Count(m.now))
	}
}
