package router_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/router"
)

// world makes texts about subjects: each subject has words of its own, and shares words with a neighbour and with all.
type world struct {
	rnd *rand.Rand
	own int // words of its own in a text; the fewer, the harder
}

func newWorld(seed uint64) *world { return &world{rand.New(rand.NewPCG(seed, 0)), 3} }

func syllables(n int) string {
	const c, v = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for range 3 {
		b.WriteByte(c[n%len(c)])
		n /= len(c)
		b.WriteByte(v[n%len(v)])
		n /= len(v)
	}
	return b.String()
}

// text is a message about a subject: some of its 8 words, some of its neighbour's, some of everybody's.
func (w *world) text(subject int) string {
	var words []string
	for range w.own {
		words = append(words, syllables(1000+subject*97+w.rnd.IntN(8)*7919))
	}
	words = append(words, syllables(1000+(subject/2*2)*97+w.rnd.IntN(8)*7919)) // subjects come in pairs that are mixed up
	for range 2 {
		words = append(words, syllables(w.rnd.IntN(40)))
	}
	w.rnd.Shuffle(len(words), func(i, j int) { words[i], words[j] = words[j], words[i] })
	return strings.Join(words, " ")
}

func (w *world) intents(subjects, examples int, b *semabus.Budget) []semabus.Intent {
	out := make([]semabus.Intent, subjects)
	for s := range out {
		out[s] = semabus.Intent{Name: fmt.Sprintf("subject %02d", s), Set: "world", Budget: b}
		for range examples {
			out[s].Examples = append(out[s].Examples, w.text(s))
		}
	}
	return out
}

// outcome counts deliveries of fresh messages.
func (f *fixture) outcome(w *world, subjects, each int) (precision, coverage float64) {
	f.t.Helper()
	right, delivered, covered, total := 0, 0, 0, 0
	for s := range subjects {
		for range each {
			d := f.say(w.text(s))
			total++
			if len(d.Matches) > 0 {
				covered++
			}
			delivered += len(d.Matches)
			for _, m := range d.Matches {
				if m.Intent == fmt.Sprintf("subject %02d", s) {
					right++
				}
			}
		}
	}
	return float64(right) / float64(max(1, delivered)), float64(covered) / float64(total)
}

// TestBudgetBoundsTheWrongShare: thresholds come from held-out examples and keep the promise on messages nobody has seen; a
// tighter budget delivers less. Thresholds that were chosen on the fitted examples themselves would promise far too much.
func TestBudgetBoundsTheWrongShare(t *testing.T) {
	t.Parallel()
	const subjects, examples = 24, 12
	last := 2.0
	for _, wrong := range []float64{0.3, 0.1, 0.03} {
		f := setup(t)
		w := newWorld(1)
		w.own = 1
		f.register(w.intents(subjects, examples, &semabus.Budget{MaxWrong: wrong})...)
		f.settle()
		precision, coverage := f.outcome(w, subjects, 20)
		t.Logf("max_wrong %g: precision %.3f, coverage %.3f", wrong, precision, coverage)
		if precision < 1-1.5*wrong-0.02 {
			t.Errorf("max_wrong %g: precision %.3f", wrong, precision)
		}
		if coverage > last+0.01 {
			t.Errorf("max_wrong %g: coverage %.3f, more than %.3f under a looser budget", wrong, coverage, last)
		}
		if coverage < 0.05 {
			t.Errorf("max_wrong %g: coverage %.3f", wrong, coverage)
		}
		last = coverage
	}
}

// TestPreferRecall: where both sides of a budget cannot hold, recall delivers more and says that it is doubtful.
func TestPreferRecall(t *testing.T) {
	t.Parallel()
	const subjects, examples = 24, 8
	coverage, doubtful := map[semabus.Prefer]float64{}, map[semabus.Prefer]bool{}
	for _, prefer := range []semabus.Prefer{semabus.PreferPrecision, semabus.PreferRecall} {
		f := setup(t)
		w := newWorld(2)
		w.own = 1
		f.register(w.intents(subjects, examples, &semabus.Budget{MaxWrong: 0.02, MaxMissed: 0.02, Prefer: prefer})...)
		f.settle()
		_, coverage[prefer] = f.outcome(w, subjects, 5)
		for s := range subjects {
			doubtful[prefer] = doubtful[prefer] || f.say(w.text(s)).Doubtful
		}
	}
	if coverage[semabus.PreferRecall] <= coverage[semabus.PreferPrecision] || !doubtful[semabus.PreferRecall] ||
		doubtful[semabus.PreferPrecision] {
		t.Errorf("coverage %v, doubtful %v", coverage, doubtful)
	}
}

// TestDescriptionsOnly: a set without examples is served by its descriptions, by a threshold that follows from the budget.
func TestDescriptionsOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, in := range helpdesk() {
		in.Examples = nil
		f.register(in)
	}
	f.settle()
	f.wantGroups(f.say("refund requests and double charges"), "refunds")
	f.wantGroups(f.say("lost card"), "cards")
	m := f.say("lost card").Matches[0]
	if m.Threshold != 0.5 || m.Example != "" {
		t.Errorf("threshold %g, example %q", m.Threshold, m.Example)
	}
	in, _ := f.Intent(tenant, "cards")
	in.Budget = &semabus.Budget{MaxWrong: 0.01}
	f.register(in)
	if got, _ := f.Explain(context.Background(), f.request(&semabus.Message{Text: "lost card"}), "cards"); got.Threshold <= 0.9 {
		t.Errorf("threshold %g under max_wrong 1 %%", got.Threshold)
	}
}

