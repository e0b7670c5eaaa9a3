package archtest

import "slices"

// Project is this module's configuration: the table of docs/design.md §5 and the style guide's limits.
func Project() Config {
	return Config{
		Rows:      rows(),
		Libraries: libraries(),
		Clocks:    []string{"clock.go", "cmd/...", "internal/node"},
		NoExample: []string{
			"cmd/...", "examples/...", "internal/archtest", "internal/node", // commands and the composition root: testscripts
			"blob/driver", "broker/driver", "embed/driver", "graph/driver", "router/driver", // contracts without behaviour
			"blob/blobtest", "broker/brokertest", "embed/embedtest", "graph/graphtest", "router/indextest", // called by a test
		},
	}
}

// seam is one interchangeable backend family.
type seam struct {
	name, suite string
	backends    []string
	portable    []string // what the portable type may import besides the root and its driver
}

func seams() []seam {
	return []seam{
		{"blob", "blobtest", []string{"localblob", "pgblob", "s3blob"}, nil},
		{"broker", "brokertest", []string{"localbroker", "rocketbroker"}, nil},
		{"embed", "embedtest", []string{"localembed", "openaiembed"}, nil},
		{"graph", "graphtest", []string{"localgraph", "pggraph"}, nil},
		{"router", "indextest", []string{"localindex", "qdrantindex"}, []string{"embed", "embed/driver", "broker", "broker/driver"}},
	}
}

// rows is the import table. Whoever may import a portable package may import its driver too, because the portable API shows
// the seam's plain types; internal/obs is open to all but the root and the drivers.
func rows() []Row {
	const obs = "internal/obs"
	rows := []Row{{".", nil}, {obs, []string{"."}}, {"internal/archtest", nil}}
	var portable, backends []string
	for _, s := range seams() {
		driver, pkg := s.name+"/driver", s.name
		portable = append(portable, pkg, driver)
		rows = append(rows,
			Row{driver, []string{"."}},
			Row{pkg, append([]string{".", driver, obs}, s.portable...)},
			Row{pkg + "/" + s.suite, []string{".", pkg, driver}})
		for _, b := range s.backends {
			tree := pkg + "/" + b + "/..."
			backends = append(backends, tree)
			allowed := []string{".", driver, obs, tree}
			if b == "localembed" {
				allowed = append(allowed, "models")
			}
			rows = append(rows, Row{tree, allowed})
		}
	}
	for _, fold := range []string{"session", "dag", "flow"} {
		portable = append(portable, fold)
		rows = append(rows, Row{fold, []string{".", "broker", "broker/driver", obs}})
	}
	base := append([]string{".", obs}, portable...)
	return append(rows,
		Row{"internal/bus", base},
		Row{"api", append(slices.Clone(base), "internal/bus", "api/...")},
		Row{"api/semabus/...", []string{"api/semabus/..."}}, // generated code
		Row{"client", []string{".", obs, "api/semabus/..."}},
		Row{"internal/node", slices.Concat(base, backends, []string{"internal/bus", "api/..."})},
		Row{"cmd/semabus/...", []string{".", obs, "client", "internal/node", "cmd/semabus/...", "examples/..."}},
		Row{"examples/...", []string{".", "client", "examples/..."}},
	)
}

func libraries() []Library {
	all := []string{"embed/...", "router/...", "broker/...", "blob/...", "graph/...", "session", "dag", "flow", "internal/...",
		"api/...", "client", "cmd/...", "examples/..."}
	wire := []string{"api/...", "client", "internal/node"}
	trees := func(patterns ...string) []string { return patterns }
	return []Library{
		// Where they belong.
		{Prefix: "cel.dev", Packages: trees("router", "dag")},
		{Prefix: "go.yaml.in/yaml", Packages: trees("flow", "dag", "internal/node", "cmd/...", "examples/...")},
		{Prefix: "github.com/maypok86/otter", Packages: trees("embed", "router")},
		{Prefix: "google.golang.org/grpc", Packages: wire, Tests: true},
		{Prefix: "google.golang.org/protobuf", Packages: wire, Tests: true},
		{Prefix: "google.golang.org/genproto", Packages: wire, Tests: true},
		{Prefix: "github.com/spf13", Packages: trees("cmd/...", "internal/node")},
		{Prefix: "github.com/knadh/koanf", Packages: trees("cmd/...", "internal/node")},
		{Prefix: "github.com/prometheus", Packages: trees("internal/obs")},
		{Prefix: "go.opentelemetry.io", Packages: trees("internal/obs"), Tests: true},
		// Go's own extensions.
		{Prefix: "golang.org/x/sync", Packages: all, Tests: true},
		{Prefix: "golang.org/x/sys", Packages: trees("broker/localbroker/...", "blob/localblob/...", "router/localindex/...",
			"internal/node", "cmd/...")},
		{Prefix: "golang.org/x/term", Packages: trees("cmd/...")},
		{Prefix: "golang.org/x/text", Packages: trees("embed/...", "router", "cmd/...")},
		// Tests only.
		{Prefix: "github.com/google/go-cmp", Tests: true},
		{Prefix: "github.com/rogpeppe/go-internal", Tests: true},
		{Prefix: "github.com/anishathalye/porcupine", Tests: true},
		{Prefix: "go.uber.org/goleak", Tests: true},
		{Prefix: "pgregory.net/rapid", Tests: true},
	}
}
