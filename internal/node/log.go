package node

import (
	"context"
	"net/url"
	"path/filepath"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/localbroker"
)

// Inspection is what a check of the embedded engine's log tells.
type Inspection = localbroker.Inspection

// LogItem is one thing that the embedded engine's log says.
type LogItem = localbroker.Item

// logOptions are those of the embedded engine's folder; another engine has its own tools.
func logOptions(c *Config) (localbroker.Options, error) {
	if u, err := url.Parse(c.Broker); err != nil || u.Scheme != "local" {
		return localbroker.Options{}, &semabus.Error{Code: semabus.CodeUnimplemented, Reason: semabus.ReasonCapabilityMissing, Op: "log", Field: "broker",
			Value: semabus.Shorten(c.Broker), Limit: "local:", Fix: "use the tools of that engine: this one reads the embedded log"}
	}
	return localbroker.Options{Dir: filepath.Join(c.Data, "broker"), ClusterID: c.ClusterID}, nil
}

// VerifyLog checks the log in the data folder of a node that does not run, and changes nothing. Damage is DATA_LOSS/DATA_DAMAGED
// naming file and offset; the inspection holds what was found until then.
func VerifyLog(ctx context.Context, c *Config) (*Inspection, error) {
	o, err := logOptions(c)
	if err != nil {
		return &Inspection{}, err
	}
	return localbroker.Inspect(ctx, o)
}

// DumpLog calls do for everything that the log says, oldest first. The item is do's until it returns.
func DumpLog(ctx context.Context, c *Config, do func(*LogItem) error) error {
	o, err := logOptions(c)
	if err != nil {
		return err
	}
	return localbroker.Dump(ctx, o, do)
}
