//go:build unix && !linux

package localbroker

import "os"

func datasync(f *os.File) error { return f.Sync() }
