package api_test

import (
	"context"
	"errors"
	"io"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

func TestCredentialAndRole(t *testing.T) {
	t.Parallel()
	w := setup(t)
	fetch := func(ctx context.Context) error {
		_, err := w.bus.Fetch(ctx, &semabusv1.FetchRequest{Group: "g"})
		return err
	}
	refused(t, fetch(t.Context()), codes.Unauthenticated, semabus.ReasonNoCredential)
	refused(t, fetch(as(t, "nobody")), codes.Unauthenticated, semabus.ReasonWrongKey)
	info := refused(t, fetch(as(t, "publisher")), codes.PermissionDenied, semabus.ReasonNotPermitted)
	if got := info.GetMetadata()["limit"]; got != "role agent" {
		t.Errorf("limit is %q, want the role that may", got)
	}
	must(t, fetch(as(t, "agent")))
	_, err := w.groups.Configure(as(t, "agent"), &semabusv1.GroupsConfigureRequest{})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	_, err = w.admin.ListKeys(as(t, "operator"), &semabusv1.ListKeysRequest{})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)

	stream, err := w.bus.Subscribe(as(t, "publisher"))
	must(t, err)
	_, err = stream.Recv()
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
}

// call makes one call of any shape with an empty request and returns its error.
func call(ctx context.Context, conn *grpc.ClientConn, m protoreflect.MethodDescriptor) error {
	name := "/" + string(m.Parent().FullName()) + "/" + string(m.Name())
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, name)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(dynamicpb.NewMessage(m.Input())); err != nil && !errors.Is(err, io.EOF) { // EOF: the answer came before
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(dynamicpb.NewMessage(m.Output()))
}

func TestUnbuiltMethodsAnswerByName(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := as(t, "root")
	contract(func(m protoreflect.MethodDescriptor) {
		err := call(ctx, w.conn, m)
		if !isBuilt(m) {
			info := refused(t, err, codes.Unimplemented, semabus.ReasonNotBuilt)
			if !strings.HasSuffix(info.GetMetadata()["field"], string(m.Name())) {
				t.Errorf("%s: the answer does not name it: %v", m.FullName(), info)
			}
		} else if c := status.Code(err); c == codes.Unimplemented || c == codes.Internal {
			t.Errorf("%s: %v", m.FullName(), err)
		}
	})
	err := w.conn.Invoke(ctx, "/semabus.v9.Bus/Publish", &semabusv1.WhyRequest{}, &semabusv1.WhyResponse{})
	refused(t, err, codes.Unimplemented, semabus.ReasonNotBuilt)
}

// rawCodec sends bytes as they are.
type rawCodec struct{ encoding.Codec }

func (rawCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { return nil }
func (rawCodec) Name() string                       { return "proto" }

func TestUndecodableRequestNamesTheField(t *testing.T) {
	t.Parallel()
	w := setup(t)
	text := protowire.AppendString(protowire.AppendTag(nil, 10, protowire.BytesType), "caf\xe9")
	message := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), text)
	header := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "\xff")
	headers := protowire.AppendBytes(protowire.AppendTag(nil, 13, protowire.BytesType), header)
	inHeader := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), headers)
	for _, c := range []struct {
		raw           []byte
		reason, field string
	}{
		{message, semabus.ReasonInvalidUTF8, "message.text"},
		{inHeader, semabus.ReasonInvalidUTF8, "message.headers"},
		{[]byte("\xff\xff\xff\xffgarbage"), semabus.ReasonInvalidValue, ""},
	} {
		err := w.conn.Invoke(as(t, "publisher"), semabusv1.Bus_Publish_FullMethodName, c.raw, nil, grpc.ForceCodec(rawCodec{}))
		info := refused(t, err, codes.InvalidArgument, c.reason)
		if got := info.GetMetadata()["field"]; got != c.field {
			t.Errorf("field is %q, want %q", got, c.field)
		}
	}
	// In a stream: frame → messages[0] → message → text.
	frame := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType),
		protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), message))
	stream, err := w.conn.NewStream(as(t, "publisher"), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		semabusv1.Bus_PublishStream_FullMethodName, grpc.ForceCodec(rawCodec{}))
	must(t, err)
	must(t, stream.SendMsg(frame))
	info := refused(t, stream.RecvMsg(nil), codes.InvalidArgument, semabus.ReasonInvalidUTF8)
	if got, want := info.GetMetadata()["field"], "messages.messages[0].message.text"; got != want {
		t.Errorf("field is %q, want %q", got, want)
	}
}

