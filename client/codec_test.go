package client_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/client"
)

// FuzzFrame: frames are put together by hand; the contract's decoder must read from them what went in.
func FuzzFrame(f *testing.F) {
	f.Add(uint64(1), "a", "", []byte(nil), 1)
	f.Add(uint64(1)<<63, "请退款", "desk", []byte{0, 0xff}, 3)
	f.Add(uint64(127), "x", "y", make([]byte, 200), 130)
	f.Fuzz(func(t *testing.T, first uint64, text, group string, payload []byte, n int) {
		m := &semabusv1.Message{Text: text, To: group, Payload: payload}
		body, err := proto.Marshal(m)
		if err != nil {
			return // not UTF-8: it never gets this far
		}
		n = max(1, min(n, 200))
		bodies := make([][]byte, n)
		want := &semabusv1.PublishFrame{}
		for i := range bodies {
			bodies[i] = body
			want.Messages = append(want.Messages, &semabusv1.SequencedMessage{Sequence: first + uint64(i), Message: m})
		}
		var got semabusv1.PublishStreamRequest
		if err := proto.Unmarshal(client.EncodeFrame(first, bodies...), &got); err != nil {
			t.Fatal(err)
		}
		opts := []cmp.Option{protocmp.Transform(), protocmp.IgnoreEmptyMessages()}
		if diff := cmp.Diff(want, got.GetMessages(), opts...); diff != "" {
			t.Errorf("frame of %d (-want +got):\n%s", n, diff)
		}
	})
}
