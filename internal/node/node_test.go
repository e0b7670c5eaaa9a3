package node_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	"github.com/semabus/semabus/internal/node"
)

func TestServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	n, stop := start(t, config(t.TempDir()))
	conn := dial(t, n.GRPCAddr())
	info, err := semabusv1.NewAdminClient(conn).Info(t.Context(), &semabusv1.InfoRequest{})
	must(t, err)
	if info.GetVersion() != "test" || info.GetTenant() != "default" || info.GetPrincipal() != "local" || info.GetRole() != semabusv1.Role_ROLE_ADMIN {
		t.Errorf("info is %v", info)
	}
	for _, service := range []string{"", "semabus.v1.Bus"} {
		h, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		must(t, err)
		if h.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q is %v", service, h)
		}
	}
	if _, err := publish(t, conn, &semabusv1.Message{To: "g", Text: "hello"}); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{"/healthz": "ok", "/readyz": "ok",
		"/metrics": `semabus_queue_depth{group="g",state="ready",tenant="default"} 1`} {
		if code, body := get(t, "http://"+n.HTTPAddr()+path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", path, code, want)
		}
	}
	if code, _ := get(t, "http://"+n.HTTPAddr()+"/debug/pprof/"); code != 404 {
		t.Errorf("profiles are open: %d", code)
	}
	must(t, stop())
	if _, err := net.DialTimeout("tcp", n.GRPCAddr(), time.Second); err == nil {
		t.Error("the port is still open")
	}
}

// TestStopsWithOpenStreams: members and publishers are told, what they hold comes back to others, and Run returns although
// one of them does not leave.
func TestStopsWithOpenStreams(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, stop := start(t, config(dir))
	conn := dial(t, n.GRPCAddr())
	_, err := publish(t, conn, &semabusv1.Message{To: "g", Text: "job"})
	must(t, err)
	client := semabusv1.NewBusClient(conn)
	member, err := client.Subscribe(t.Context())
	must(t, err)
	must(t, member.Send(&semabusv1.SubscribeRequest{Frame: &semabusv1.SubscribeRequest_Hello{Hello: &semabusv1.SubscribeHello{
		Group: "g", Credit: &semabusv1.Credit{Messages: 10}}}}))
	publisher, err := client.PublishStream(t.Context())
	must(t, err)
	must(t, publisher.Send(&semabusv1.PublishStreamRequest{Frame: &semabusv1.PublishStreamRequest_Hello{Hello: &semabusv1.PublishHello{}}}))
	if w, err := publisher.Recv(); err != nil || w.GetWelcome() == nil {
		t.Fatalf("%v, %v", w, err)
	}
	for got := false; !got; {
		r, err := member.Recv()
		must(t, err)
		got = r.GetDeliveries() != nil
	}
	var g errgroup.Group
	g.Go(stop)
	for told := false; !told; {
		r, err := member.Recv()
		must(t, err)
		told = r.GetGoAway() != nil
	}
	if r, err := publisher.Recv(); err != nil || r.GetGoAway() == nil {
		t.Errorf("the publisher heard %v, %v", r, err)
	}
	must(t, g.Wait()) // the member stays until it is cut
	n, _ = start(t, config(dir))
	f, err := semabusv1.NewBusClient(dial(t, n.GRPCAddr())).Fetch(t.Context(), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	if len(f.GetDeliveries()) != 1 {
		t.Error("what the member held did not come back")
	}
}

func TestWhatWasPublishedSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n, stop := start(t, config(dir))
	r, err := publish(t, dial(t, n.GRPCAddr()), &semabusv1.Message{To: "g", Text: "hello"})
	must(t, err)
	must(t, stop())
	n, _ = start(t, config(dir))
	f, err := semabusv1.NewBusClient(dial(t, n.GRPCAddr())).Fetch(t.Context(), &semabusv1.FetchRequest{Group: "g"})
	must(t, err)
	if ds := f.GetDeliveries(); len(ds) != 1 || ds[0].GetMessage().GetId() != r.GetId() {
		t.Errorf("after the restart: %v", f)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	dir := t.TempDir()
	c := config(dir)
	c.Listen = l.Addr().String()
	if e := refused(t, c, semabus.ReasonPortInUse); e.Field != "listen" || e.Value != c.Listen {
		t.Errorf("error %+v", e)
	}
	c = config(dir)
	c.HTTP = l.Addr().String()
	if e := refused(t, c, semabus.ReasonPortInUse); e.Field != "http" {
		t.Errorf("error %+v", e)
	}
	start(t, config(dir)) // what the failed ones had opened is free again
}

func TestDataFolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop := start(t, config(dir))
	refused(t, config(dir), semabus.ReasonDataInUse)
	must(t, stop())
	c := config(dir)
	c.ClusterID = "another"
	refused(t, c, semabus.ReasonDataForeign)
	start(t, config(dir))
}

