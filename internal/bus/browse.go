package bus

import (
	"context"
	"encoding/base64"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker"
)

const (
	// pageBytes bounds the messages of one page; the first comes whatever its size.
	pageBytes = semabus.MaxFrameBytes
	// maxLooked bounds the deliveries that one page looks through for those that a filter selects.
	maxLooked = 10_000
	// stride is how many deliveries are read at once by what goes through a whole queue: their messages are in memory together.
	stride = 16
)

// Browse returns a page of the deliveries of a group that wait or are leased, oldest first, each with its message, and the
// token of the following page, "" after the last. Nothing is leased. limit 0 = 100; a page ends early where its messages have
// 1 MiB.
func (b *Bus) Browse(ctx context.Context, p semabus.Principal, group, token string, limit int) (page []broker.Record, next string, err error) {
	const op = "bus.Browse"
	if err := broker.CheckID(op, "name", group); err != nil {
		return nil, "", err
	}
	return b.page(ctx, op, p.Tenant, group, token, limit, func(*broker.Record) bool { return true })
}

// page collects the deliveries of a group that are wanted, one by one, so that the token stands behind the last of them.
func (b *Bus) page(ctx context.Context, op, tenant, group, token string, limit int, wanted func(*broker.Record) bool) (page []broker.Record, next string, err error) {
	if limit, err = pageSize(op, limit); err != nil {
		return nil, "", err
	}
	after, err := cursor(op, token)
	if err != nil {
		return nil, "", err
	}
	size := 0
	for looked := 0; looked < maxLooked && len(page) < limit; looked++ {
		if err := ctx.Err(); err != nil {
			return nil, "", err
		}
		found, behind, err := b.broker.Browse(ctx, tenant, group, after, 1)
		if err != nil {
			return nil, "", err
		}
		for i := range found { // one, or none where it was settled meanwhile
			if !wanted(&found[i]) {
				continue
			}
			if size += weight(found[i].Message); size > pageBytes && len(page) > 0 {
				return page, base64.RawURLEncoding.EncodeToString(after), nil
			}
			page = append(page, found[i])
		}
		if after = behind; len(after) == 0 {
			return page, "", nil
		}
	}
	return page, base64.RawURLEncoding.EncodeToString(after), nil
}

// cursor reads a page token.
func cursor(op, token string) ([]byte, error) {
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, invalid(op, semabus.ReasonInvalidValue, "page_token", token, "a token of the page before", "leave it empty for the first page")
	}
	return after, nil
}

// weight is about what a message has in an answer, bytes.
func weight(m *semabus.Message) int {
	n := 256 + len(m.Payload) + len(m.Text)
	for k, v := range m.Headers {
		n += len(k) + len(v)
	}
	for i := range m.Parts {
		n += len(m.Parts[i].Text)
	}
	for i := range m.Embeddings {
		n += 4 * len(m.Embeddings[i].Values)
	}
	return n
}

// each goes through the deliveries that are in a group now, oldest first, a stride at a time, until step fails or it was handed
// them all; what comes in meanwhile stands behind them.
func (b *Bus) each(ctx context.Context, tenant, group string, step func([]broker.Record) error) error {
	left, err := b.broker.Depth(ctx, tenant, group)
	if err != nil {
		return err
	}
	var after []byte
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		some, next, err := b.broker.Browse(ctx, tenant, group, after, int(min(stride, left)))
		if err != nil {
			return err
		}
		if err := step(some); err != nil {
			return err
		}
		if after = next; len(after) == 0 {
			return nil
		}
		left -= int64(len(some))
	}
	return nil
}

// ended is the text that a delivery keeps which somebody ended without working on it; [fate] reads it back.
func ended(how string, p semabus.Principal) string { return how + " by " + p.Name }

// The ways to end a delivery without a lease.
const (
	howPurged    = "purged"
	howCancelled = "cancelled"
	howRedriven  = "redriven"
)

// endedBy reads what ended wrote; who is "" where the text says something else.
func endedBy(text string) (how, who string) {
	how, who, ok := strings.Cut(text, " by ")
	if ok && (how == howPurged || how == howCancelled || how == howRedriven) {
		return how, who
	}
	return "", ""
}
