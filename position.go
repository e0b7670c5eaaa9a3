package semabus

// Position is a place in a log or in the commit order: opaque bytes of at most 64, meaningful only to the engine that
// gave them. Positions of one log compare with bytes.Compare in log order; positions of two logs or engines do not compare.
// The empty position stands before the first event.
type Position []byte
