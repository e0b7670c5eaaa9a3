package client

import (
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is wrapped here
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// codec is gRPC's protobuf codec that also takes a [frame], whose messages were encoded when they were handed over: the
// caller keeps its message, sizes are known before a frame is put together, and what is sent again is the same bytes.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	f, ok := v.(*frame)
	if !ok {
		return c.CodecV2.Marshal(v)
	}
	pool := mem.DefaultBufferPool()
	buf := pool.Get(f.size())
	*buf = f.append((*buf)[:0])
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}, nil
}

// frame is the PublishStreamRequest{messages} of entries.
type frame struct{ entries []*entry }

// Field numbers of bus.proto: PublishStreamRequest.messages, PublishFrame.messages, SequencedMessage.sequence and .message.
const (
	requestMessages protowire.Number = 2
	frameMessages   protowire.Number = 1
	sequencedNumber protowire.Number = 1
	sequencedBody   protowire.Number = 2
)

// size is of the encoded frame.
func (f *frame) size() int {
	n := f.inner()
	return protowire.SizeTag(requestMessages) + protowire.SizeBytes(n)
}

// inner is the size of the PublishFrame.
func (f *frame) inner() (n int) {
	for _, e := range f.entries {
		n += protowire.SizeTag(frameMessages) + protowire.SizeBytes(e.sequenced())
	}
	return n
}

func (f *frame) append(b []byte) []byte {
	b = protowire.AppendTag(b, requestMessages, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(f.inner()))
	for _, e := range f.entries {
		b = protowire.AppendTag(b, frameMessages, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(e.sequenced()))
		b = protowire.AppendTag(b, sequencedNumber, protowire.VarintType)
		b = protowire.AppendVarint(b, e.seq)
		b = protowire.AppendTag(b, sequencedBody, protowire.BytesType)
		b = protowire.AppendBytes(b, e.body)
	}
	return b
}

// sequenced is the size of the entry's SequencedMessage.
func (e *entry) sequenced() int {
	return protowire.SizeTag(sequencedNumber) + protowire.SizeVarint(e.seq) +
		protowire.SizeTag(sequencedBody) + protowire.SizeBytes(len(e.body))
}

// messages is where messages are put together for encoding.
var messages = sync.Pool{New: func() any { return &semabusv1.Message{} }}

// encode appends m in the wire's form. Errors: INVALID_ARGUMENT / INVALID_UTF8.
func (c *Client) encode(b []byte, m *semabus.Message, trace traced) ([]byte, error) {
	w, _ := messages.Get().(*semabusv1.Message)
	fillMessage(w, m)
	if m.TraceParent == "" {
		w.TraceParent, w.TraceState = trace.parent, trace.state
	}
	b, err := proto.MarshalOptions{}.MarshalAppend(b, w)
	w.Reset()
	messages.Put(w)
	if err != nil {
		if terr := checkText(m); terr != nil {
			return b, terr
		}
		return b, invalid("message", "", "", err.Error())
	}
	return b, nil
}

// traced is a W3C trace context.
type traced struct{ parent, state string }
