package router

import "strings"

// wildcard ends a topic pattern that stands for every topic below a name: `orders.*` takes `orders.refund` and
// `orders.refund.new`, not `orders`.
const wildcard = ".*"

// validTopic reports whether p is a dotted name without empty parts, optionally ending in the wildcard.
func validTopic(p string) bool {
	p = strings.TrimSuffix(p, wildcard)
	if p == "" {
		return false
	}
	for part := range strings.SplitSeq(p, ".") {
		if part == "" || strings.ContainsAny(part, "* \t\r\n") {
			return false
		}
	}
	return true
}

// topicKeys calls yield with each pattern that takes the topic: its own name, then `a.b.*`, `a.*` for `a.b.c`.
func topicKeys(topic string, yield func(pattern string)) {
	yield(topic)
	for i := strings.LastIndexByte(topic, '.'); i > 0; i = strings.LastIndexByte(topic[:i], '.') {
		if i+1 < len(topic) {
			yield(topic[:i] + wildcard)
		}
	}
}
