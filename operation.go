package semabus

import "time"

// OperationState is where a reserved operation stands.
type OperationState uint8

// The states.
const (
	OperationUnspecified OperationState = iota
	OperationReserved                   // new, or the caller's: go on
	OperationDone                       // it was done before: Result is what it returned
	OperationFailed                     // it failed before
	OperationInDoubt                    // its worker died: nobody knows whether it was done
)

var operationNames = [...]string{"unspecified", "reserved", "done", "failed", "in_doubt"}

// String is the snake_case name of the state.
func (s OperationState) String() string {
	if int(s) < len(operationNames) {
		return operationNames[s]
	}
	return "unknown"
}

// Operation is an effect outside the bus, such as a payment or a GPU job, reserved before it begins so that it is never
// repeated by mistake.
type Operation struct {
	ID          string // its op id
	State       OperationState
	Result      []byte // what it returned, at most 64 KiB
	Description string
	Idempotent  bool // may be run again by another worker
	MessageID   string
	Group       string // of the delivery that it is for
	Principal   string // who reserved it
	Reserved    time.Time
}
