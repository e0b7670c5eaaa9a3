package version

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Build describes the running binary.
type Build struct {
	Version string `json:"version"` // of the release, "dev" for none
	Commit  string `json:"commit"`  // "" when the build did not record it
	Go      string `json:"go"`      // toolchain
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Of reads the build of this binary; version is what the linker was told.
func Of(version string) Build {
	b := Build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	if b.Version == "dev" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		b.Version = info.Main.Version // go install module@version
	}
	return b
}

// Command is `semabus version`.
func Command(version string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this binary",
		Example: "  semabus version\n  semabus version --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := Of(version)
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "semabus %s %s %s/%s", b.Version, b.Go, b.OS, b.Arch)
			if b.Commit != "" {
				fmt.Fprintf(cmd.OutOrStdout(), " commit %.12s", b.Commit)
			}
			fmt.Fprintln(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}
