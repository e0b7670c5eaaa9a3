//go:build race

package localindex_test

const raceEnabled = true
