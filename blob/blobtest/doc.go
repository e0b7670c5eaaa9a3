// Package blobtest is the conformance suite of blob backends: each promise of blob/driver is a case that tries to break it,
// on the backend itself and through the portable store. A backend's whole test is one call:
//
//	func TestConformance(t *testing.T) {
//		blobtest.Run(t, blobtest.Harness{Open: open})
//	}
//
// Guarantees of the suite itself:
//
//   - Cases that ran are counted and compared with the list; none is skipped.
//   - Nothing is timed: the suite owns the clock that a backend is given.
//
// A bug found in one backend becomes a case here.
package blobtest
