package semabus

// Resolution is how a transaction ends: what the producer's own store says.
type Resolution uint8

// The resolutions.
const (
	ResolutionUnspecified Resolution = iota // still running: ask again
	ResolutionCommit                        // publish the message
	ResolutionRollback                      // forget the message
)

// String is the name in lower snake case.
func (r Resolution) String() string {
	switch r {
	case ResolutionCommit:
		return "commit"
	case ResolutionRollback:
		return "rollback"
	}
	return "unspecified"
}
