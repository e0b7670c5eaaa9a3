package broker

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	semabus "github.com/semabus/semabus"
)

// The stored form of every value of this package: one version byte, then fields of (tag uvarint, length uvarint, bytes) in
// any order, zero values left out. A decoder skips tags it does not know, so that a node can be rolled back; a change that
// old nodes must not read gets a new version byte.
const wireVersion = 1

// fieldOverhead bounds tag and length of one field, in bytes.
const fieldOverhead = 1 + binary.MaxVarintLen32

func appendString(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	b = binary.AppendUvarint(b, tag)
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendBytes(b []byte, tag uint64, p []byte) []byte {
	if len(p) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, tag)
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

func appendUint(b []byte, tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	var buf [binary.MaxVarintLen64]byte
	return appendBytes(b, tag, buf[:binary.PutUvarint(buf[:], v)])
}

func appendInt(b []byte, tag uint64, v int64) []byte {
	if v == 0 {
		return b
	}
	var buf [binary.MaxVarintLen64]byte
	return appendBytes(b, tag, buf[:binary.PutVarint(buf[:], v)])
}

func appendFloat(b []byte, tag uint64, v float64) []byte {
	if v == 0 && !math.Signbit(v) {
		return b
	}
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], math.Float64bits(v))
	return appendBytes(b, tag, buf[:])
}

func appendTime(b []byte, tag uint64, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	var buf [2 * binary.MaxVarintLen64]byte
	n := binary.PutVarint(buf[:], t.Unix())
	n += binary.PutUvarint(buf[n:], uint64(t.Nanosecond()))
	return appendBytes(b, tag, buf[:n])
}

func appendFlag(b []byte, tag uint64, v bool) []byte {
	if !v {
		return b
	}
	return appendUint(b, tag, 1)
}

// reader walks the fields of one value. After next returned false, err tells whether the bytes were whole.
type reader struct {
	in    []byte // what is left
	val   []byte // of the field that next found
	fault error
}

// newReader checks the version byte; what names the value in errors.
func newReader(in []byte, what string) *reader {
	if len(in) == 0 || in[0] != wireVersion {
		return &reader{fault: damaged(what, "version")}
	}
	return &reader{in: in[1:]}
}

func (r *reader) next() (tag uint64, ok bool) {
	if r.fault != nil || len(r.in) == 0 {
		return 0, false
	}
	tag, n := binary.Uvarint(r.in)
	if n <= 0 {
		r.fault = damaged("field", "tag")
		return 0, false
	}
	size, m := binary.Uvarint(r.in[n:])
	if m <= 0 || size > uint64(len(r.in)-n-m) {
		r.fault = damaged("field", "length")
		return 0, false
	}
	r.val = r.in[n+m : n+m+int(size)]
	r.in = r.in[n+m+int(size):]
	return tag, true
}

func (r *reader) fail(what string) {
	if r.fault == nil {
		r.fault = damaged("field", what)
	}
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.val)
	if n != len(r.val) || n == 0 {
		r.fail("integer")
		return 0
	}
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.val)
	if n != len(r.val) || n == 0 {
		r.fail("integer")
		return 0
	}
	return v
}

func (r *reader) float() float64 {
	if len(r.val) != 8 {
		r.fail("number")
		return 0
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(r.val))
}

func (r *reader) time() time.Time {
	sec, n := binary.Varint(r.val)
	if n <= 0 {
		r.fail("time")
		return time.Time{}
	}
	nsec, m := binary.Uvarint(r.val[n:])
	if m <= 0 || n+m != len(r.val) || nsec > 999_999_999 {
		r.fail("time")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

// split reads a length-prefixed text off p and returns it with what follows.
func (r *reader) split(p []byte) (head, rest []byte) {
	n, m := binary.Uvarint(p)
	if m <= 0 || n > uint64(len(p)-m) {
		r.fail("length")
		return nil, nil
	}
	return p[m : m+int(n)], p[m+int(n):]
}

func damaged(what, part string) error {
	return &semabus.Error{
		Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "broker.Decode",
		Fix: "restore the data folder from a backup, or read it with the version that wrote it",
		Err: fmt.Errorf("the stored %s has no valid %s", what, part),
	}
}