func TestFolderThatIsNone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if e := refused(t, config(file), semabus.ReasonInvalidValue); e.Field != "data" {
		t.Errorf("error %+v", e)
	}
}

func TestStrangersNeedKeys(t *testing.T) {
	t.Parallel()
	for field, edit := range map[string]func(*node.Config){
		"listen": func(c *node.Config) { c.Listen = "0.0.0.0:0" },
		"http":   func(c *node.Config) { c.HTTP = ":0" },
	} {
		dir := t.TempDir()
		c := config(dir)
		edit(&c)
		if e := refused(t, c, semabus.ReasonInsecureBind); e.Field != field {
			t.Errorf("error %+v", e)
		}
		c.Insecure = true
		_, stop := start(t, c)
		must(t, stop())
		c.Insecure = false
		keys, err := node.OpenKeys(dir, semabus.SystemClock{})
		must(t, err)
		_, _, err = keys.Create(t.Context(), "default", "", "", semabus.RoleAgent)
		must(t, err)
		n, _ := start(t, c)
		_, err = semabusv1.NewAdminClient(dial(t, n.GRPCAddr())).Info(t.Context(), &semabusv1.InfoRequest{})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("a caller without key: %v", err)
		}
	}
}

func TestMessageLimitIsTheConfigured(t *testing.T) {
	t.Parallel()
	c := config(t.TempDir())
	c.Limits.MessageBytes = 64 << 10
	n, _ := start(t, c)
	conn := dial(t, n.GRPCAddr())
	for size, want := range map[int]codes.Code{32 << 10: codes.OK, 128 << 10: codes.InvalidArgument, 10 << 20: codes.InvalidArgument} {
		if _, err := publish(t, conn, &semabusv1.Message{To: "g", Payload: make([]byte, size)}); status.Code(err) != want {
			t.Errorf("%d bytes: %v, want %s", size, err, want)
		}
	}
}

func TestConfigurationListsEveryFault(t *testing.T) {
	t.Parallel()
	c := node.Config{Listen: "nowhere", HTTP: "127.0.0.1:99999", Broker: "local", Index: "local:", Embed: "local:", Blobs: "local:",
		ShutdownGrace: -1, TLS: node.TLSConfig{Cert: "only"}, Trace: node.TraceConfig{Sample: 2}, Log: node.LogConfig{Level: "loud", Format: "xml"}}
	var fields []string
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v", c.Validate())
	}
	for _, err := range joined.Unwrap() {
		e, ok := semabus.AsError(err)
		if !ok || e.Code != semabus.CodeInvalidArgument || e.Fix == "" {
			t.Errorf("%v", err)
			continue
		}
		fields = append(fields, e.Field)
	}
	want := "data listen http broker log.level log.format tls clusterId shutdownGrace limits.messageBytes dedup.window dedup.max trace.sample"
	if got := strings.Join(fields, " "); got != want {
		t.Errorf("faults of\n%s\nwant\n%s", got, want)
	}
	good := node.Default()
	must(t, good.Validate())
}

func TestUnknownSchemeListsTheKnown(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"broker", "index", "embed", "blobs"} {
		c := config(t.TempDir())
		*map[string]*string{"broker": &c.Broker, "index": &c.Index, "embed": &c.Embed, "blobs": &c.Blobs}[field] = "tape://drive"
		if e := refused(t, c, semabus.ReasonInvalidValue); e.Field != field || e.Limit != "local" {
			t.Errorf("error %+v", e)
		}
	}
}