func TestErrorsKeepTheirCauseInside(t *testing.T) {
	t.Parallel()
	w := setup(t)
	info := func(bearer string) error {
		_, err := w.admin.Info(as(t, bearer), &semabusv1.InfoRequest{})
		return err
	}
	for bearer, cause := range map[string]string{bearerBroken: "hunter2", bearerPanic: "a bug"} {
		st := status.Convert(info(bearer))
		if st.Code() != codes.Internal || strings.Contains(st.Message(), cause) {
			t.Errorf("%s: %v", bearer, st)
		}
		if !strings.Contains(w.log.String(), cause) {
			t.Errorf("%s: the log does not have the cause", bearer)
		}
	}
	err := info(bearerBusy)
	details := refused(t, err, codes.Unavailable, semabus.ReasonOverloaded)
	if m := details.GetMetadata(); details.GetDomain() != "semabus" || m["field"] != "f" || m["limit"] != "1" || m["value"] != "2" || m["fix"] != "wait" {
		t.Errorf("ErrorInfo is %v", details)
	}
	if strings.Contains(status.Convert(err).String(), "secret") {
		t.Errorf("the cause reached the client: %v", err)
	}
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok && r.GetRetryDelay().GetSeconds() != 1 {
			t.Errorf("RetryInfo is %v", r)
		}
	}
}

func TestEveryFaultIsAFieldViolation(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.intents.Register(as(t, "agent"), &semabusv1.IntentsRegisterRequest{Intent: &semabusv1.Intent{
		Name: strings.Repeat("n", 10_000), Topics: []string{"a..b"}, Filter: "(", Budget: &semabusv1.Budget{MaxWrong: 7}}})
	st := status.Convert(err)
	if st.Code() != codes.InvalidArgument {
		t.Fatal(err)
	}
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) < 4 {
			t.Errorf("%d field violations, want one for each of four faults: %v", len(bad.GetFieldViolations()), bad)
		}
	}
}

func TestHealthAndReflectionNeedNoKey(t *testing.T) {
	t.Parallel()
	w := setup(t)
	h, err := healthv1.NewHealthClient(w.conn).Check(t.Context(), &healthv1.HealthCheckRequest{})
	must(t, err)
	if h.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %s", h.GetStatus())
	}
	r, err := reflectionv1.NewServerReflectionClient(w.conn).ServerReflectionInfo(t.Context())
	must(t, err)
	must(t, r.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
	answer, err := r.Recv()
	must(t, err)
	names := ""
	for _, s := range answer.GetListServicesResponse().GetService() {
		names += s.GetName() + " "
	}
	for _, want := range []string{"semabus.v1.Bus", "semabus.v1alpha.Sessions"} {
		if !strings.Contains(names, want) {
			t.Errorf("reflection does not list %s: %s", want, names)
		}
	}
	must(t, r.CloseSend())
}

func TestHTTPProbes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	get := func(path string) int {
		rec := httptest.NewRecorder()
		w.server.HTTP().ServeHTTP(rec, httptest.NewRequest(nethttp.MethodGet, path, nil))
		return rec.Code
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 404, "/debug/pprof/": 404, "/": 404} {
		if got := get(path); got != want {
			t.Errorf("%s answers %d, want %d", path, got, want)
		}
	}
	w.server.Shutdown(t.Context())
	if got := get("/readyz"); got != 503 {
		t.Errorf("/readyz answers %d after Shutdown, want 503", got)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	w := setup(t)
	k, err := w.admin.CreateKey(as(t, "admin"), &semabusv1.CreateKeyRequest{Name: "new", Role: semabusv1.Role_ROLE_AGENT})
	must(t, err)
	if k.GetKey().GetTenant() != "t" || k.GetKey().GetRole() != semabusv1.Role_ROLE_AGENT {
		t.Errorf("key is %v", k)
	}
	in, err := w.admin.Info(as(t, k.GetSecret()), &semabusv1.InfoRequest{})
	must(t, err)
	if in.GetTenant() != "t" || in.GetPrincipal() != "new" || in.GetRole() != semabusv1.Role_ROLE_AGENT {
		t.Errorf("info is %v", in)
	}
	_, err = w.admin.CreateKey(as(t, "admin"), &semabusv1.CreateKeyRequest{Tenant: "other", Name: "x", Role: semabusv1.Role_ROLE_AGENT})
	refused(t, err, codes.PermissionDenied, semabus.ReasonNotPermitted)
	_, err = w.admin.CreateKey(as(t, "admin"), &semabusv1.CreateKeyRequest{Name: "x"})
	refused(t, err, codes.InvalidArgument, semabus.ReasonInvalidValue)
	_, err = w.admin.RevokeKey(as(t, "stranger"), &semabusv1.RevokeKeyRequest{Id: "new"})
	refused(t, err, codes.NotFound, semabus.ReasonNotFound)

	var ids []string
	req := &semabusv1.ListKeysRequest{PageSize: 2}
	for {
		page, err := w.admin.ListKeys(as(t, "admin"), req)
		must(t, err)
		for _, k := range page.GetKeys() {
			ids = append(ids, k.GetId())
		}
		if page.GetNextPageToken() == "" {
			break
		}
		req.PageToken = page.GetNextPageToken()
	}
	if got := strings.Join(ids, " "); got != "admin agent new operator publisher" {
		t.Errorf("keys of the tenant are %q", got)
	}
	_, err = w.admin.RevokeKey(as(t, "admin"), &semabusv1.RevokeKeyRequest{Id: "new"})
	must(t, err)
	_, err = w.admin.Info(as(t, "new"), &semabusv1.InfoRequest{})
	refused(t, err, codes.Unauthenticated, semabus.ReasonWrongKey)
}
