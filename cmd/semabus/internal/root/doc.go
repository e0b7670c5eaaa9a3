// Package root puts the commands of semabus together and turns what they return into an exit code.
//
//	os.Exit(root.Main(version, os.Args[1:]))
//
// Guarantees: a fault of flags or arguments is a usage error (exit code 2) that names the nearest command or flag; each
// error is printed once, as one block, on standard error; one SIGINT or SIGTERM ends a command in order, a second at once.
package root
