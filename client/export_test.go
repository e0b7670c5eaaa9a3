package client

// EncodeFrame is the frame of messages that are encoded already, numbered from first on.
func EncodeFrame(first uint64, bodies ...[]byte) []byte {
	f := frame{}
	for i, b := range bodies {
		f.entries = append(f.entries, &entry{body: b, seq: first + uint64(i)})
	}
	out, err := newCodec().Marshal(&f)
	if err != nil {
		panic(err)
	}
	defer out.Free()
	return out.Materialize()
}
