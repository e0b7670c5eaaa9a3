package eval

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Result is one evaluation. Shares are fractions 0–1; a nil field does not apply to the protocol or the set.
type Result struct {
	Set             string    `json:"set"`
	Protocol        string    `json:"protocol"`
	Args            string    `json:"args"`
	Seed            int64     `json:"seed"`
	Space           string    `json:"space"` // of the vectors behind the ranking
	Tier            string    `json:"tier"`
	N               int       `json:"n"` // messages published
	Ranking         Ranking   `json:"ranking"`
	Delivered       Delivered `json:"delivered"`
	RegisterSeconds float64   `json:"register_seconds"` // first Register to the last refit, wall clock
	RouteP50        float64   `json:"route_p50_us"`     // one Match over the API, sequential, as its caller sees it
	RouteP99        float64   `json:"route_p99_us"`
}

// Ranking is the router's order of the intents, thresholds left aside.
type Ranking struct {
	Accuracy  *float64 `json:"accuracy"`
	MacroF1   *float64 `json:"macro_f1"`
	OOSAUROC  *float64 `json:"oos_auroc"`
	RecallAt1 *float64 `json:"recall_at_1"`
	RecallAt5 *float64 `json:"recall_at_5"`
	MRR       *float64 `json:"mrr"`
	InScope   *float64 `json:"in_scope"`   // accuracy where 95 % of the valid split's in-scope messages are kept
	OOSRecall *float64 `json:"oos_recall"` // out-of-scope messages rejected there
}

// Delivered is the subscribers' view under the intents' own thresholds.
type Delivered struct {
	Precision    *float64  `json:"precision"`
	Recall       *float64  `json:"recall"`
	Coverage     *float64  `json:"coverage"`
	OOSAccepted  *float64  `json:"oos_accepted"`
	MicroF1      *float64  `json:"micro_f1"`
	RecallByCopy []float64 `json:"recall_by_copy"` // nil unless there are several
}

// shows says which fields of the ranking block a protocol reports.
type shows struct{ accuracy, macroF1, auroc, recall1, recall5, mrr, kept bool }

var shown = map[string]shows{
	"shots":        {accuracy: true, macroF1: true, auroc: true},
	"full":         {accuracy: true, macroF1: true, auroc: true, kept: true},
	"description":  {recall1: true, recall5: true, mrr: true},
	"crosslingual": {accuracy: true},
	"unseen":       {auroc: true},
	"independent":  {recall1: true, auroc: true},
}

// measure turns outcomes into the blocks of a result.
func measure(protocol string, valid, test []Outcome, copies int) (Ranking, Delivered) {
	s := shown[protocol]
	var r Ranking
	put := func(want bool, to **float64, v float64, ok bool) {
		if want && ok {
			*to = &v
		}
	}
	v, ok := Accuracy(test)
	put(s.accuracy, &r.Accuracy, v, ok)
	v, ok = MacroF1(test)
	put(s.macroF1, &r.MacroF1, v, ok)
	v, ok = AUROC(confidences(test))
	put(s.auroc, &r.OOSAUROC, v, ok)
	v, ok = RecallAt(test, 1)
	put(s.recall1, &r.RecallAt1, v, ok)
	v, ok = RecallAt(test, 5)
	put(s.recall5, &r.RecallAt5, v, ok)
	v, ok = MRR(test)
	put(s.mrr, &r.MRR, v, ok)
	if t, found := KeepThreshold(valid, 0.95); found {
		in, oos, inOK, oosOK := AtThreshold(test, t)
		put(s.kept, &r.InScope, in, inOK)
		put(s.kept, &r.OOSRecall, oos, oosOK)
	}
	return r, CountDeliveries(test, copies).shares()
}

