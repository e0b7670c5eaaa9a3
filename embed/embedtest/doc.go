// Package embedtest is the conformance suite of embedding models: each promise of embed/driver is a case that tries to break
// it, on the driver itself and through the portable embedder. A driver's whole test is one call:
//
//	func TestConformance(t *testing.T) {
//		embedtest.Run(t, embedtest.Harness{Open: func(*testing.T) driver.Driver { return localembed.New() }})
//	}
//
// Guarantees of the suite itself:
//
//   - Cases that ran are counted and compared with the list; none is skipped.
//   - Nothing is timed.
//   - It asks what holds for any model: that texts alike in words are nearer than others, not how near.
//
// A bug found in one driver becomes a case here.
package embedtest
