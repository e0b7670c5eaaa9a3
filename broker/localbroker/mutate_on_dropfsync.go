//go:build mutate_dropfsync

package localbroker

const dropFsync = true