// shares divides the counts; a division by nothing is a null.
func (d Delivery) shares() Delivered {
	div := func(a, b int) *float64 {
		if b == 0 {
			return nil
		}
		v := float64(a) / float64(b)
		return &v
	}
	out := Delivered{
		Precision: div(d.Right, d.Deliveries), Recall: div(d.Right, d.Pairs), Coverage: div(d.Covered, d.InScope),
		OOSAccepted: div(d.Accepted, d.OutOfScope), MicroF1: div(2*d.Right, d.Deliveries+d.Pairs),
	}
	if n := len(d.ByCopy); n > 1 && d.Pairs > 0 {
		for _, right := range d.ByCopy {
			out.RecallByCopy = append(out.RecallByCopy, float64(right)/float64(d.Pairs/n))
		}
	}
	return out
}

// WriteJSON prints the result as one line.
func (r *Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteText prints the result for people.
func (r *Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s · %s", r.Set, r.Protocol)
	if r.Args != "" {
		fmt.Fprintf(&b, " %s", r.Args)
	}
	fmt.Fprintf(&b, " · %d messages\n", r.N)
	row := func(name string, v *float64) {
		if v != nil {
			fmt.Fprintf(&b, "  %-22s %6.2f %%\n", name, 100**v)
		}
	}
	b.WriteString("ranking (best intent, thresholds aside)\n")
	row("accuracy", r.Ranking.Accuracy)
	row("macro F1", r.Ranking.MacroF1)
	row("OOS AUROC", r.Ranking.OOSAUROC)
	row("recall@1", r.Ranking.RecallAt1)
	row("recall@5", r.Ranking.RecallAt5)
	row("MRR", r.Ranking.MRR)
	row("in scope, 95 % kept", r.Ranking.InScope)
	row("OOS recall, 95 % kept", r.Ranking.OOSRecall)
	b.WriteString("delivered (what subscribers received)\n")
	row("precision", r.Delivered.Precision)
	row("recall", r.Delivered.Recall)
	row("coverage", r.Delivered.Coverage)
	row("OOS accepted", r.Delivered.OOSAccepted)
	row("micro F1", r.Delivered.MicroF1)
	for i := range r.Delivered.RecallByCopy {
		row(fmt.Sprintf("recall of copy %d", i+1), &r.Delivered.RecallByCopy[i])
	}
	fmt.Fprintf(&b, "register %.1f s · route p50 %.0f µs, p99 %.0f µs · tier %s, space %s\n",
		r.RegisterSeconds, r.RouteP50, r.RouteP99, orDash(r.Tier), orDash(r.Space))
	_, err := io.WriteString(w, b.String())
	return err
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// WriteMarkdown prints results as one table.
func WriteMarkdown(w io.Writer, results []*Result) error {
	var b strings.Builder
	b.WriteString("| set | protocol | n | accuracy | macro F1 | R@1 | R@5 | MRR | OOS AUROC | in scope / OOS recall | " +
		"precision | recall | coverage | OOS accepted | micro F1 | register s | route p50 / p99 µs |\n")
	b.WriteString("|" + strings.Repeat("---|", 17) + "\n")
	for _, r := range results {
		k, d := &r.Ranking, &r.Delivered
		recall := percent(d.Recall)
		for i := range d.RecallByCopy {
			recall += " · " + percent(&d.RecallByCopy[i])
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s | %s | %s | %s | %s / %s | %s | %s | %s | %s | %s | %.1f | %.0f / %.0f |\n",
			r.Set, strings.TrimSpace(r.Protocol+" "+r.Args), r.N, percent(k.Accuracy), percent(k.MacroF1), percent(k.RecallAt1),
			percent(k.RecallAt5), percent(k.MRR), percent(k.OOSAUROC), percent(k.InScope), percent(k.OOSRecall),
			percent(d.Precision), recall, percent(d.Coverage), percent(d.OOSAccepted), percent(d.MicroF1),
			r.RegisterSeconds, r.RouteP50, r.RouteP99)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func percent(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f", 100**v)
}
