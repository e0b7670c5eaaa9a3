package broker

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	semabus "github.com/semabus/semabus"
)

// room holds buffers for what [Fingerprint] hashes; large ones are not kept.
var room = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Fingerprint is the first 64 bits of the SHA-256 of what the publisher said: everything but id, source, time, trace and the
// causal fields, which the bus or the moment sets. Two publishes of the same body have the same fingerprint on every node
// and version; it is stored, so the encoding under it never changes for existing fields.
func Fingerprint(m *semabus.Message) uint64 {
	const keep = 64 << 10
	p := room.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
	b := appendSaid((*p)[:0], m)
	var sum [sha256.Size]byte
	if len(m.Payload) <= keep {
		b = appendBytes(b, tagPayload, m.Payload)
		sum = sha256.Sum256(b)
	} else {
		b = binary.AppendUvarint(b, tagPayload)
		b = binary.AppendUvarint(b, uint64(len(m.Payload)))
		h := sha256.New()
		h.Write(b)
		h.Write(m.Payload)
		h.Sum(sum[:0])
	}
	if cap(b) <= 2*keep {
		*p = b
		room.Put(p)
	}
	return binary.BigEndian.Uint64(sum[:])
}
