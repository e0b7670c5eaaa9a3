package localbroker

import (
	"encoding/binary"
	"errors"
)

// errShort is the fault of every value that ends too early or promises more than there is.
var errShort = errors.New("value is cut off")

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendData(b, p []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(p)))
	return append(b, p...)
}

// decoder reads what the append functions wrote. After a fault every method returns zero values; err tells.
type decoder struct {
	buf []byte
	off int
	err error
}

func (d *decoder) fail() {
	if d.err == nil {
		d.err = errShort
	}
	d.off = len(d.buf)
}

func (d *decoder) done() bool { return d.off >= len(d.buf) }

func (d *decoder) byte() byte {
	if d.off >= len(d.buf) {
		d.fail()
		return 0
	}
	d.off++
	return d.buf[d.off-1]
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.buf[d.off:])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.off += n
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.buf[d.off:])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.off += n
	return v
}

func (d *decoder) fixed64() uint64 {
	if len(d.buf)-d.off < 8 {
		d.fail()
		return 0
	}
	d.off += 8
	return binary.LittleEndian.Uint64(d.buf[d.off-8:])
}

// data is a length-prefixed part of the buffer, not a copy.
func (d *decoder) data() []byte {
	n := d.uint()
	if n > uint64(len(d.buf)-d.off) {
		d.fail()
		return nil
	}
	d.off += int(n)
	return d.buf[d.off-int(n) : d.off : d.off]
}

func (d *decoder) string() string { return string(d.data()) }

// count is a number of things to come, each of at least one byte.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.buf)-d.off) {
		d.fail()
		return 0
	}
	return int(n)
}
