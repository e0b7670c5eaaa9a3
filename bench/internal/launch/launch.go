package launch

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/bench/internal/node"
	"github.com/semabus/semabus/bench/internal/process"
)

// ErrBelow says that something was measured and is not what it has to be; the table has said what.
var ErrBelow = errors.New("below a gate")

// Main runs a command with the program's arguments and returns its exit code: 0 ok, 1 [ErrBelow], 2 usage, 3 anything else.
func Main(run func(ctx context.Context, args []string, out, progress io.Writer) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // a second signal ends the process
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
	}
	return ExitCode(err)
}

// ExitCode is the exit code of a command that returned err.
func ExitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, ErrBelow):
		return 1
	case semabus.CodeOf(err) == semabus.CodeInvalidArgument:
		return 2
	}
	return 3
}

// Parse parses flags; what does not parse is INVALID_ARGUMENT.
func Parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return Usage("flags", strings.Join(args, " "), "", "see --help", err)
	}
	if f.NArg() > 0 {
		return Usage("arguments", strings.Join(f.Args(), " "), "none", "see --help", nil)
	}
	return nil
}

// Usage is the error of a bad flag.
func Usage(field, value, limit, fix string, err error) error {
	return &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "bench", Field: field,
		Value: semabus.Shorten(value), Limit: limit, Fix: fix, Err: err,
	}
}

// Bound is one flag with its bounds.
type Bound struct {
	Flag            string
	Value, Min, Max float64
}

// Check finds the first flag out of its bounds.
func Check(bounds ...Bound) error {
	for _, b := range bounds {
		if !(b.Value >= b.Min && b.Value <= b.Max) { // also not a number
			return Usage(b.Flag, fmt.Sprint(b.Value), fmt.Sprintf("%g–%g", b.Min, b.Max), "choose another value", nil)
		}
	}
	return nil
}

// Options say where to measure, and what.
type Options struct {
	Dir    string // "" = the system's folder for temporary files
	Binary string // of semabus; "" = built from the checkout
}

// Bind makes the flags of the options.
func (o *Options) Bind(f *flag.FlagSet) {
	f.StringVar(&o.Dir, "dir", "", "folder for the data, on the disk to measure (default: the system's for temporary files)")
	f.StringVar(&o.Binary, "semabus", "", "semabus command to measure (default: built from the checkout)")
}

// Site is a place to measure in.
type Site struct {
	Dir    string        // an empty folder
	Binary string        // of semabus
	Sync   time.Duration // of one durable write of 4 KiB
}

// Open makes the place; Close removes it.
func Open(ctx context.Context, o Options, clock semabus.Clock, progress io.Writer) (_ *Site, err error) {
	dir, err := os.MkdirTemp(o.Dir, "semabus-bench-")
	if err != nil {
		return nil, process.Failed("make a folder for the data", err)
	}
	s := &Site{Dir: dir, Binary: o.Binary}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if process.Volatile(dir) {
		return nil, Usage("--dir", dir, "a folder on a disk", "name one: in memory a sync costs nothing and means nothing", nil)
	}
	if s.Sync, err = process.SyncTime(dir, clock); err != nil {
		return nil, err
	}
	if s.Binary == "" {
		fmt.Fprintln(progress, "building semabus from the checkout")
		if s.Binary, err = node.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close removes the folder with everything in it.
func (s *Site) Close() { _ = os.RemoveAll(s.Dir) }
