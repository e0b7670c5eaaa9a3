package localbroker_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
)

// BenchmarkCommit is one message with one delivery a call, on the real disk, by 1 and by 64 callers.
func BenchmarkCommit(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			engine := openDisk(b)
			var n atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(max(1, callers/2)) // of GOMAXPROCS = 2
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := engine.Commit(context.Background(), []*driver.Batch{small("m" + strconv.FormatInt(n.Add(1), 10))}); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.StopTimer()
			s, err := engine.Stats(context.Background(), tenant, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(s.Commits)/float64(max(s.Syncs, 1)), "commits/sync")
		})
	}
}

// BenchmarkLeaseSettle takes and settles 64 at a time; the publishing is not counted.
func BenchmarkLeaseSettle(b *testing.B) {
	engine := openDisk(b)
	ctx := context.Background()
	for i := 0; i < b.N; i += 1000 {
		var batches []*driver.Batch
		for k := range min(1000, b.N-i) {
			batches = append(batches, small(strconv.Itoa(i+k)))
		}
		if _, err := engine.Commit(ctx, batches); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		got, err := engine.Lease(ctx, &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 64, For: time.Minute})
		if err != nil || len(got) == 0 {
			b.Fatal(len(got), err)
		}
		batch := &driver.Batch{Tenant: tenant}
		for i := range got {
			batch.Settles = append(batch.Settles, driver.Settle{Token: got[i].Token})
		}
		if res, err := engine.Commit(ctx, []*driver.Batch{batch}); err != nil || !res[0].Applied {
			b.Fatal(res, err)
		}
		done += len(got)
	}
}

// BenchmarkReopen replays a log without checkpoint; the metric is messages a second.
func BenchmarkReopen(b *testing.B) {
	const messages = 50_000
	dir := b.TempDir()
	engine, err := localbroker.Open(localbroker.Options{Dir: dir, CheckpointBytes: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < messages; i += 500 {
		var batches []*driver.Batch
		for k := range 500 {
			batches = append(batches, small(strconv.Itoa(i+k)))
		}
		if _, err := engine.Commit(context.Background(), batches); err != nil {
			b.Fatal(err)
		}
	}
	if err := engine.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		again, err := localbroker.Open(localbroker.Options{Dir: dir, CheckpointBytes: 1 << 40})
		if err != nil {
			b.Fatal(err)
		}
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(messages*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func openDisk(b *testing.B) *localbroker.Broker {
	b.Helper()
	engine, err := localbroker.Open(localbroker.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = engine.Close() })
	return engine
}

var body = make([]byte, 400)

func small(id string) *driver.Batch {
	return &driver.Batch{
		Tenant:     tenant,
		Messages:   []driver.Message{{ID: id, Body: body, Decision: body[:100]}},
		Deliveries: []driver.Enqueue{{MessageID: id, Group: "g", Info: body[:80]}},
	}
}

// BenchmarkReady is a start over 1 M waiting messages, and as many settled ones as SETTLED_MILLIONS (1) says, beyond which
// retention forgets: the time until Open returns, from a checkpoint and the log behind it. Run it with -benchtime 1x.
func BenchmarkReady(b *testing.B) {
	millions, err := strconv.Atoi(cmp.Or(os.Getenv("SETTLED_MILLIONS"), "1"))
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	open := func() *localbroker.Broker {
		engine, err := localbroker.Open(localbroker.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		return engine
	}
	engine := open()
	ctx, cancel := context.WithCancel(context.Background())
	var g errgroup.Group
	g.Go(func() error { return engine.Run(ctx) })
	fill(b, engine, "settled", millions*1_000_000, true)
	fill(b, engine, "live", 1_000_000, false)
	cancel()
	if err := errors.Join(g.Wait(), engine.Close()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		engine = open()
		b.StopTimer()
		s, err := engine.Stats(context.Background(), tenant, []string{"g"})
		if err != nil || s.Groups[0].Ready != 1_000_000 {
			b.Fatal(s, err)
		}
		b.ReportMetric(float64(s.Messages), "messages")
		b.ReportMetric(float64(s.Bytes)/(1<<20), "disk-MiB")
		if err := engine.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// fill stores n messages of 1 KiB for the group g, and settles them where settle says so.
func fill(b *testing.B, engine *localbroker.Broker, prefix string, n int, settle bool) {
	b.Helper()
	ctx := context.Background()
	payload := make([]byte, 1<<10)
	for i := 0; i < n; i += 1000 {
		var batches []*driver.Batch
		for k := range 1000 {
			id := prefix + strconv.Itoa(i+k)
			batches = append(batches, &driver.Batch{
				Tenant: tenant, Messages: []driver.Message{{ID: id, Body: payload, Decision: payload[:100]}},
				Deliveries: []driver.Enqueue{{MessageID: id, Group: "g", Info: payload[:40]}},
			})
		}
		if _, err := engine.Commit(ctx, batches); err != nil {
			b.Fatal(err)
		}
		if !settle {
			continue
		}
		got, err := engine.Lease(ctx, &driver.LeaseRequest{Tenant: tenant, Group: "g", Max: 1000, For: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		batches = batches[:0]
		for k := range got {
			batches = append(batches, &driver.Batch{Tenant: tenant, Settles: []driver.Settle{{Token: got[k].Token}}})
		}
		if _, err := engine.Commit(ctx, batches); err != nil {
			b.Fatal(err)
		}
	}
}
