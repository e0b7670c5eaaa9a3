package router

import "strings"

// stopWords are the function words of English: they join a sentence together and say little about its subject. Kept by
// hash, in open addressing, for every word of every message is looked up.
var stopWords = func() (table [1024]uint32) {
	for _, w := range strings.Fields(`a an the and or but if then so as of at by for with about against between into through
		during before after above below to from up down in out on off over under again further once here there when where why
		how all any both each few more most other some such no nor not only own same than too very can will just should now i
		me my myself we our ours us you your yours he him his she her hers it its they them their what which who whom this
		that these those am is are was were be been being have has had having do does did doing would could ought im youre hes
		shes theyre ive youve weve id youd wed ill youll dont doesnt didnt isnt arent wasnt cant couldnt wont wouldnt thats
		whats please hi hello hey thanks thank ok okay yes tell want need like get got let know`) {
		p := wordHash([]byte(w)) % uint32(len(table))
		for table[p] != 0 {
			p = (p + 1) % uint32(len(table))
		}
		table[p] = wordHash([]byte(w))
	}
	return table
}()

// isStop reports whether a word is a function word, by its hash.
func isStop(hash uint32) bool {
	for p := hash % uint32(len(stopWords)); stopWords[p] != 0; p = (p + 1) % uint32(len(stopWords)) {
		if stopWords[p] == hash {
			return true
		}
	}
	return false
}
