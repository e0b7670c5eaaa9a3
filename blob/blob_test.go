package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/blob"
	"github.com/semabus/semabus/blob/driver"
	"github.com/semabus/semabus/blob/localblob"
)

const tenant = "default"

func setup(t *testing.T, o blob.Options) *blob.Store {
	t.Helper()
	backend, err := localblob.Open(localblob.Options{Dir: filepath.Join(t.TempDir(), "blobs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { backend.Close() })
	s, err := blob.New(backend, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// is checks an error's code, reason and field.
func is(t *testing.T, what string, err error, code semabus.Code, reason, field string) {
	t.Helper()
	e, ok := semabus.AsError(err)
	if !ok || e.Code != code || e.Reason != reason || e.Field != field {
		t.Errorf("%s: %v, want %v %s of %q", what, err, code, reason, field)
	}
}

func TestNewListsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := blob.New(nil, blob.Options{MaxBytes: -1, Grace: -time.Second})
	is(t, "New", err, semabus.CodeInvalidArgument, semabus.ReasonRequired, "driver")
	for _, field := range []string{"maxBytes", "grace"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("New does not name %s: %v", field, err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20 // more than is spooled in memory
	spool := t.TempDir()
	s := setup(t, blob.Options{MaxBytes: limit, SpoolDir: spool})
	over := bytes.Repeat([]byte{1}, limit+1)
	for what, r := range map[string]io.Reader{
		"seeker": bytes.NewReader(over), "stream": iotest.HalfReader(bytes.NewReader(over)), "endless": endless{},
	} {
		_, err := s.Put(t.Context(), tenant, r)
		is(t, what, err, semabus.CodeInvalidArgument, semabus.ReasonTooLarge, "data")
	}
	for what, r := range map[string]io.Reader{"seeker": bytes.NewReader(over[1:]), "stream": iotest.HalfReader(bytes.NewReader(over[1:]))} {
		if in, err := s.Put(t.Context(), tenant, r); err != nil || in.Size != limit {
			t.Errorf("%s of the limit: %+v, %v", what, in, err)
		}
	}
	if list, err := s.List(t.Context(), tenant, "", 0); err != nil || len(list) != 1 {
		t.Errorf("List: %v, %v; want the one that fitted", list, err)
	}
	spoolIsEmpty(t, spool)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func spoolIsEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	s := setup(t, blob.Options{})
	ctx := t.Context()
	const invalid = semabus.CodeInvalidArgument
	hash := strings.Repeat("0", 64)
	for name, reason := range map[string]string{
		"": semabus.ReasonRequired, strings.Repeat("x", 257): semabus.ReasonTooLarge, "\xff": semabus.ReasonInvalidUTF8,
	} {
		_, err := s.Put(ctx, name, strings.NewReader(""))
		is(t, "Put", err, invalid, reason, "tenant")
		_, _, err = s.Open(ctx, name, hash, 0)
		is(t, "Open", err, invalid, reason, "tenant")
		_, err = s.Stat(ctx, name, hash)
		is(t, "Stat", err, invalid, reason, "tenant")
		_, err = s.Touch(ctx, name, []string{hash})
		is(t, "Touch", err, invalid, reason, "tenant")
		_, err = s.List(ctx, name, "", 1)
		is(t, "List", err, invalid, reason, "tenant")
		_, err = s.Sweep(ctx, name, time.Time{}, func(context.Context, string) (bool, error) { return true, nil })
		is(t, "Sweep", err, invalid, reason, "tenant")
	}
	_, err := s.Put(ctx, tenant, nil)
	is(t, "Put of nothing", err, invalid, semabus.ReasonRequired, "data")
	_, _, err = s.Open(ctx, tenant, hash, -1)
	is(t, "negative offset", err, invalid, semabus.ReasonInvalidValue, "offset")
	_, err = s.List(ctx, tenant, "zz", 1)
	is(t, "List after no hash", err, invalid, semabus.ReasonInvalidValue, "after")
	_, err = s.List(ctx, tenant, "", -1)
	is(t, "List of fewer than none", err, invalid, semabus.ReasonInvalidValue, "limit")
	_, err = s.Touch(ctx, tenant, []string{hash, "x"})
	is(t, "Touch of no hash", err, invalid, semabus.ReasonInvalidValue, "sha256[1]")
	_, err = s.Touch(ctx, tenant, make([]string, blob.MaxList+1))
	is(t, "Touch of many", err, invalid, semabus.ReasonTooMany, "sha256")
	_, err = s.Sweep(ctx, tenant, time.Time{}, nil)
	is(t, "Sweep without a mark", err, invalid, semabus.ReasonRequired, "referenced")
	if infos, err := s.Touch(ctx, tenant, nil); err != nil || len(infos) != 0 {
		t.Errorf("Touch of nothing: %v, %v", infos, err)
	}
}

func TestBrokenReader(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	s := setup(t, blob.Options{SpoolDir: spool})
	broken := errors.New("connection reset")
	body := func(err error) io.Reader {
		return io.MultiReader(bytes.NewReader(make([]byte, 3<<20)), iotest.ErrReader(err))
	}
	_, err := s.Put(t.Context(), tenant, body(broken))
	is(t, "broken", err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue, "data")
	if !errors.Is(err, broken) {
		t.Errorf("%v does not hold the reader's error", err)
	}
	typed := &semabus.Error{Code: semabus.CodeUnavailable, Reason: semabus.ReasonShuttingDown}
	_, err = s.Put(t.Context(), tenant, body(typed))
	is(t, "typed", err, semabus.CodeUnavailable, semabus.ReasonShuttingDown, "")
	_, err = s.Put(t.Context(), tenant, body(context.DeadlineExceeded))
	is(t, "late", err, semabus.CodeDeadlineExceeded, "DEADLINE_EXCEEDED", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Put(ctx, tenant, endless{})
	is(t, "cancelled", err, semabus.CodeCanceled, "CANCELLED", "")
	if list, err := s.List(t.Context(), tenant, "", 0); err != nil || len(list) != 0 {
		t.Errorf("List: %v, %v; want nothing stored", list, err)
	}
	spoolIsEmpty(t, spool)
}

// changing is a seeker whose second reading differs from the first.
type changing struct {
	*strings.Reader
	next string
}

func (c *changing) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		c.Reader = strings.NewReader(c.next)
	}
	return c.Reader.Seek(offset, whence)
}

func TestContentThatChanges(t *testing.T) {
	t.Parallel()
	s := setup(t, blob.Options{})
	_, err := s.Put(t.Context(), tenant, &changing{strings.NewReader("first"), "other"})
	is(t, "changed", err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue, "sha256")
	_, err = s.Put(t.Context(), tenant, &changing{strings.NewReader("first"), "longer"})
	is(t, "grown", err, semabus.CodeInvalidArgument, semabus.ReasonInvalidValue, "data")
}

func TestSpoolThatIsNot(t *testing.T) {
	t.Parallel()
	s := setup(t, blob.Options{SpoolDir: filepath.Join(t.TempDir(), "missing")})
	_, err := s.Put(t.Context(), tenant, iotest.HalfReader(bytes.NewReader(make([]byte, 3<<20))))
	is(t, "large", err, semabus.CodeUnavailable, semabus.ReasonReadOnly, "spoolDir")
	if _, err := s.Put(t.Context(), tenant, iotest.HalfReader(strings.NewReader("small"))); err != nil {
		t.Errorf("a small content needs no spool: %v", err)
	}
}

func TestPipesAreStreams(t *testing.T) {
	t.Parallel()
	s := setup(t, blob.Options{})
	r, w, err := os.Pipe() // an io.Seeker that cannot seek
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("through a pipe"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if in, err := s.Put(t.Context(), tenant, r); err != nil || in.Size != int64(len("through a pipe")) {
		t.Errorf("Put: %+v, %v", in, err)
	}
}

// away is a backend that does not answer.
type away struct{ driver.Driver }

func (away) Stat(context.Context, string, []string) ([]driver.Info, error) {
	return nil, errors.New("connection refused")
}

func TestBackendAway(t *testing.T) {
	t.Parallel()
	s, err := blob.New(away{}, blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Stat(t.Context(), tenant, strings.Repeat("0", 64))
	is(t, "Stat", err, semabus.CodeUnavailable, semabus.ReasonEngineUnavailable, "blobs")
}
