package consume

import (
	"fmt"
	"io"
	"sync"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// printer prints deliveries, one at a time.
type printer struct {
	mu   sync.Mutex
	out  io.Writer
	json bool
}

// textColumns is how much of a message's text one line shows.
const textColumns = 100

func (p *printer) delivery(d *semabus.Delivery, token bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		return output.JSON(p.out, view.NewDelivery(d))
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %s\n", output.Cut(d.Message.ID, 64), why(d), content(d.Message))
	if err == nil && token {
		_, err = fmt.Fprintf(p.out, "  token %s\n", encodeToken(d.Lease.Token))
	}
	return err
}

func (p *printer) text(s string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.out, s)
	return err
}

// why says in a word why the group got it, and which attempt this is.
func why(d *semabus.Delivery) string {
	s := view.Reason(d)
	switch d.Match.Reason {
	case semabus.MatchMeaning:
		s += fmt.Sprintf(" p=%.2f", d.Match.Probability)
	case semabus.MatchTopic:
		s += " " + output.Cut(d.Message.Topic, 40)
	}
	if d.Attempt > 1 {
		s += fmt.Sprintf(" attempt %d", d.Attempt)
	}
	return s
}

// content is the message on one line.
func content(m *semabus.Message) string {
	if m.Text != "" {
		return output.Cut(m.Text, textColumns)
	}
	kind := m.ContentType
	if kind == "" {
		kind = "content"
	}
	return fmt.Sprintf("(%d bytes of %s)", len(m.Payload), output.Cut(kind, 40))
}
