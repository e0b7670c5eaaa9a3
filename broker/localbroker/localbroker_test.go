package localbroker_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/semabus/semabus/broker/brokertest"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the folder "data" of a file system in memory.
func open(t *testing.T, fs *crashFS, change ...func(*localbroker.Options)) *localbroker.Broker {
	t.Helper()
	o := localbroker.Options{Dir: "data", FS: fs.begin(), SegmentBytes: 1 << 20}
	for _, c := range change {
		c(&o)
	}
	b, err := localbroker.Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return b
}

// harness runs the suite on a file system whose power is cut at each Reopen.
func harness(cut func(*crashFS), change ...func(*localbroker.Options)) brokertest.Harness {
	return brokertest.Harness{Open: func(t *testing.T) brokertest.Engine {
		fs := newCrashFS()
		b := open(t, fs, change...)
		t.Cleanup(func() {
			localbroker.Verify(t, b)
			_ = b.Close()
		})
		return brokertest.Engine{Driver: b, Reopen: func() driver.Driver {
			old := b
			localbroker.Verify(t, b)
			cut(fs)
			b = open(t, fs, change...)
			localbroker.Verify(t, b)
			_ = old.Close() // ends its waiting calls; its files are dead
			return b
		}}
	}}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, harness(func(fs *crashFS) { fs.crash(0, nil) }))
}

// TestConformanceSmallSegments rolls, checkpoints and drops segments all the time.
func TestConformanceSmallSegments(t *testing.T) {
	t.Parallel()
	small := func(o *localbroker.Options) { o.SegmentBytes, o.CacheBytes, o.CheckpointBytes = 4<<10, 1, 8<<10 }
	brokertest.Run(t, harness(func(fs *crashFS) { fs.crash(0, nil) }, small))
}

// TestConformanceDisk is the suite on real files, closed cleanly at each Reopen.
func TestConformanceDisk(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, brokertest.Harness{Open: func(t *testing.T) brokertest.Engine {
		dir := t.TempDir()
		again := func() *localbroker.Broker {
			b, err := localbroker.Open(localbroker.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b := again()
		t.Cleanup(func() { _ = b.Close() })
		return brokertest.Engine{Driver: b, Reopen: func() driver.Driver {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = again()
			return b
		}}
	}})
}

func commit(t *testing.T, b *localbroker.Broker, batch *driver.Batch) driver.Result {
	t.Helper()
	res, err := b.Commit(context.Background(), []*driver.Batch{batch})
	if err != nil {
		t.Fatalf("commit: %v", err)
	}
	return res[0]
}