// TestFeedback: a message that was not for an intent teaches it, and so does one that was.
func TestFeedback(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.settle()
	p := func(text, name string) float64 {
		m, err := f.Explain(context.Background(), f.request(&semabus.Message{Text: text}), name)
		if err != nil {
			t.Fatal(err)
		}
		return m.Probability
	}
	const loyalty = "points are missing on my loyalty card"
	before := p(loyalty, "cards")
	f.change(&router.Change{Feedback: &semabus.Feedback{MessageID: "m1", Intent: "cards", Group: "cards"}, FeedbackText: loyalty, By: "agent"})
	if now := p(loyalty, "cards"); now >= before {
		t.Errorf("not for it: probability %g at once, %g before", now, before)
	}
	f.settle()
	if now := p(loyalty, "cards"); now >= before {
		t.Errorf("not for it: probability %g after the fit, %g before", now, before)
	}
	const voucher = "the voucher code of the cancelled trip is worthless"
	before = p(voucher, "refunds")
	f.change(&router.Change{Feedback: &semabus.Feedback{MessageID: "m2", Intent: "refunds", Useful: true}, FeedbackText: voucher})
	f.settle()
	if now := p(voucher, "refunds"); now <= before || now < 0.5 {
		t.Errorf("useful: probability %g, %g before", now, before)
	}
	if d := f.say("the voucher code of my trip is worthless"); len(d.Matches) != 1 || d.Matches[0].Example != voucher {
		t.Errorf("matches %+v, want the taught example named", d.Matches)
	}
	got := f.Learned(tenant, "cards")
	if len(got) != 1 || got[0].Text != loyalty || got[0].Useful || got[0].From.MessageID != "m1" || got[0].From.By != "agent" {
		t.Errorf("Learned = %+v", got)
	}
	// What was learned survives a new definition, and goes with the intent.
	f.register(helpdesk()[0], helpdesk()[1])
	if len(f.Learned(tenant, "cards")) != 1 || len(f.Learned(tenant, "refunds")) != 1 {
		t.Error("a new definition forgot what was learned")
	}
	f.remove("cards")
	f.change(&router.Change{Feedback: &semabus.Feedback{Intent: "cards"}, FeedbackText: "x"}, &router.Change{Feedback: &semabus.Feedback{Intent: "refunds"}})
	if f.Learned(tenant, "cards") != nil || len(f.Learned(tenant, "refunds")) != 1 {
		t.Error("feedback without an intent or a text taught something")
	}
}

// TestCounterExamples: a registered counter-example keeps its like away.
func TestCounterExamples(t *testing.T) {
	t.Parallel()
	list := helpdesk()
	const text = "my greeting card is lost in the mail"
	before := func(counter ...string) float64 {
		f := setup(t)
		list[1].CounterExamples = counter
		f.register(list...)
		f.settle()
		m, _ := f.Explain(context.Background(), f.request(&semabus.Message{Text: text}), "cards")
		return m.Probability
	}
	if without, with := before(), before("the greeting card got lost", "a greeting card in the mail"); with >= without {
		t.Errorf("probability %g with counter-examples, %g without", with, without)
	}
}

func TestChinese(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(
		semabus.Intent{Name: "退款", Description: "退款和重复扣款", Examples: []string{"请退款给我", "我被扣了两次钱", "订单取消了，钱什么时候退回来", "重复扣费怎么办"}},
		semabus.Intent{Name: "挂失", Description: "银行卡丢失或被盗", Examples: []string{"我的卡丢了", "银行卡被偷了", "请马上冻结我的信用卡", "钱包和卡都不见了"}},
		semabus.Intent{Name: "物流", Description: "包裹延误或丢失", Examples: []string{"我的快递到哪里了", "包裹三天还没到", "物流显示已签收但没有收到", "什么时候发货"}},
	)
	for range 2 {
		for text, want := range map[string]string{"信用卡丢了，请冻结": "挂失", "我要退款，被重复扣款了": "退款", "快递包裹还没有到": "物流"} {
			m, err := f.Match(context.Background(), tenant, text, f.vectors(text), 1)
			if err != nil || len(m) == 0 || m[0].Intent != want {
				t.Errorf("%q: %+v, %v; want %s", text, m, err, want)
			}
		}
		f.wantGroups(f.say("今天天气真好"))
		f.settle()
	}
	f.wantGroups(f.say("我的信用卡被偷了，马上冻结"), "挂失")
	if m := f.say("我的信用卡被偷了，马上冻结").Matches[0]; m.Example == "" {
		t.Error("no example is named")
	}
}

// TestFewTexts: two intents of three texts each are enough to hear a message that shares words with one, and no other.
func TestFewTexts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(
		semabus.Intent{Name: "refunds", Description: "refund requests and double charges", Examples: []string{
			"I was charged twice, please refund one payment", "我被重复扣款了，请退款",
		}},
		semabus.Intent{Name: "cards", Description: "card lost or stolen", Examples: []string{
			"please block my card, I lost it", "我的银行卡丢了",
		}},
	)
	f.settle()
	f.wantGroups(f.say("You charged me twice for order 5521, I want my money back"), "refunds")
	f.wantGroups(f.say("有人偷了我的银行卡"), "cards")
	f.wantGroups(f.say("我要退款"), "refunds")
	f.wantGroups(f.say("What is the weather like on Mars?"))
	f.wantGroups(f.say("今天天气真好"))
}

// TestLongMessage: small talk around what matters does not hide it.
func TestLongMessage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.register(helpdesk()...)
	f.settle()
	f.wantGroups(f.say("Hello there, I hope you are all well. Sorry for writing on a Sunday. My credit card was stolen on the train, "+
		"please block the card at once. Thank you so much and kind regards from the whole family."), "cards")
}
