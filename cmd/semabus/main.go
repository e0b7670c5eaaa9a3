// Command semabus is the whole product in one binary: the node, the tools to talk to one, and the commands that measure it.
//
// Main path: flags and environment → configuration → one command of internal/root → exit code. 0 is ok, 1 a check that
// failed, 2 a usage error, 3 something that is away, 4 damaged data.
package main

import (
	"os"

	"github.com/semabus/semabus/cmd/semabus/internal/root"
)

// version is set by the linker: -X main.version=v1.2.3.
var version = "dev"

func main() { os.Exit(root.Main(version, os.Args[1:])) }
