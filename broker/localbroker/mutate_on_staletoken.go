//go:build mutate_staletoken

package localbroker

const acceptStale = true
