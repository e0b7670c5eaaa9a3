package bus

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

// receipt is the answer about a stored entry; without a decision it is pending.
func receipt(e *broker.Entry, pos semabus.Position) semabus.Receipt {
	if e.Decision == nil {
		return semabus.Receipt{ID: e.Message.ID, Position: pos}
	}
	return semabus.Receipt{ID: e.Message.ID, Position: pos, Final: true, Groups: e.Decision.Groups(), Outcome: e.Decision.Outcome}
}

func receipts(c *broker.Commit) []semabus.Receipt {
	rs := make([]semabus.Receipt, len(c.Entries))
	for i := range c.Entries {
		rs[i] = receipt(&c.Entries[i], nil)
	}
	return rs
}

// duplicate answers a repeated publish with the first receipt.
func duplicate(c *broker.Commit, done *broker.Committed) PublishResult {
	if rs := decodeReceipts(done.Value); len(rs) == 1 {
		rs[0].DuplicateOf = rs[0].ID
		return PublishResult{Receipt: rs[0]}
	}
	id := c.Entries[0].Message.ID
	r := semabus.Receipt{ID: id, DuplicateOf: id}
	if len(done.First) == 1 && done.First[0] != nil { // a producer's mark outlives the retained message: then the id is all that is known
		rec := done.First[0]
		r.Position = rec.Position
		if d := rec.Decision; d != nil {
			r.Final, r.Groups, r.Outcome = true, d.Groups(), d.Outcome
		}
	}
	return PublishResult{Receipt: r}
}

// encodeReceipts is the Value kept under a commit's marks; nil where it would be too large: then a repeat learns the ids
// only, which it can derive.
func encodeReceipts(rs []semabus.Receipt) []byte {
	b, err := json.Marshal(rs)
	if err != nil || len(b) > broker.MaxValueBytes {
		return nil
	}
	return b
}

func decodeReceipts(b []byte) (rs []semabus.Receipt) {
	if len(b) == 0 || json.Unmarshal(b, &rs) != nil {
		return nil
	}
	return rs
}

// newID is 128 random bits, or for a numbered stream 128 bits that derive from (producer, sequence), so that a resent
// message has the id it had.
func newID(producer string, seq uint64) string {
	if producer != "" {
		return derive(producer, seq)
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand.Read
	return hex.EncodeToString(raw[:])
}

// derive makes the id of the i-th thing under a name: 128 bits of SHA-256 over (name, i), in hex.
func derive(name string, i uint64) string {
	var room [256 + 8]byte
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(append(room[:0], name...), i))
	return hex.EncodeToString(sum[:16])
}

// within is prefix + name where that is a legal id, else prefix + what derives from name.
func within(prefix, name string) string {
	if len(prefix)+len(name) <= semabus.MaxIDBytes {
		return prefix + name
	}
	return prefix + derive(name, 0)
}
