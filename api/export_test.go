package api

import (
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Decode is what the server does with the bytes of a request.
func Decode(raw []byte, m proto.Message) error {
	if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(raw)}, m); err != nil {
		return err
	}
	return decoded(m)
}
