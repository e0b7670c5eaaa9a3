// Package contest measures peers against each other, in turn, within one run.
//
//	for each round: for each peer (another one first in each round):
//	  an empty server → warm-up → publish for --seconds → count acknowledgements, CPU time of the server → end it
//	→ Result: medians over the rounds, ratios of the medians, whether the gates are met
//
// Guarantees: nothing else of the contest runs while a peer is measured; every peer starts empty in every round, in a folder
// of its own under the same folder; nothing of the warm-up is counted; the order rotates, so that no peer always comes behind
// the same other one.
package contest
