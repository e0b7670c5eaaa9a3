package api_test

import (
	"errors"
	"io"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/semabus/semabus/broker/localbroker"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// disk is a file system whose fsync can be made to fail.
type disk struct{ broken atomic.Bool }

var errDisk = errors.New("input/output error")

type diskFile struct {
	*os.File
	d *disk
}

func (f diskFile) Sync() error {
	if f.d.broken.Load() {
		return errDisk
	}
	return f.File.Sync()
}

func (f diskFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (d *disk) OpenFile(name string, flag int) (localbroker.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f, d}, nil
}

func (d *disk) Rename(from, to string) error { return os.Rename(from, to) }
func (d *disk) Remove(name string) error     { return os.Remove(name) }
func (d *disk) MkdirAll(dir string) error    { return os.MkdirAll(dir, 0o700) }
func (d *disk) SyncDir(string) error         { return nil }

func (d *disk) ReadDir(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (d *disk) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }
func (d *disk) Space(string) (free, total uint64, err error) {
	return math.MaxInt64, math.MaxInt64, nil
}

// TestReadyAsksTheEngine: a node whose log cannot be written any more says so to whoever sends it traffic.
func TestReadyAsksTheEngine(t *testing.T) {
	t.Parallel()
	fs := &disk{}
	w := serve(t, openBusOn(t, fs), nil)
	ready := func() (code int, body string, health healthv1.HealthCheckResponse_ServingStatus) {
		rec := httptest.NewRecorder()
		w.server.HTTP().ServeHTTP(rec, httptest.NewRequest(nethttp.MethodGet, "/readyz", nil))
		h, err := healthv1.NewHealthClient(w.conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "semabus.v1.Bus"})
		must(t, err)
		return rec.Code, rec.Body.String(), h.GetStatus()
	}
	publish := func() error {
		_, err := w.bus.Publish(as(t, "agent"), &semabusv1.PublishRequest{Message: &semabusv1.Message{To: "g", Text: "x"}})
		return err
	}
	must(t, publish())
	if code, body, health := ready(); code != 200 || body != "ok\n" || health != healthv1.HealthCheckResponse_SERVING {
		t.Fatalf("a healthy node: %d %q, %s", code, body, health)
	}
	fs.broken.Store(true)
	if publish() == nil {
		t.Fatal("acknowledged without an fsync")
	}
	code, body, health := ready()
	if code != 503 || !strings.Contains(body, "READ_ONLY") || health != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("a read-only node: %d %q, %s", code, body, health)
	}
}
