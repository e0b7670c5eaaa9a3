package api_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
	_ "github.com/semabus/semabus/api/semabus/v1alpha"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the table of docs/rfc/0001-contract.md")

// contract calls f for every method of the contract, services in the order of DESIGN's list of verbs.
func contract(f func(protoreflect.MethodDescriptor)) {
	for _, name := range []string{
		"v1.Bus", "v1.Intents", "v1.Groups", "v1.Admin", "v1alpha.Sessions", "v1alpha.Blobs", "v1alpha.Runs", "v1alpha.Context",
		"v1alpha.Graph", "v1alpha.DeadLetters", "v1alpha.Unmatched", "v1alpha.Flow", "v1alpha.Agents", "v1alpha.Embed",
	} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("semabus." + name))
		if err != nil {
			panic(err)
		}
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			f(methods.Get(i))
		}
	}
}

func files(f func(protoreflect.FileDescriptor)) {
	protoregistry.GlobalFiles.RangeFilesByPackage("semabus.v1", func(d protoreflect.FileDescriptor) bool { f(d); return true })
	protoregistry.GlobalFiles.RangeFilesByPackage("semabus.v1alpha", func(d protoreflect.FileDescriptor) bool { f(d); return true })
}

func permission(m protoreflect.MethodDescriptor) semabusv1.Permission {
	return proto.GetExtension(m.Options(), semabusv1.E_Permission).(semabusv1.Permission)
}

func http(m protoreflect.MethodDescriptor) string {
	r, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	switch p := r.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET " + p.Get
	case *annotations.HttpRule_Post:
		return "POST " + p.Post
	case *annotations.HttpRule_Put:
		return "PUT " + p.Put
	case *annotations.HttpRule_Delete:
		return "DELETE " + p.Delete
	}
	return ""
}

func reads(m protoreflect.MethodDescriptor) bool {
	return m.Options().(*descriptorpb.MethodOptions).GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

func TestEveryMethodHasPermissionAndHTTP(t *testing.T) {
	t.Parallel()
	paths := map[string]string{}
	contract(func(m protoreflect.MethodDescriptor) {
		if permission(m) == semabusv1.Permission_PERMISSION_UNSPECIFIED {
			t.Errorf("%s has no permission", m.FullName())
		}
		h := http(m)
		if h == "" {
			t.Errorf("%s has no google.api.http", m.FullName())
		}
		if other := paths[h]; other != "" {
			t.Errorf("%s and %s share %s", m.FullName(), other, h)
		}
		paths[h] = string(m.FullName())
		if permission(m) == semabusv1.Permission_PERMISSION_READ && !reads(m) {
			t.Errorf("%s needs only READ but is not NO_SIDE_EFFECTS", m.FullName())
		}
	})
}

// hasField looks for a field in a message and, for frames, in what they hold.
func hasField(d protoreflect.MessageDescriptor, name protoreflect.Name, depth int) bool {
	if d.Fields().ByName(name) != nil {
		return true
	}
	for i := range d.Fields().Len() {
		if f := d.Fields().Get(i); depth > 0 && f.Kind() == protoreflect.MessageKind && hasField(f.Message(), name, depth-1) {
			return true
		}
	}
	return false
}

func TestMutatingRequestsHaveAnOpID(t *testing.T) {
	t.Parallel()
	contract(func(m protoreflect.MethodDescriptor) {
		depth := 0
		if m.IsStreamingClient() {
			depth = 2 // frame → messages → item
		}
		if !reads(m) && !hasField(m.Input(), "op_id", depth) {
			t.Errorf("%s changes something and its request has no op_id", m.FullName())
		}
	})
}

func TestListsPage(t *testing.T) {
	t.Parallel()
	contract(func(m protoreflect.MethodDescriptor) {
		out := m.Output().Fields()
		if strings.HasPrefix(string(m.Name()), "List") && out.ByName("next_page_token") == nil {
			t.Errorf("%s does not page", m.FullName())
		}
		if out.ByName("next_page_token") == nil || m.IsStreamingServer() {
			return
		}
		if in := m.Input().Fields(); in.ByName("page_token") == nil || in.ByName("page_size") == nil {
			t.Errorf("%s returns a page token it cannot be given", m.FullName())
		}
	})
}

func TestOpaqueThingsAreBytes(t *testing.T) {
	t.Parallel()
	opaque := map[protoreflect.Name]bool{"position": true, "token": true, "after": true, "expect": false}
	files(func(f protoreflect.FileDescriptor) {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			for k := range m.Fields().Len() {
				if d := m.Fields().Get(k); opaque[d.Name()] && !d.IsList() && d.Kind() != protoreflect.BytesKind {
					t.Errorf("%s is %s, want bytes", d.FullName(), d.Kind())
				}
				if d := m.Fields().Get(k); d.Name() == "tenant" && strings.HasSuffix(string(m.Name()), "Request") && m.Name() != "CreateKeyRequest" {
					t.Errorf("%s: the tenant comes from the credential", d.FullName())
				}
			}
		}
	})
}

