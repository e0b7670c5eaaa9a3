package logs

import (
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/semabus/semabus/cmd/semabus/internal/config"
	"github.com/semabus/semabus/cmd/semabus/internal/fault"
	"github.com/semabus/semabus/cmd/semabus/internal/output"
	"github.com/semabus/semabus/internal/node"
)

// Command is `semabus log`.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "log",
		Short: "Check and read the log of a data folder while no node runs on it",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(verify(), dump())
	return cmd
}

// Verified is the answer of `log verify --json`.
type Verified struct {
	Segments        []Segment `json:"segments"`
	Spares          int       `json:"spares"`
	CheckpointFrame uint64    `json:"checkpoint_frame"`
	NewestFrame     uint64    `json:"newest_frame"`
	Torn            string    `json:"torn"`
	Messages        int       `json:"messages"`
	Waiting         int       `json:"waiting"`
	Logs            int       `json:"logs"`
	Events          int       `json:"events"`
	Marks           int       `json:"marks"`
	Ledger          int64     `json:"ledger"`
	Damaged         bool      `json:"damaged"`
}

// Segment is one of them.
type Segment struct {
	Name    string `json:"name"`
	Bytes   int64  `json:"bytes"`
	Used    int64  `json:"used"`
	Live    int64  `json:"live"`
	Frames  uint64 `json:"frames"`
	Records int    `json:"records"`
	First   string `json:"first"`
	Last    string `json:"last"`
}

func verify() *cobra.Command {
	var where config.Sources
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every frame, record and value, and change nothing",
		Long: `Checks every frame's checksum and number, every record, the checkpoint, every value that a message or an event refers to, and
the tables of marks and of the ledger. A write that a crash has cut off at the end is in order: nobody was told of it. Exit code
4 when something is damaged; the error names file and offset.`,
		Example: "  semabus log verify --data /var/lib/semabus",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := where.Load(os.Environ())
			if err != nil {
				return err
			}
			in, err := node.VerifyLog(cmd.Context(), &c.Config)
			if len(in.Segments) == 0 && err != nil {
				return err
			}
			if perr := show(cmd.OutOrStdout(), in, asJSON, err != nil); perr != nil {
				return perr
			}
			return err
		},
	}
	where.Bind(cmd, "data")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func show(w io.Writer, in *node.Inspection, asJSON, damaged bool) error {
	v := Verified{Segments: []Segment{}, Spares: in.Spares, CheckpointFrame: in.CheckpointFrame, NewestFrame: in.NewestFrame, Torn: in.Torn,
		Messages: in.Messages, Waiting: in.Waiting, Logs: in.Logs, Events: in.Events, Marks: in.Marks, Ledger: in.Ledger, Damaged: damaged}
	t := output.NewTable("SEGMENT", "MIB", "USED", "LIVE", "FRAMES", "RECORDS", "FIRST", "LAST")
	for _, s := range in.Segments {
		v.Segments = append(v.Segments, Segment{s.Name, s.Bytes, s.Used, s.Live, s.Frames, s.Records, stamp(s.First), stamp(s.Last)})
		t.Row(s.Name, fmt.Sprintf("%.1f", float64(s.Bytes)/(1<<20)), percent(s.Used, s.Bytes), percent(s.Live, s.Bytes), strconv.FormatUint(s.Frames, 10),
			strconv.Itoa(s.Records), stamp(s.First), stamp(s.Last))
	}
	if asJSON {
		return output.JSON(w, v)
	}
	if err := t.Write(w); err != nil || damaged {
		return err
	}
	end := "ends in order"
	if v.Torn != "" {
		end = "ends with a write that a crash has cut off, which nobody was told of"
	}
	_, err := fmt.Fprintf(w, "whole: %d messages, %d of their deliveries wait; %d logs with %d events; %d marks; the ledger remembers %d; the log %s\n",
		v.Messages, v.Waiting, v.Logs, v.Events, v.Marks, v.Ledger, end)
	return err
}

func percent(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return strconv.FormatInt(100*part/whole, 10) + "%"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// Item is a line of `log dump --json`.
type Item struct {
	Segment  string `json:"segment"`
	Offset   int64  `json:"offset"`
	Frame    uint64 `json:"frame"`
	Time     string `json:"time"`
	Commit   uint64 `json:"commit"`
	Tenant   string `json:"tenant"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Group    string `json:"group"`
	Number   uint64 `json:"number"`
	Sequence uint64 `json:"sequence"`
	Value    int64  `json:"value"`
	Bytes    int    `json:"bytes"`
	Text     string `json:"text"`
	Body     string `json:"body,omitempty"` // base64
}

func dump() *cobra.Command {
	var where config.Sources
	var asJSON, bodies bool
	var segment, kind, name, tenant string
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print what the log says, oldest first",
		Long: `Prints a line for each thing that a record says: message, enqueue, settle, requeue, decision, append, mark, producer, counter,
drop, trim, lapse, move, and the engine's own epoch and close. What the log no longer holds is not shown.`,
		Example: `  semabus log dump --data /var/lib/semabus --name 6b1f0c2a9d5e4f77
  semabus log dump --kind settle --json | jq .number`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := where.Load(os.Environ())
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			return node.DumpLog(cmd.Context(), &c.Config, func(x *node.LogItem) error {
				if segment != "" && x.Segment != segment || kind != "" && x.Kind != kind || name != "" && x.Name != name || tenant != "" && x.Tenant != tenant {
					return nil
				}
				out := Item{x.Segment, x.Offset, x.Frame, stamp(x.Time), x.Commit, x.Tenant, x.Kind, x.Name, x.Group, x.Number, x.Sequence, x.Value, x.Bytes, x.Text, ""}
				if bodies {
					out.Body = base64.StdEncoding.EncodeToString(x.Body)
				}
				if asJSON {
					return output.JSON(w, out)
				}
				return line(w, &out)
			})
		},
	}
	where.Bind(cmd, "data")
	f := cmd.Flags()
	f.StringVar(&segment, "segment", "", "only of this file, such as 0000000007.seg")
	f.StringVar(&kind, "kind", "", "only of this kind, such as settle")
	f.StringVar(&name, "name", "", "only of this message, log, key, producer or counter")
	f.StringVar(&tenant, "tenant", "", "only of this tenant")
	f.BoolVar(&bodies, "bodies", false, "with the encoded messages and events, in base64")
	f.BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// line prints an item for people: place, time, kind, and what applies.
func line(w io.Writer, x *Item) error {
	text := ""
	for _, part := range []struct {
		name, value string
	}{
		{"tenant", x.Tenant}, {"", x.Name}, {"group", x.Group}, {"delivery", number(x.Number)}, {"seq", number(x.Sequence)},
		{"value", number(uint64(max(x.Value, 0)))}, {"bytes", number(uint64(x.Bytes))}, {"", x.Text}, {"body", x.Body}, //nolint:gosec // not negative
	} {
		if part.value == "" {
			continue
		}
		if part.name != "" {
			text += " " + part.name
		}
		text += " " + fault.Clean(part.value)
	}
	_, err := fmt.Fprintf(w, "%s:%d %s %s%s\n", x.Segment, x.Offset, x.Time, x.Kind, text)
	return err
}

func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}
