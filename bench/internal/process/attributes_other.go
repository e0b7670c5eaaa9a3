//go:build !linux

package process

import (
	"os"
	"syscall"
)

// attributes are the platform's defaults: without Linux's parent death signal a child outlives a parent that is killed.
func attributes() *syscall.SysProcAttr { return nil }

func (p *Process) terminate() { p.Signal(os.Interrupt) }

// Pause does nothing here.
func (p *Process) Pause() {}

// Resume does nothing here.
func (p *Process) Resume() {}
