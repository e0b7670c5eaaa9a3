//go:build mutate_doublesettle

package localbroker

const reviveSettled = true
