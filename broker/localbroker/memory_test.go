package localbroker_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/semabus/semabus/broker/driver"
)

// BenchmarkMemory reports what a live message costs in memory: bytes of heap and of resident memory, each beyond what the
// process had before. Run it with -benchtime 1000000x.
func BenchmarkMemory(b *testing.B) {
	engine := openDisk(b)
	before, resident := heap(), resident(b)
	body := make([]byte, 1<<10)
	for i := 0; i < b.N; {
		var batches []*driver.Batch
		for ; i < b.N && len(batches) < 1000; i++ {
			id := fmt.Sprintf("01J%023d", i)
			batches = append(batches, &driver.Batch{
				Tenant: tenant, Producer: &driver.Producer{ID: "p", Seq: uint64(i + 1)},
				Messages:   []driver.Message{{ID: id, Body: body, Decision: body[:200]}},
				Deliveries: []driver.Enqueue{{MessageID: id, Group: "g" + strconv.Itoa(i%8), Priority: 4, Info: body[:60]}},
			})
		}
		if _, err := engine.Commit(context.Background(), batches); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(heap()-before)/float64(b.N), "heap-B/msg")
	b.ReportMetric(float64(residentNow(b)-resident)/float64(b.N), "resident-B/msg")
	b.ReportMetric(float64(residentNow(b))/(1<<20), "resident-MiB")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func resident(b *testing.B) int64 { b.Helper(); return residentNow(b) }

// residentNow is the anonymous resident memory of the process, in bytes; 0 where the system does not tell.
func residentNow(b *testing.B) int64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
