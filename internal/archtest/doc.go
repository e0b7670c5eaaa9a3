// Package archtest keeps the module in the shape its design gives it: who may import whom, no goroutine without an owner,
// no hidden clock, documented names, small files. Its test runs over the whole module with every `go test ./...`.
//
// Main path: [Load] lists the module's packages with `go list` and parses every file, whatever its build tags; [Check] runs
// each rule over them and returns what breaks one, with the place and the way out. The rules that are tables (imports,
// libraries) are [Project]; the limits are [Config].
//
// Guarantees: a package that no row of the table names is a violation, so the table cannot fall behind; generated files are
// exempt from what is about writing, never from imports; each rule has a fixture in testdata that breaks it, so that no rule
// can rot into one that never fails.
package archtest
