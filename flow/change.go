package flow

import (
	"encoding/json"
	"fmt"
	"time"

	semabus "github.com/semabus/semabus"
)

// Log is the broker log of every tenant that holds its group configuration; its events are encoded Changes.
const Log = "$registry/groups"

// Change is one event of [Log].
type Change struct {
	Version uint64              `json:"version"` // rises by 1 a change, per tenant
	Group   semabus.GroupConfig `json:"group"`
	Paused  *bool               `json:"paused,omitempty"` // stops or resumes the group, whose configuration is the one it had; nil = neither
	At      time.Time           `json:"at"`
	By      string              `json:"by"`
}

// EncodeChange is the event's stored form: JSON, so that unknown fields of a newer node are skipped by an older one.
func EncodeChange(c *Change) ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("flow.EncodeChange: %w", err)
	}
	return b, nil
}

// DecodeChange reads an event; bytes that are none give DATA_LOSS.
func DecodeChange(b []byte) (*Change, error) {
	c := new(Change)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, &semabus.Error{Code: semabus.CodeDataLoss, Reason: semabus.ReasonDataDamaged, Op: "flow.DecodeChange",
			Field: Log, Fix: "verify the data folder", Err: err}
	}
	return c, nil
}
