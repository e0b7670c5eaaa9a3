// Package workload makes the messages and intents of a run: somebody wants something done to an object at a place, in plain
// words. It is the workload of `semabus bench`.
//
//	in := workload.Intent(7, "seventh", "group", "set")              // a wish, with three examples
//	t := workload.NewTexts(seed, 1000, 256)
//	text := t.Next(number)                                          // a random one of the 1000 wishes, in other words
//
// Guarantees: wishes of different numbers differ; so do texts, whose number they carry, so that no cache can answer for
// them; the same seed makes the same texts.
package workload
