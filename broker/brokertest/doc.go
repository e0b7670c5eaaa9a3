// Package brokertest is the conformance suite of broker engines: each guarantee of broker/driver, and of docs/design.md §4
// as far as it concerns an engine, is a case that tries to break it. An engine's whole test is one call:
//
//	func TestConformance(t *testing.T) {
//		brokertest.Run(t, brokertest.Harness{Open: open})
//	}
//
// Guarantees of the suite itself:
//
//   - A declared capability must work, an undeclared one must answer UNIMPLEMENTED, and a capability that the engine is
//     required to have (see [Required]) fails the suite when it is missing.
//   - Cases run and left out are counted, printed and compared with what the engine's capabilities promise.
//   - Nothing is timed: cases wait on conditions through the engine's own long polls, and assert "not before", never
//     "within".
//   - The random cases print their seed; set BROKERTEST_SEED to replay one, BROKERTEST_ROUNDS to run more of them.
//
// A bug found in one engine becomes a case here.
package brokertest
