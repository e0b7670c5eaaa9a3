package localembed_test

import (
	"hash/fnv"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/semabus/semabus/embed"
	"github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/embedtest"
	"github.com/semabus/semabus/embed/localembed"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	embedtest.Run(t, embedtest.Harness{Open: func(*testing.T) driver.Driver { return localembed.New() }})
}

// vector is the model's answer for one text.
func vector(t testing.TB, m *localembed.Model, text string) driver.Vector {
	t.Helper()
	out := [][]driver.Vector{make([]driver.Vector, 1)}
	if err := m.Embed(t.Context(), []string{text}, driver.Query, out); err != nil {
		t.Fatal(err)
	}
	return out[0][0]
}

func TestFormsThatMeanTheSame(t *testing.T) {
	t.Parallel()
	m := localembed.New()
	for _, same := range [][]string{
		{"Refund my order!", "refund my ORDER", "  refund, my order ", "ｒｅｆｕｎｄ　ＭＹ order"},
		{"café crème", "cafe creme", "CAFÉ CRÈME", "cafe\u0301 cre\u0300me"},
		{"I don't know", "i dont know", "I don’t know"},
		{"我要退款。", "我要退款", "我要退款！！"},
	} {
		want := vector(t, m, same[0]).Values
		for _, s := range same[1:] {
			if got := embed.Dot(want, vector(t, m, s).Values); got < 0.99999 {
				t.Errorf("cosine of %q and %q is %v, want 1", same[0], s, got)
			}
		}
	}
}

func TestNearerIsMoreAlike(t *testing.T) {
	t.Parallel()
	m := localembed.New()
	for _, c := range []struct{ text, near, far string }{
		{"I was charged twice for my order", "double charge on one order", "where is the nearest cash machine"},
		{"cancelling the subscription", "cancel my subscriptions", "play some jazz"},
		{"how do I reset my passcode?", "resetting a passcode", "what is the weather like"},
		{"我的信用卡丢了", "信用卡被偷或丢失", "今天天气怎么样"},
		{"请给我退款", "申请退款的问题", "附近有什么好吃的"},
	} {
		v := vector(t, m, c.text).Values
		near, far := embed.Dot(v, vector(t, m, c.near).Values), embed.Dot(v, vector(t, m, c.far).Values)
		if near < far+0.2 {
			t.Errorf("%q: cosine %.3f to %q, %.3f to %q", c.text, near, c.near, far, c.far)
		}
	}
}

// TestProjectionKeepsAngles compares cosines with those of the features themselves: the projection's noise is about
// 1/√Dim, and must not lean to one side.
func TestProjectionKeepsAngles(t *testing.T) {
	t.Parallel()
	m := localembed.New()
	texts := []string{
		"I was charged twice for my order", "double charge on one order", "my card has been stolen", "please block my stolen card",
		"what is the exchange rate for euros", "how much is one euro in dollars", "play some jazz in the kitchen",
		"我的信用卡丢了", "信用卡被偷或丢失", "今天天气怎么样", "what time is it in Tokyo", "set an alarm for six in the morning",
	}
	var sum, squares float64
	n := 0
	for i, a := range texts {
		for _, b := range texts[:i] {
			d := float64(embed.Dot(vector(t, m, a).Values, vector(t, m, b).Values)) - localembed.ExactCosine(a, b)
			sum, squares, n = sum+d, squares+d*d, n+1
		}
	}
	mean, deviation := sum/float64(n), math.Sqrt(squares/float64(n))
	if math.Abs(mean) > 0.02 || deviation > 1.5/math.Sqrt(localembed.Dim) {
		t.Errorf("projection error: mean %.4f, deviation %.4f over %d pairs", mean, deviation, n)
	}
}

// TestGolden fails when vectors change and the space does not: stored vectors would then be compared with others. When it
// fails, raise version in space.go and write down what the test prints.
func TestGolden(t *testing.T) {
	t.Parallel()
	const wantSpace, wantSum = "hashed-492aba12a719ea26", uint64(0xc0235048f4c433ae)
	m := localembed.New()
	h := fnv.New64a()
	for _, s := range []string{
		"Refund my order #12, it's late!", "我要退款，谢谢 ABC", "Crème brûlée 🎉 naïve", "Ünïcödé ПРИВЕТ мир สวัสดี ひらがな", strings.Repeat("again and again ", 40),
	} {
		for _, v := range vector(t, m, s).Values {
			bits := math.Float32bits(v)
			h.Write([]byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
		}
	}
	if space := m.Tiers()[0].Space; space != wantSpace || h.Sum64() != wantSum {
		t.Errorf("space %q, sum %#x; want %q, %#x", space, h.Sum64(), wantSpace, wantSum)
	}
}

func TestMoreFeaturesThanAreTaken(t *testing.T) {
	t.Parallel()
	m := localembed.New()
	var b strings.Builder
	for r := rune(0x4e00); b.Len() < localembed.MaxBytes-utf8.UTFMax; r += 2 {
		b.WriteRune(r)
		b.WriteString("qz")
	}
	if v := vector(t, m, b.String()); v.Truncated {
		t.Error("a text of many features within the bound is marked truncated")
	}
	b.Reset()
	for i := 0; b.Len() < localembed.MaxBytes; i++ { // a new word of 14 letters each time: more parts than are taken
		for n, x := 0, uint32(i)*2654435761; n < 14; n, x = n+1, x*1664525+1013904223 {
			b.WriteByte('a' + byte(x>>27)%26)
		}
		b.WriteByte(' ')
	}
	if v := vector(t, m, b.String()[:localembed.MaxBytes]); !v.Truncated {
		t.Error("a text of more features than are taken is not marked truncated")
	}
}

// Two texts of about 100 bytes.
const (
	english = "Hello, I was charged twice for the same order yesterday, could you please refund one of the payments?"
	chinese = "你好，我昨天买的那件衣服被重复扣款两次了，麻烦帮我把多收的钱退回到信用卡，谢谢"
)

func BenchmarkEmbed(b *testing.B) {
	for name, text := range map[string]string{"en100B": english, "zh100B": chinese, "en8KiB": strings.Repeat(english, 90)[:8<<10]} {
		b.Run(name, func(b *testing.B) {
			m := localembed.New()
			texts, out := []string{text}, [][]driver.Vector{make([]driver.Vector, 1)}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := m.Embed(b.Context(), texts, driver.Query, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzEmbed(f *testing.F) {
	for _, s := range []string{"", english, chinese, "\x00", "🎉👩‍👩‍👧", "a\u0301\u0301", "İſKß", "สวัสดี", strings.Repeat("字", 3000), "\u2019'＇"} {
		f.Add(s)
	}
	m := localembed.New()
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > localembed.MaxBytes {
			return
		}
		v := vector(t, m, s)
		var sum float64
		for _, x := range v.Values {
			sum += float64(x) * float64(x)
		}
		if len(v.Values) != localembed.Dim || sum != 0 && math.Abs(sum-1) > 1e-4 || math.IsNaN(sum) {
			t.Fatalf("%d values of squared length %v", len(v.Values), sum)
		}
	})
}
