package router

import (
	_ "embed" // the background sample
	"strings"
)

// The background sample: everyday messages to some machine, company or person, one a line, that are meant for nobody in
// particular. They are what a set of intents is held against to learn how messages for none of them score.
//
// They were written from imagination, not collected, and without sight of any text the router is measured on: small
// talk, questions of general knowledge, fragments, log lines, complaints, and (every fourth or so) requests to one of
// hundreds of services, because a message for somebody else often looks much like one for an intent here.
//
// They are unlabelled rather than negative: a tenant may well serve the dentist's patients. No subject has more than
// about 1 % of the lines, so what a tenant does serve is few of them, and whoever learns from them must bear with those few.
var (
	//go:embed background_en.txt
	backgroundEnglish string
	//go:embed background_zh.txt
	backgroundChinese string
)

// backgroundTexts returns the background sample, the same in every call: English and Chinese lines in turns, each
// language in its file's order, then what the longer file has left. The slice is the caller's.
func backgroundTexts() []string {
	english, chinese := lines(backgroundEnglish), lines(backgroundChinese)
	texts := make([]string, 0, len(english)+len(chinese))
	for i := range max(len(english), len(chinese)) {
		if i < len(english) {
			texts = append(texts, english[i])
		}
		if i < len(chinese) {
			texts = append(texts, chinese[i])
		}
	}
	return texts
}

func lines(file string) []string {
	return strings.Split(strings.TrimSuffix(file, "\n"), "\n")
}
