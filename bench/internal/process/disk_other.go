//go:build !linux

package process

import "os"

func datasync(f *os.File) error { return f.Sync() }

// Volatile reports whether dir lies in memory; that is known on Linux only.
func Volatile(string) bool { return false }
