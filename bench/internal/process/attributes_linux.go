package process

import "syscall"

// attributes put a child in its own process group and end it with its parent.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func (p *Process) terminate() { p.Signal(syscall.SIGTERM) }

// Pause stops the child where it stands, as a machine that swaps or is migrated does; Resume lets it go on.
func (p *Process) Pause() { p.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (p *Process) Resume() { p.Signal(syscall.SIGCONT) }
