package blob_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/semabus/semabus/blob"
	"github.com/semabus/semabus/blob/localblob"
)

func Example() {
	dir, err := os.MkdirTemp("", "blobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	backend, err := localblob.Open(localblob.Options{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer backend.Close()
	store, err := blob.New(backend, blob.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	kept, err := store.Put(ctx, "default", strings.NewReader("a scanned receipt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = store.Put(ctx, "default", strings.NewReader("a draft nobody sent")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(kept.Hash[:8], kept.Size)

	soon := time.Now().Add(time.Minute) // an hour ago would be usual
	swept, err := store.Sweep(ctx, "default", soon, func(_ context.Context, hash string) (bool, error) {
		return hash == kept.Hash, nil
	})
	fmt.Printf("%+v %v\n", swept, err)
	// Output:
	// 8b2539a2 17
	// {Seen:2 Deleted:1 Bytes:19} <nil>
}
