package main_test

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/semabus/semabus/cmd/semabus/internal/root"
)

// TestMain lets scripts, and the children that commands start, run this program as semabus.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"semabus": func() { os.Exit(root.Main("v0.0.0-test", os.Args[1:])) },
	})
}

// TestScripts plays testdata/script: each file is one user's session with its own folder.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LONG", strings.Repeat("x", 10<<10)) // an id of 10 KiB
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"node":  startNode,
			"stop":  stopNode,
			"crash": crashNode,
			"code":  exitCode,
			"bytes": writeBytes,
			"grab":  grab,
			"certs": writeCertificates,
		},
	})
}
