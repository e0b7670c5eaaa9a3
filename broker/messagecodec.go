package broker

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	semabus "github.com/semabus/semabus"
)

// Tags of a stored message. Never reused.
const (
	tagID = iota + 1
	tagSource
	tagType
	tagSubject
	tagTime
	tagTopic
	tagTo
	tagContentType
	tagText
	tagPart
	tagEmbedding
	tagHeader
	tagAudience
	tagSession
	tagInReplyTo
	tagCause
	tagRoot
	tagHops
	tagPriority
	tagCost
	tagDedupKey
	tagDeliverAt
	tagDeadline
	tagTTL
	tagReplyTo
	tagTraceParent
	tagTraceState
	tagPayload // written last, so that texts and payload are two runs of bytes
)

// Tags inside a part.
const (
	tagMediaType = iota + 1
	tagPartText
	tagBlob
	tagSize
)

// EncodeMessage is the stored form of a message: every field, zero values left out, headers sorted by name, so that equal
// messages have equal bytes. It allocates once.
func EncodeMessage(m *semabus.Message) []byte {
	b := make([]byte, 0, messageBytes(m))
	b = append(b, wireVersion)
	b = appendString(b, tagID, m.ID)
	b = appendString(b, tagSource, m.Source)
	b = appendTime(b, tagTime, m.Time)
	b = appendString(b, tagCause, m.Cause)
	b = appendString(b, tagRoot, m.Root)
	b = appendInt(b, tagHops, int64(m.Hops))
	b = appendString(b, tagTraceParent, m.TraceParent)
	b = appendString(b, tagTraceState, m.TraceState)
	b = appendSaid(b, m)
	return appendBytes(b, tagPayload, m.Payload)
}

// appendSaid writes what the publisher said, without the payload: the part that [Fingerprint] covers.
func appendSaid(b []byte, m *semabus.Message) []byte {
	b = appendString(b, tagType, m.Type)
	b = appendString(b, tagSubject, m.Subject)
	b = appendString(b, tagTopic, m.Topic)
	b = appendString(b, tagTo, m.To)
	b = appendString(b, tagContentType, m.ContentType)
	b = appendString(b, tagText, m.Text)
	for i := range m.Parts {
		b = appendPart(b, &m.Parts[i])
	}
	for i := range m.Embeddings {
		b = appendEmbedding(b, &m.Embeddings[i])
	}
	b = appendHeaders(b, m.Headers)
	for _, g := range m.Audience {
		b = binary.AppendUvarint(b, tagAudience)
		b = binary.AppendUvarint(b, uint64(len(g)))
		b = append(b, g...)
	}
	b = appendString(b, tagSession, m.Session)
	b = appendString(b, tagInReplyTo, m.InReplyTo)
	b = appendInt(b, tagPriority, int64(m.Priority))
	b = appendFloat(b, tagCost, m.Cost)
	b = appendString(b, tagDedupKey, m.DedupKey)
	b = appendTime(b, tagDeliverAt, m.DeliverAt)
	b = appendTime(b, tagDeadline, m.Deadline)
	b = appendInt(b, tagTTL, int64(m.TTL))
	return appendString(b, tagReplyTo, m.ReplyTo)
}

func appendPart(b []byte, p *semabus.Part) []byte {
	var size [3 * binary.MaxVarintLen64]byte
	sized := appendInt(size[:0], tagSize, p.Size)
	n := len(sized) + fieldBytes(p.MediaType) + fieldBytes(p.Text) + fieldBytes(p.Blob)
	b = binary.AppendUvarint(b, tagPart)
	b = binary.AppendUvarint(b, uint64(n))
	b = appendString(b, tagMediaType, p.MediaType)
	b = appendString(b, tagPartText, p.Text)
	b = appendString(b, tagBlob, p.Blob)
	return append(b, sized...)
}

