package aged_test

import (
	"context"
	"fmt"
	"time"

	"github.com/semabus/semabus/broker/localbroker/internal/aged"
)

func Example() {
	fs := aged.Adapt(newDisk().begin()) // of the owner; here one in memory
	table, err := aged.Open(aged.Options{FS: fs, Dir: "data", Prefix: "marks-"})
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()
	day := int64(24 * time.Hour)

	table.Put([]byte("order 7"), []byte("m-19"), now+day)
	entries, _ := table.Pending() // the owner still has these in its log
	if err := table.Flush(); err != nil {
		panic(err)
	}
	fmt.Println("pending before the flush:", entries)
	_ = table.Close()

	table, err = aged.Open(aged.Options{FS: fs, Dir: "data", Prefix: "marks-"})
	if err != nil {
		panic(err)
	}
	defer table.Close()
	value, _, known, err := table.Get([]byte("order 7"), now)
	fmt.Printf("today: %s, %v, %v\n", value, known, err)
	_, _, known, err = table.Get([]byte("order 7"), now+day)
	fmt.Println("tomorrow:", known, err)

	// What the owner does now and then: drop what has ended, merge what is left.
	dropped, err := table.Expire(now + day)
	fmt.Println("files dropped:", dropped, err)
	for more := true; more && err == nil; {
		more, err = table.Compact(context.Background(), now+day)
	}
	// Output:
	// pending before the flush: 1
	// today: m-19, true, <nil>
	// tomorrow: false <nil>
	// files dropped: 1 <nil>
}
