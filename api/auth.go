package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	semabus "github.com/semabus/semabus"
	semabusv1 "github.com/semabus/semabus/api/semabus/v1"
)

// Authenticator turns a credential into a principal: an API key ("" = none was sent), or the subject of a verified client
// certificate (RFC 2253; "" = none). Errors are UNAUTHENTICATED with NO_CREDENTIAL or WRONG_KEY. It is called for each
// unary call and once a stream, concurrently.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string, peerSubject string) (semabus.Principal, error)
}

// roles lists what each role grants; docs/security.md and the comment of semabus.v1.Permission show the same table.
var roles = map[semabus.Role][]semabusv1.Permission{
	semabus.RolePublisher: {semabusv1.Permission_PERMISSION_PUBLISH, semabusv1.Permission_PERMISSION_READ},
	semabus.RoleAgent: {semabusv1.Permission_PERMISSION_PUBLISH, semabusv1.Permission_PERMISSION_READ,
		semabusv1.Permission_PERMISSION_CONSUME, semabusv1.Permission_PERMISSION_REGISTER},
	semabus.RoleOperator: {semabusv1.Permission_PERMISSION_PUBLISH, semabusv1.Permission_PERMISSION_READ,
		semabusv1.Permission_PERMISSION_CONSUME, semabusv1.Permission_PERMISSION_REGISTER, semabusv1.Permission_PERMISSION_OPERATE},
	semabus.RoleAdmin: {semabusv1.Permission_PERMISSION_PUBLISH, semabusv1.Permission_PERMISSION_READ,
		semabusv1.Permission_PERMISSION_CONSUME, semabusv1.Permission_PERMISSION_REGISTER, semabusv1.Permission_PERMISSION_OPERATE,
		semabusv1.Permission_PERMISSION_ADMINISTER},
}

// lowest is the least role that has a permission, for error texts.
func lowest(p semabusv1.Permission) semabus.Role {
	for _, r := range []semabus.Role{semabus.RolePublisher, semabus.RoleAgent, semabus.RoleOperator} {
		if slices.Contains(roles[r], p) {
			return r
		}
	}
	return semabus.RoleAdmin
}

// public are the services that need no credential: they tell nothing of any tenant.
var public = []string{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}

// permissions reads the permission of every registered method from its option; a method without one is an error, so that
// a node with a hole does not start.
func permissions(g *grpc.Server) (map[string]semabusv1.Permission, error) {
	out := map[string]semabusv1.Permission{}
	for name := range g.GetServiceInfo() {
		if slices.Contains(public, name) {
			continue
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		if err != nil {
			return nil, fmt.Errorf("api: service %s: %w", name, err)
		}
		service, ok := d.(protoreflect.ServiceDescriptor)
		if !ok {
			return nil, fmt.Errorf("api: %s is no service", name)
		}
		methods := service.Methods()
		for i := range methods.Len() {
			m := methods.Get(i)
			p, _ := proto.GetExtension(m.Options(), semabusv1.E_Permission).(semabusv1.Permission)
			if p == semabusv1.Permission_PERMISSION_UNSPECIFIED {
				return nil, &semabus.Error{Code: semabus.CodeInternal, Reason: semabus.ReasonRequired, Op: "api.NewServer",
					Field: string(m.FullName()), Fix: "give the method its (semabus.v1.permission) option"}
			}
			out["/"+name+"/"+string(m.Name())] = p
		}
	}
	return out, nil
}

type principalKey struct{}

// principal is who calls; the interceptors put it into every handler's context.
func principal(ctx context.Context) semabus.Principal {
	p, _ := ctx.Value(principalKey{}).(semabus.Principal)
	return p
}

// admit authenticates a call and checks its method's permission.
func (s *Server) admit(ctx context.Context, method string) (context.Context, error) {
	need, known := s.permissions[method]
	if !known {
		if isPublic(method) {
			return ctx, nil
		}
		return nil, notBuilt(method)
	}
	p, err := s.auth.Authenticate(ctx, bearer(ctx), subject(ctx))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(roles[p.Role], need) {
		return nil, &semabus.Error{Code: semabus.CodePermissionDenied, Reason: semabus.ReasonNotPermitted, Field: method,
			Value: "role " + string(p.Role), Limit: "role " + string(lowest(need)), Fix: "use a key of that role or a higher one"}
	}
	return context.WithValue(ctx, principalKey{}, p), nil
}

func isPublic(method string) bool {
	service, _, ok := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return ok && slices.Contains(public, service)
}

// bearer is the API key of the metadata "authorization: Bearer KEY".
func bearer(ctx context.Context) string {
	for _, v := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		if scheme, key, ok := strings.Cut(v, " "); ok && strings.EqualFold(scheme, "bearer") {
			return strings.TrimSpace(key)
		}
	}
	return ""
}

// subject is that of the peer's verified certificate.
func subject(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return ""
	}
	return info.State.VerifiedChains[0][0].Subject.String()
}
