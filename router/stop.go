package router

import "strings"

// stopWords are the function words of English: they join a sentence together and say little about its subject.
var stopWords = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`a an the and or but if then so as of at by for with about against between into through
		during before after above below to from up down in out on off over under again further once here there when where why
		how all any both each few more most other some such no nor not only own same than too very can will just should now i
		me my myself we our ours us you your yours he him his she her hers it its they them their what which who whom this
		that these those am is are was were be been being have has had having do does did doing would could ought im youre hes
		shes theyre ive youve weve id youd wed ill youll dont doesnt didnt isnt arent wasnt cant couldnt wont wouldnt thats
		whats please hi hello hey thanks thank ok okay yes tell want need like get got let know`) {
		m[w] = true
	}
	return m
}()
