//go:build !race

package localindex_test

const raceEnabled = false
