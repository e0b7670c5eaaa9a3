package localbroker

import (
	"errors"
	"log/slog"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
)

// maxSegmentBytes leaves room for one more frame under the 32 GiB that a place in a segment can name.
const maxSegmentBytes = 16 << 30

// Options configure [Open]. Only Dir is required.
type Options struct {
	Dir    string        // folder of the engine, made when missing; one process at a time
	Clock  semabus.Clock // nil = the machine's clock
	Logger *slog.Logger  // nil = discard
	FS     FS            // nil = the real one; the crash tests bring their own

	// Relaxed acknowledges a commit once it is handed to the operating system: it survives kill -9, and a power cut may lose
	// the last moments. Caps then says that the engine is not durable.
	Relaxed   bool
	ClusterID string // whose data this is; a folder of another cluster is refused; "" = "local"

	DedupMax         int           // marks kept at once; beyond it new ones are refused; 0 = [semabus.DefaultDedupMax]
	DedupWindow      time.Duration // how long a mark without its own end is kept; 0 = [semabus.DefaultDedupWindow]
	KeepSettled      time.Duration // how long a message without live deliveries can be found; 0 = 24 h
	KeepSettledBytes int64         // bound of all of those, bytes, about 512 for the index of each among them; 0 = 1 GiB

	MarkCacheBytes int64         // memory for marks older than the newest checkpoint; 0 = 64 MiB
	LedgerFor      time.Duration // how long the ledger remembers a message after its last delivery ended; 0 = 7 days
	LedgerBytes    int64         // bound of the ledger's files; 0 = 1 GiB

	SegmentBytes    int64  // a segment is full from here on; 0 = 64 MiB
	CheckpointBytes int64  // log to replay at most before a checkpoint is due; 0 = 128 MiB
	CleanBytes      int64  // values that the cleaner moves out of mostly dead segments, at most, a second; 0 = 32 MiB
	CacheBytes      int64  // frames kept in memory for readers; 0 = 32 MiB
	MinFreeBytes    uint64 // free disk space below which new messages are refused; 0 = a tenth of the disk, at most 1 GiB
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = semabus.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		o.FS = osFS{}
	}
	if o.ClusterID == "" {
		o.ClusterID = "local"
	}
	o.DedupMax = orDefault(o.DedupMax, semabus.DefaultDedupMax)
	o.DedupWindow = orDefault(o.DedupWindow, semabus.DefaultDedupWindow)
	o.KeepSettled = orDefault(o.KeepSettled, 24*time.Hour)
	o.KeepSettledBytes = orDefault(o.KeepSettledBytes, 1<<30)
	o.MarkCacheBytes = orDefault(o.MarkCacheBytes, 64<<20)
	o.LedgerFor = orDefault(o.LedgerFor, defaultLedger)
	o.LedgerBytes = orDefault(o.LedgerBytes, 1<<30)
	o.SegmentBytes = orDefault(o.SegmentBytes, 64<<20)
	o.CheckpointBytes = orDefault(o.CheckpointBytes, 2*o.SegmentBytes)
	o.CleanBytes = orDefault(o.CleanBytes, 32<<20)
	o.CacheBytes = orDefault(o.CacheBytes, 32<<20)
	return o
}

func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v == 0 {
		return d
	}
	return v
}

// validate lists every fault at once.
func (o *Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errInvalid("dir", "", "name the folder of the engine"))
	}
	for _, n := range [...]struct {
		field string
		value int64
	}{
		{"dedupMax", int64(o.DedupMax)}, {"dedupWindow", int64(o.DedupWindow)}, {"keepSettled", int64(o.KeepSettled)},
		{"keepSettledBytes", o.KeepSettledBytes}, {"segmentBytes", o.SegmentBytes}, {"checkpointBytes", o.CheckpointBytes},
		{"markCacheBytes", o.MarkCacheBytes}, {"ledgerFor", int64(o.LedgerFor)}, {"ledgerBytes", o.LedgerBytes},
		{"cleanBytes", o.CleanBytes}, {"cacheBytes", o.CacheBytes},
	} {
		if n.value < 0 {
			errs = append(errs, errInvalid(n.field, strconv.FormatInt(n.value, 10), "give 0 for the default, or a positive number"))
		}
	}
	if o.SegmentBytes > maxSegmentBytes {
		errs = append(errs, errInvalid("segmentBytes", strconv.FormatInt(o.SegmentBytes, 10), "give at most 16 GiB"))
	}
	return errors.Join(errs...)
}
