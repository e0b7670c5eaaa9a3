// Package indextest is the conformance suite of vector indexes: each sentence of router/driver is a case that tries to break
// it. An index's whole test is one call:
//
//	func TestConformance(t *testing.T) {
//		indextest.Run(t, indextest.Harness{Open: func(*testing.T) driver.Driver { return localindex.New() }})
//	}
//
// Guarantees of the suite itself:
//
//   - What is found is held against a scan in float64: nothing over MinScore may be missing, nothing under it may be found,
//     by more than the rounding error of a float32 dot product of that length.
//   - Nothing is timed and nothing sleeps; the concurrent cases end when their writers are done.
//   - The random cases print their seed; set INDEXTEST_SEED to replay one, INDEXTEST_ROUNDS to run more of them.
//
// A bug found in one index becomes a case here.
package indextest
