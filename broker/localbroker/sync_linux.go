package localbroker

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync flushes data and whatever metadata is needed to read it back; on a preallocated file that is one device flush
// without a journal commit.
func datasync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
