package api

import (
	"strconv"
	"unicode/utf8"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is wrapped here
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	semabus "github.com/semabus/semabus"
)

// codec is gRPC's protobuf codec, except that a request that cannot be decoded does not end as gRPC's Internal: it is
// handed on empty but for a mark, and the interceptors answer it with a typed INVALID_ARGUMENT that names the field.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// undecodable is the field number of the mark among the unknown fields of a request; its value is a coded path. A client
// that sends the field itself gets the error it asks for.
const undecodable protowire.Number = 536_870_911

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	m, ok := v.(proto.Message)
	if !ok {
		return err
	}
	path, found := badField(m.ProtoReflect().Descriptor(), data.Materialize())
	kind := "bytes"
	if found {
		kind = "utf8"
	}
	proto.Reset(m)
	mark := protowire.AppendTag(nil, undecodable, protowire.BytesType)
	mark = protowire.AppendString(mark, kind+":"+path)
	m.ProtoReflect().SetUnknown(mark)
	return nil
}

// decoded returns the typed error of a request that [codec] could not decode.
func decoded(v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return nil
	}
	raw := m.ProtoReflect().GetUnknown()
	if len(raw) == 0 {
		return nil
	}
	num, typ, n := protowire.ConsumeTag(raw)
	if num != undecodable || typ != protowire.BytesType || n < 0 {
		return nil
	}
	text, n := protowire.ConsumeString(raw[n:])
	if n < 0 || len(text) < 5 {
		return nil
	}
	if text[:5] == "utf8:" {
		return invalid(semabus.ReasonInvalidUTF8, text[5:], "", "UTF-8", "send text as UTF-8; bytes belong in payload")
	}
	return invalid(semabus.ReasonInvalidValue, "", "bytes that are not a message", string(m.ProtoReflect().Descriptor().FullName()),
		"encode the request with the contract of this version")
}

// badField walks an encoded message for the first string that is not UTF-8 and returns its path, "messages[3].text".
func badField(d protoreflect.MessageDescriptor, b []byte) (path string, found bool) {
	seen := map[protowire.Number]int{}
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return "", false
		}
		b = b[n:]
		n = protowire.ConsumeFieldValue(num, typ, b)
		if n < 0 {
			return "", false
		}
		value := b[:n]
		b = b[n:]
		f := d.Fields().ByNumber(num)
		if f == nil || typ != protowire.BytesType {
			continue
		}
		name := string(f.Name())
		if f.IsList() {
			name += "[" + strconv.Itoa(seen[num]) + "]"
			seen[num]++
		}
		content, _ := protowire.ConsumeBytes(value)
		switch f.Kind() {
		case protoreflect.StringKind:
			if !utf8.Valid(content) {
				return name, true
			}
		case protoreflect.MessageKind:
			inner, ok := badField(f.Message(), content)
			switch {
			case ok && f.IsMap():
				return name, true
			case ok:
				return name + "." + inner, true
			}
		}
	}
	return "", false
}
