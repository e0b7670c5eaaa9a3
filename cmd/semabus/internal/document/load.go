package document

import (
	"io"
	"os"

	"github.com/semabus/semabus/cmd/semabus/internal/fault"
)

// maxFile bounds what is read of a file or of standard input, bytes.
const maxFile = 256 << 20

// Load reads the file that the flag --file names, "-" = standard input, into structs as [Decode] does; what a struct stands for
// is named in the error about a file without any. Errors: INVALID_ARGUMENT.
func Load[T any](stdin io.Reader, name, what string) ([]T, error) {
	data, err := read(stdin, name)
	if err != nil {
		e := fault.Usage("--file", name, "name a readable YAML or JSON file, or - for standard input")
		e.Err = err
		return nil, e
	}
	if len(data) > maxFile {
		return nil, fault.Usage("--file", name, "split it: a file may have 256 MiB")
	}
	var out []T
	if err := Decode(name, data, &out); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fault.Usage("--file", name, "write at least one "+what+" into it")
	}
	return out, nil
}

// read is the whole of it, or a byte more than may be.
func read(stdin io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close() //nolint:errcheck // read only
		stdin = f
	}
	return io.ReadAll(io.LimitReader(stdin, maxFile+1))
}
