//go:build !mutate_doublesettle

package localbroker

// reviveSettled is the deliberate fault of -tags mutate_doublesettle: a finished delivery becomes due again. The queue
// tests must notice.
const reviveSettled = false
