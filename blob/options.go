package blob

import (
	"os"
	"time"

	semabus "github.com/semabus/semabus"
)

// The defaults of [Options].
const (
	DefaultMaxBytes = 256 << 20 // one blob
	DefaultGrace    = time.Hour // how long an unreferenced blob is kept
)

// Options configure [New]. The zero value is usable.
type Options struct {
	Clock    semabus.Clock // nil = the machine's clock
	MaxBytes int64         // bound of one blob in bytes; 0 = [DefaultMaxBytes]
	Grace    time.Duration // how long a blob is kept after its last touch though nothing refers to it; 0 = [DefaultGrace]
	SpoolDir string        // existing folder for contents on their way in; "" = the system's folder for temporary files
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.SpoolDir == "" {
		o.SpoolDir = os.TempDir()
	}
	return o
}

// validate lists every fault: the first, with the others as its cause.
func (o Options) validate(f *faults) {
	if o.MaxBytes < 0 {
		f.add(semabus.ReasonInvalidValue, "maxBytes", "0 or more", "", "give a positive number of bytes")
	}
	if o.Grace < 0 {
		f.add(semabus.ReasonInvalidValue, "grace", "0 or more", o.Grace.String(), "give a positive duration")
	}
}
