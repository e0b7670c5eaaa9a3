package router

import (
	"encoding/json"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
)

// Change is one event of the registry log of a tenant. Exactly one of Intent, DeleteIntent, Set and Feedback is given.
type Change struct {
	Version      uint64            `json:"version"` // registry version this change makes true; rises by 1 a change
	Intent       *semabus.Intent   `json:"intent,omitempty"`
	DeleteIntent string            `json:"delete_intent,omitempty"`
	Set          *semabus.Set      `json:"set,omitempty"`
	Feedback     *semabus.Feedback `json:"feedback,omitempty"`
	FeedbackText string            `json:"feedback_text,omitempty"` // the message's text at the time of the feedback
	At           time.Time         `json:"at"`
	By           string            `json:"by,omitempty"` // principal
}

// EncodeChange is the form of a change in the registry log: one JSON object. The change was checked: see [Router.Check].
func EncodeChange(c *Change) []byte {
	b, err := json.Marshal(c)
	if err != nil {
		return nil // cannot happen: no field but a budget's shares could be what JSON has no form for, and those are 0 to 1
	}
	return b
}

// DecodeChange reads what [EncodeChange] wrote. The error is DATA_LOSS/DATA_DAMAGED.
func DecodeChange(b []byte) (*Change, error) {
	c := new(Change)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, &semabus.Error{
			Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "router.DecodeChange", Field: "change",
			Value: semabus.Shorten(strconv.QuoteToASCII(string(b[:min(len(b), 100)]))), Fix: "restore the registry log from a backup", Err: err,
		}
	}
	return c, nil
}
