package localembed

import "strings"

// stopEnglish and stopChinese are function words: they join a sentence together and say little about its subject.
const (
	stopEnglish = `a an the and or but if then so as of at by for with about against between into through during before after above
		below to from up down in out on off over under again further once here there when where why how all any both each few more
		most other some such no nor not only own same than too very can will just should now i me my myself we our ours us you your
		yours he him his she her hers it its they them their what which who whom this that these those am is are was were be been
		being have has had having do does did doing would could ought im youre hes shes theyre ive youve weve id youd wed ill youll
		dont doesnt didnt isnt arent wasnt cant couldnt wont wouldnt thats whats please hi hello hey thanks thank ok okay yes tell
		want need like get got let know`
	stopChinese = `的 了 吗 呢 吧 啊 呀 哦 嗯 我 你 您 他 她 它 们 是 在 有 和 与 也 都 就 很 把 被 请 这 那 个 想 要 能 会 给 到 说 好
		我们 你们 您好 你好 请问 一下 一个 这个 那个 可以 什么 怎么 我想 我要 帮我 是否 有没 没有 谢谢`
)

// stopWords holds the hashes of both, as the extractor computes them.
var stopWords = func() map[uint64]bool {
	m := map[uint64]bool{}
	for _, w := range strings.Fields(stopEnglish) {
		m[hashOf(seedWord, w)] = true
	}
	for _, w := range strings.Fields(stopChinese) {
		m[hashOf(seedSingle, w)] = true
	}
	return m
}()

func hashOf(seed uint64, w string) uint64 {
	for _, r := range w {
		seed = mix(seed, r)
	}
	return finish(seed)
}
