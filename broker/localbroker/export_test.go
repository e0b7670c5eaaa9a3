package localbroker

// Checkpoint writes one now.
func Checkpoint(b *Broker) error { return b.checkpoint() }

// DecodeCheckpoint reads a checkpoint into an empty state.
func DecodeCheckpoint(data []byte) error {
	b := &Broker{s: newState()}
	copy(b.journal.logID[:], "0123456789abcdef")
	_, err := b.decodeCheckpoint(data)
	return err
}

// SealCheckpoint puts the head and the checksum around a body.
func SealCheckpoint(body []byte) []byte {
	data := []byte{0x50, 0x43, 0x42, 0x53, checkpointVersion}
	data = append(data, "0123456789abcdef"...)
	data = append(data, body...)
	sum := checksum(0, data)
	return append(data, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// ReplayGroup reads the payload of a group frame into an empty state.
func ReplayGroup(payload []byte) error {
	r := &replayer{stager: &stager{s: newState(), touch: func(*group) {}}}
	return r.group(append([]byte{frameGroup}, payload...), 1, 0)
}

// DecodeMeta reads the file META.
func DecodeMeta(data []byte) error {
	_, err := decodeMeta(metaFile, data)
	return err
}

// OpenFrame checks one frame.
func OpenFrame(data []byte) (payload []byte, ok bool) {
	payload, _, _, ok = openFrame(data, frameSeed([16]byte{}, 1))
	return payload, ok
}

// SealFrame makes one of a payload.
func SealFrame(payload []byte) []byte {
	return sealFrame(append(make([]byte, frameHeader), payload...), frameSeed([16]byte{}, 1), 1)
}