func appendEmbedding(b []byte, e *semabus.Embedding) []byte {
	b = binary.AppendUvarint(b, tagEmbedding)
	b = binary.AppendUvarint(b, uint64(uvarintBytes(len(e.Space))+len(e.Space)+4*len(e.Values)))
	b = binary.AppendUvarint(b, uint64(len(e.Space)))
	b = append(b, e.Space...)
	for _, v := range e.Values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func appendHeaders(b []byte, h map[string]string) []byte {
	if len(h) == 0 {
		return b
	}
	var room [16]string
	names := room[:0]
	for k := range h {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		v := h[k]
		b = binary.AppendUvarint(b, tagHeader)
		b = binary.AppendUvarint(b, uint64(uvarintBytes(len(k))+len(k)+len(v)))
		b = binary.AppendUvarint(b, uint64(len(k)))
		b = append(b, k...)
		b = append(b, v...)
	}
	return b
}

// fieldBytes is the exact size of a text field with a one-byte tag.
func fieldBytes(s string) int {
	if s == "" {
		return 0
	}
	return 1 + uvarintBytes(len(s)) + len(s)
}

func uvarintBytes(n int) int {
	size := 1
	for v := uint64(n); v >= 0x80; v >>= 7 {
		size++
	}
	return size
}

// messageBytes bounds the encoded size of a message from above.
func messageBytes(m *semabus.Message) int {
	n := 1 + 28*fieldOverhead + 8*2*binary.MaxVarintLen64 // every single field, numbers and times at their longest
	n += len(m.ID) + len(m.Source) + len(m.Type) + len(m.Subject) + len(m.Topic) + len(m.To) + len(m.Payload)
	n += len(m.ContentType) + len(m.Text) + len(m.Session) + len(m.InReplyTo) + len(m.Cause) + len(m.Root)
	n += len(m.DedupKey) + len(m.ReplyTo) + len(m.TraceParent) + len(m.TraceState)
	for i := range m.Parts {
		p := &m.Parts[i]
		n += 6*fieldOverhead + binary.MaxVarintLen64 + len(p.MediaType) + len(p.Text) + len(p.Blob)
	}
	for i := range m.Embeddings {
		n += 2*fieldOverhead + len(m.Embeddings[i].Space) + 4*len(m.Embeddings[i].Values)
	}
	for k, v := range m.Headers {
		n += 2*fieldOverhead + len(k) + len(v)
	}
	for _, g := range m.Audience {
		n += fieldOverhead + len(g)
	}
	return n
}

// DecodeMessage reads what [EncodeMessage] wrote. Payload is a part of data, which must not be changed afterwards; texts
// are copies. Unknown tags are skipped; anything else that is not a message is DATA_LOSS/DATA_DAMAGED, never a panic.
func DecodeMessage(data []byte) (*semabus.Message, error) {
	texts := data
	if n := payloadStart(data); n >= 0 {
		texts = data[:n]
	}
	all := string(texts) // one copy that every text of the message shares
	m := &semabus.Message{}
	r := newReader(data, "message")
	for {
		tag, ok := r.next()
		if !ok {
			break
		}
		if tag == tagPayload {
			m.Payload = r.val
			continue
		}
		end := len(data) - len(r.in)
		var text string
		if start := end - len(r.val); end <= len(all) {
			text = all[start:end]
		} else {
			text = string(r.val)
		}
		if !setText(m, tag, text) {
			setOther(m, tag, r, text)
		}
	}
	if r.fault != nil {
		return nil, r.fault
	}
	return m, nil
}

// payloadStart is where the bytes of the payload field begin, or -1.
func payloadStart(data []byte) int {
	r := newReader(data, "message")
	for {
		tag, ok := r.next()
		if !ok {
			return -1
		}
		if tag == tagPayload {
			return len(data) - len(r.in) - len(r.val)
		}
	}
}

// setText sets a plain text field; false when tag is not one.
func setText(m *semabus.Message, tag uint64, s string) bool {
	switch tag {
	case tagID:
		m.ID = s
	case tagSource:
		m.Source = s
	case tagType:
		m.Type = s
	case tagSubject:
		m.Subject = s
	case tagTopic:
		m.Topic = s
	case tagTo:
		m.To = s
	case tagContentType:
		m.ContentType = s
	case tagText:
		m.Text = s
	case tagSession:
		m.Session = s
	case tagInReplyTo:
		m.InReplyTo = s
	case tagCause:
		m.Cause = s
	case tagRoot:
		m.Root = s
	case tagDedupKey:
		m.DedupKey = s
	case tagReplyTo:
		m.ReplyTo = s
	case tagTraceParent:
		m.TraceParent = s
	case tagTraceState:
		m.TraceState = s
	default:
		return false
	}
	return true
}

// setOther sets a field that is not a plain text.
func setOther(m *semabus.Message, tag uint64, r *reader, text string) {
	switch tag {
	case tagTime:
		m.Time = r.time()
	case tagPart:
		m.Parts = append(m.Parts, readPart(r, text))
	case tagEmbedding:
		m.Embeddings = append(m.Embeddings, readEmbedding(r))
	case tagHeader:
		name, _ := r.split(r.val)
		if r.fault != nil {
			return
		}
		if m.Headers == nil {
			m.Headers = make(map[string]string, 4)
		}
		at := uvarintBytes(len(name))
		if at+len(name) > len(text) { // a length written longer than needed
			r.fail("header")
			return
		}
		m.Headers[text[at:at+len(name)]] = text[at+len(name):]
	case tagAudience:
		m.Audience = append(m.Audience, text)
	case tagHops:
		m.Hops = int(r.int())
	case tagPriority:
		m.Priority = int(r.int())
	case tagCost:
		m.Cost = r.float()
	case tagDeliverAt:
		m.DeliverAt = r.time()
	case tagDeadline:
		m.Deadline = r.time()
	case tagTTL:
		m.TTL = time.Duration(r.int())
	}
}

func readPart(r *reader, text string) (p semabus.Part) {
	in := &reader{in: r.val}
	for {
		tag, ok := in.next()
		if !ok {
			break
		}
		end := len(r.val) - len(in.in)
		s := text[end-len(in.val) : end]
		switch tag {
		case tagMediaType:
			p.MediaType = s
		case tagPartText:
			p.Text = s
		case tagBlob:
			p.Blob = s
		case tagSize:
			p.Size = in.int()
		}
	}
	if in.fault != nil {
		r.fail("part")
	}
	return p
}

func readEmbedding(r *reader) semabus.Embedding {
	space, values := r.split(r.val)
	if len(values)%4 != 0 {
		r.fail("embedding")
	}
	if r.fault != nil {
		return semabus.Embedding{}
	}
	e := semabus.Embedding{Space: string(space)}
	if len(values) > 0 {
		e.Values = make([]float32, len(values)/4)
	}
	for i := range e.Values {
		e.Values[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
	}
	return e
}
