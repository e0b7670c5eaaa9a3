// Package fault is how a command ends badly: which exit code an error has, and how a person reads it.
//
//	os.Exit(fault.ExitCode(err))     // 0 ok, 1 a check failed, 2 usage, 3 unavailable, 4 data damaged
//	fault.Write(os.Stderr, "semabus publish", err)
//
// Guarantees: every *semabus.Error is printed as one block with its field, value, limit and fix; joined errors give one
// block each; control characters of foreign text never reach the terminal.
package fault