func TestScoresCarrySpaceAndTier(t *testing.T) {
	t.Parallel()
	scored := map[protoreflect.Name]bool{"score": true, "probability": true, "cohesion": true}
	// A score inside an item whose answer names space and tier once.
	byAnswer := map[protoreflect.Name]bool{"ContextItem": true, "Cluster": true}
	files(func(f protoreflect.FileDescriptor) {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			for k := range m.Fields().Len() {
				if d := m.Fields().Get(k); scored[d.Name()] && !byAnswer[m.Name()] && (!hasField(m, "space", 0) || !hasField(m, "tier", 0)) {
					t.Errorf("%s has no space and tier beside it", d.FullName())
				}
			}
		}
	})
}

const (
	tablePath  = "../docs/rfc/0001-contract.md"
	tableBegin = "<!-- table: begin (written by `go test ./api -run TestTableIsCurrent -rewrite`) -->\n"
	tableEnd   = "<!-- table: end -->\n"
)

// unbuilt are the methods of v1 whose turn has not come; TestUnbuiltMethodsAnswerByName calls each.
var unbuilt = map[string]bool{
	"Intents.Preview": true, "Intents.Lint": true, "Intents.Versions": true, "Intents.Rollback": true, "Intents.Health": true,
	"Intents.ShadowReport": true, "Intents.ListAudits": true, "Intents.AnswerAudits": true,
	"Admin.Backup": true,
}

// builtAlpha are the services of v1alpha that work; TestUnbuiltMethodsAnswerByName calls each method of the others.
var builtAlpha = map[string]bool{"DeadLetters": true}

func isBuilt(m protoreflect.MethodDescriptor) bool {
	if m.ParentFile().Package() != "semabus.v1" {
		return builtAlpha[string(m.Parent().Name())]
	}
	return !unbuilt[short(m)]
}

func built(m protoreflect.MethodDescriptor) string {
	version := strings.TrimPrefix(string(m.ParentFile().Package()), "semabus.")
	if isBuilt(m) {
		return version + ", works"
	}
	return version + ", NOT_BUILT"
}

func short(m protoreflect.MethodDescriptor) string {
	return string(m.Parent().Name()) + "." + string(m.Name())
}

// shape lists request fields; a frame's alternatives stand in braces.
func shape(d protoreflect.MessageDescriptor) string {
	var out []string
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		name := string(f.Name())
		if f.IsList() {
			name += "[]"
		}
		if f.ContainingOneof() != nil && !f.HasOptionalKeyword() {
			var inner []string
			for k := range f.Message().Fields().Len() {
				inner = append(inner, string(f.Message().Fields().Get(k).Name()))
			}
			name += "{" + strings.Join(inner, " ") + "}"
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return "—"
	}
	return strings.Join(out, ", ")
}

func arrow(m protoreflect.MethodDescriptor) string {
	switch {
	case m.IsStreamingClient() && m.IsStreamingServer():
		return " ⇄"
	case m.IsStreamingClient():
		return " ↑"
	case m.IsStreamingServer():
		return " ↓"
	}
	return ""
}

func table() string {
	var b strings.Builder
	b.WriteString("| verb | request | permission | HTTP | status |\n|---|---|---|---|---|\n")
	contract(func(m protoreflect.MethodDescriptor) {
		need := strings.ToLower(strings.TrimPrefix(permission(m).String(), "PERMISSION_"))
		fmt.Fprintf(&b, "| %s%s | %s | %s | `%s` | %s |\n", short(m), arrow(m), shape(m.Input()), need, http(m), built(m))
	})
	return b.String()
}

func TestTableIsCurrent(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(raw), tableBegin)
	have, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s has lost the marks of its table", tablePath)
	}
	want := table()
	if have == want {
		return
	}
	if !*rewrite {
		t.Fatalf("%s is not what the contract says; run go test ./api -run TestTableIsCurrent -rewrite", tablePath)
	}
	if err := os.WriteFile(tablePath, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
