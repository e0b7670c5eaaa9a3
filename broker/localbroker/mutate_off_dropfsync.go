//go:build !mutate_dropfsync

package localbroker

// dropFsync is the deliberate fault of -tags mutate_dropfsync: commits are acknowledged without a sync. The crash tests
// must notice.
const dropFsync = false
