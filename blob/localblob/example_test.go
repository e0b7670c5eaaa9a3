package localblob_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

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
	info, err := store.Put(ctx, "default", strings.NewReader("a scanned receipt"))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, size, err := store.Open(ctx, "default", info.Hash, int64(len("a scanned ")))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	rest, err := io.ReadAll(r)
	fmt.Println(size, string(rest), err)
	// Output: 17 receipt <nil>
}
