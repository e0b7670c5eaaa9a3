//go:build !mutate_staletoken

package localbroker

// acceptStale is the deliberate fault of -tags mutate_staletoken: any token of a live delivery settles it. The fencing
// tests must notice.
const acceptStale = false
