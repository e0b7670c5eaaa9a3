package router

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	semabus "github.com/semabus/semabus"
)

const (
	maxAttributes = 64
	maxTopics     = 256
	maxTextsBytes = 32 << 20 // an intent's texts together
)

// Check validates an intent and returns it with its defaults: Group = Name. It lists every fault at once: the error is one
// *semabus.Error, or several joined; the first of them is the most useful to show. Reasons are REQUIRED, INVALID_ID,
// INVALID_UTF8, INVALID_VALUE, TOO_LARGE, TOO_MANY, INVALID_FILTER and INTENT_NO_EVIDENCE. Nothing is registered.
func (r *Router) Check(_ context.Context, _ string, in *semabus.Intent) (semabus.Intent, error) {
	out := *in
	if out.Group == "" {
		out.Group = out.Name
	}
	c := checker{}
	c.name("intent.name", out.Name)
	if out.Name != "" && out.Group != out.Name {
		c.name("intent.group", out.Group)
	}
	if out.Set != "" {
		c.name("intent.set", out.Set)
	}
	if out.Independent && out.Set != "" {
		c.fault(semabus.ReasonInvalidValue, "intent.independent", "true beside set "+strconv.Quote(out.Set), "",
			"leave the set out, or independent: an independent intent is a set of its own")
	}
	c.text("intent.description", out.Description, semabus.MaxDescriptionBytes)
	c.texts("intent.examples", out.Examples)
	c.texts("intent.counter_examples", out.CounterExamples)
	c.topics(out.Topics)
	c.budget(out.Budget)
	if len(out.Attributes) > maxAttributes {
		c.fault(semabus.ReasonTooMany, "intent.attributes", strconv.Itoa(len(out.Attributes)), strconv.Itoa(maxAttributes), "remove some")
	}
	if _, err := compileFilter(out.Filter); err != nil {
		c.faults = append(c.faults, err)
	}
	if strings.TrimSpace(out.Description) == "" && !anyText(out.Examples) && out.Filter == "" && len(out.Topics) == 0 {
		c.fault(semabus.ReasonIntentNoEvidence, "intent", "", "",
			"say what it wants to hear: a description, an example, a filter or a topic")
	}
	if len(c.faults) == 1 {
		return out, c.faults[0]
	}
	return out, errors.Join(c.faults...)
}

func anyText(texts []string) bool {
	for _, t := range texts {
		if strings.TrimSpace(t) != "" {
			return true
		}
	}
	return false
}

// checker collects faults.
type checker struct{ faults []error }

func (c *checker) fault(reason, field, value, limit, fix string) {
	c.faults = append(c.faults, &semabus.Error{
		Code: semabus.CodeInvalidArgument, Reason: reason, Field: field, Value: semabus.Shorten(value), Limit: limit, Fix: fix,
	})
}

func (c *checker) name(field, name string) {
	if e := semabus.CheckID(name); e != nil {
		e.Field = field
		c.faults = append(c.faults, e)
	} else if strings.HasPrefix(name, "$") {
		c.fault(semabus.ReasonInvalidID, field, name, "", "names that begin with $ are reserved")
	}
}

func (c *checker) text(field, text string, limit int) {
	if len(text) > limit {
		c.fault(semabus.ReasonTooLarge, field, strconv.Itoa(len(text))+" bytes", strconv.Itoa(limit)+" bytes", "shorten it")
	}
	if !utf8.ValidString(text) {
		c.fault(semabus.ReasonInvalidUTF8, field, fmt.Sprintf("%q", semabus.Shorten(text)), "", "send UTF-8")
	}
}

func (c *checker) texts(field string, texts []string) {
	if len(texts) > semabus.MaxExamples {
		c.fault(semabus.ReasonTooMany, field, strconv.Itoa(len(texts)), strconv.Itoa(semabus.MaxExamples), "keep the most different ones")
		return
	}
	size := 0
	for i, t := range texts {
		at := field + "[" + strconv.Itoa(i) + "]"
		size += len(t)
		if strings.TrimSpace(t) == "" {
			c.fault(semabus.ReasonRequired, at, "", "", "leave empty texts out")
			continue
		}
		c.text(at, t, semabus.MaxTextBytes)
	}
	if size > maxTextsBytes {
		c.fault(semabus.ReasonTooLarge, field, strconv.Itoa(size)+" bytes", strconv.Itoa(maxTextsBytes)+" bytes", "keep the most different ones")
	}
}

func (c *checker) topics(topics []string) {
	if len(topics) > maxTopics {
		c.fault(semabus.ReasonTooMany, "intent.topics", strconv.Itoa(len(topics)), strconv.Itoa(maxTopics), "use a wildcard such as orders.*")
		return
	}
	for i, t := range topics {
		if !validTopic(t) || len(t) > semabus.MaxIDBytes || !utf8.ValidString(t) {
			c.fault(semabus.ReasonInvalidValue, "intent.topics["+strconv.Itoa(i)+"]", t, "a dotted name of at most "+
				strconv.Itoa(semabus.MaxIDBytes)+" bytes, optionally ending in .*", "write orders.refund or orders.*")
		}
	}
}

func (c *checker) budget(b *semabus.Budget) {
	if b == nil {
		return
	}
	for _, f := range []struct {
		field string
		value float64
	}{{"intent.budget.max_wrong", b.MaxWrong}, {"intent.budget.max_missed", b.MaxMissed}} {
		if !(f.value >= 0 && f.value < 1) {
			c.fault(semabus.ReasonInvalidValue, f.field, strconv.FormatFloat(f.value, 'g', -1, 64), "0 ≤ share < 1", "give a share such as 0.05; 0 = not stated")
		}
	}
	if b.Prefer > semabus.PreferRecall {
		c.fault(semabus.ReasonInvalidValue, "intent.budget.prefer", strconv.Itoa(int(b.Prefer)), "", "prefer precision or recall")
	}
}
