package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
	"github.com/semabus/semabus/cmd/semabus/internal/connect"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/cmd/semabus/internal/view"
)

// Watched is one line of `group watch --json`.
type Watched struct {
	Time   time.Time         `json:"time"`
	Groups []view.GroupStats `json:"groups"`
}

// watchOptions are the flags of `group watch`.
type watchOptions struct {
	base
	interval time.Duration
	max      int
}

func watchCommand() *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch [NAME…]",
		Short: "Show how much waits, is worked on and is done, whenever it changes",
		Long: `Shows the stats of the groups, of all without NAME, now and whenever they change, until it is stopped. A terminal shows one table
that is kept current; elsewhere each change is a table of its own, with --json one object on a line. A lost connection is made
again by itself.`,
		Example: "  semabus group watch\n  semabus group watch refunds --json | jq '.groups[].ready'",
		RunE:    o.run,
	}
	cmd.Flags().DurationVar(&o.interval, "interval", time.Second, "shortest time between two changes, 1s–1h")
	cmd.Flags().IntVar(&o.max, "max", 0, "end after so many changes; 0 = never")
	o.bind(cmd)
	cmd.Flags().Lookup("json").Usage = "print one JSON object a change"
	return cmd
}

// errEnough ends a watch.
var errEnough = errors.New("enough was seen")

func (o *watchOptions) run(cmd *cobra.Command, names []string) error {
	if o.max < 0 {
		return fault.Usage("--max", strconv.Itoa(o.max), "give 0 for no bound, or more")
	}
	if err := o.call(cmd, func(ctx context.Context, c *client.Client) error { // an error at once where no node is
		_, err := c.Info(ctx)
		return err
	}); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	c, err := o.to.DialPatient(cmd.Context(), log)
	if err != nil {
		return err
	}
	defer connect.End(c)
	out, seen := cmd.OutOrStdout(), 0
	err = c.WatchGroups(cmd.Context(), o.interval, func(all []semabus.GroupStats) error {
		if err := o.show(out, all, time.Now()); err != nil {
			return err
		}
		if seen++; seen == o.max {
			return errEnough
		}
		return nil
	}, names...)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// show prints one change.
func (o *watchOptions) show(w io.Writer, all []semabus.GroupStats, now time.Time) error {
	if o.asJSON {
		return output.JSON(w, Watched{now.UTC(), view.NewGroupStats(all)})
	}
	var b strings.Builder
	f, ok := w.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	if terminal {
		b.WriteString("\x1b[H\x1b[2J") // from the top of an empty screen
	}
	fmt.Fprintln(&b, output.Time(now))
	if err := WriteStats(&b, all); err != nil {
		return err
	}
	if !terminal {
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
