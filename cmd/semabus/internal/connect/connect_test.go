package connect_test

import (
	"testing"

	"github.com/spf13/cobra"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
)

// TestTarget: flag before variable before default; Use before all.
func TestTarget(t *testing.T) {
	bind := func(args ...string) *connect.Flags {
		var f connect.Flags
		cmd := &cobra.Command{}
		f.Bind(cmd)
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		return &f
	}
	t.Setenv("SEMABUS_ADDR", "")
	t.Setenv("SEMABUS_API_KEY", "")
	if got := bind().Target(); got != connect.DefaultAddr {
		t.Errorf("default %q", got)
	}
	if bind().HasCredential() {
		t.Error("a credential out of nowhere")
	}
	t.Setenv("SEMABUS_ADDR", "variable:1")
	t.Setenv("SEMABUS_API_KEY", "key\n")
	if got := bind().Target(); got != "variable:1" {
		t.Errorf("variable: %q", got)
	}
	if !bind().HasCredential() {
		t.Error("the variable's key is not seen")
	}
	f := bind("--addr", connect.DefaultAddr)
	if got := f.Target(); got != connect.DefaultAddr {
		t.Errorf("flag: %q", got)
	}
	if f.Use("used:2"); f.Target() != "used:2" {
		t.Errorf("used: %q", f.Target())
	}
}

// TestRefusals: what cannot be right is an error before anything is connected to.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--patience=-1s"}, {"--tls-ca=/nowhere.pem"}, {"--tls-cert=/nowhere.pem"}, {"--tls-key=/nowhere.key"}} {
		var f connect.Flags
		cmd := &cobra.Command{}
		f.Bind(cmd)
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Dial(t.Context()); semabus.CodeOf(err) != semabus.CodeInvalidArgument {
			t.Errorf("%v: %v", args, err)
		}
	}
}
