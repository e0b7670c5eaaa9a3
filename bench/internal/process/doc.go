// Package process runs the systems that are measured, each in a process of its own, and reads what they use.
//
//	p, err := process.Start(ctx, process.Options{Path: "redis-server", Args: args, Line: line})
//	defer p.Stop()                       // asked first, then killed; returns once it is gone
//	cpu, err := process.CPU(p.PID())     // of all its threads since its start
//	mem, err := process.Memory(p.PID())
//	process.SyncTime(dir)                // what the disk under it takes for one fdatasync
//
// Guarantees: a child ends with its parent, also when the parent is killed (parent death signal, Linux); children sit in a
// process group of their own, so that Ctrl-C reaches the parent only; what a child last said on its standard error is kept
// for the error that explains why it is gone. Every system is asked the same way, from outside: /proc, not its own metrics.
package process
