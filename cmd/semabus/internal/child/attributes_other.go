//go:build !linux

package child

import "syscall"

// attributes are the platform's defaults: without Linux's parent death signal a node outlives a parent that is killed.
func attributes() *syscall.SysProcAttr { return nil }
