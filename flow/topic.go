package flow

import (
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
)

// wildcard ends a pattern that stands for every topic below a name.
const wildcard = ".*"

// CheckTopic says what is wrong with the topic of a message, or with a pattern's name: it must be a dotted name of at most 256
// bytes without empty parts, white space and "*", for no pattern could take another. The error lacks Field and Op; nil =
// nothing is wrong.
func CheckTopic(topic string) *semabus.Error {
	if e := semabus.CheckID(topic); e != nil {
		return e
	}
	for part := range strings.SplitSeq(topic, ".") {
		if part == "" || strings.ContainsAny(part, "* \t\r\n") {
			return &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Value: semabus.Shorten(topic),
				Limit: "a dotted name without empty parts, spaces and *", Fix: "write it like orders.refund"}
		}
	}
	return nil
}

// TopicGroups lists the groups whose configuration subscribes the topic, sorted, each once.
func (f *Flow) TopicGroups(tenantName, topic string) []string {
	f.mu.RLock()
	defer f.mu.RUnlock()
	t := f.tenants[tenantName]
	if t == nil || topic == "" {
		return nil
	}
	var out []string
	for _, s := range t.topics {
		if Matches(s.pattern, topic) {
			out = append(out, s.group)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Matches reports whether a topic falls under a pattern: the same name, or for `a.b.*` any name that begins with `a.b.`.
func Matches(pattern, topic string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return len(topic) > len(prefix) && strings.HasPrefix(topic, prefix)
	}
	return pattern == topic
}
