package workload

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	semabus "github.com/semabus/semabus"
)

// The words of the workload: an intent is an action on an object at a place, all in plain words; a message says the same in
// another sentence, with small talk around it up to the size wanted.
var (
	actions = strings.Split(`cancel|renew|repair|replace|return|insure|inspect|rent|sell|move|clean|paint|measure|deliver|collect|`+
		`exchange|register|book|postpone|confirm|translate|print|scan|review|approve|archive|upgrade|install|configure|monitor|`+
		`refill|sharpen|polish|weigh|label|wrap|store|export|duplicate|dismantle`, "|")
	objects = strings.Split(`invoice|passport|bicycle|kitchen table|hotel room|train ticket|laptop|garden fence|tax form|winter coat|`+
		`washing machine|piano|rental car|birthday cake|prescription|library card|parking permit|gas meter|mobile phone|mattress|`+
		`contact lenses|fishing boat|coffee grinder|wedding dress|solar panel|bank account|driving licence|security camera|office chair|`+
		`violin|vaccination record|water filter|moving van|concert poster|swimming lesson|dog kennel|greenhouse|projector|bookshelf|`+
		`wallpaper|suitcase|telescope|drill|ladder|carpet|radiator|chandelier|motorbike|tent|microscope`, "|")
	places = strings.Split(`at home|in Lisbon|in Oslo|at the airport|on the second floor|in the warehouse|in Nairobi|at the harbour|`+
		`in the old town|in Kyoto|at the clinic|in the basement|in Quito|at the school|by the lake|in Dublin|at the market|in Cairo|`+
		`in the attic|at the theatre|in Hanoi|on the roof|in Tallinn|at the museum|in Perth|behind the church|in Lima|at the stadium|`+
		`in the courtyard|in Vienna|at the border|in Accra|on the island|in Prague|at the laboratory|in Manila|in the garage|`+
		`at the embassy|in Denver|under the bridge|in Riga|at the farm|in Dakar|at the hostel|in Zagreb|at the pharmacy|in Tunis|`+
		`in the tower|in Bergen|at the depot`, "|")
	frames = strings.Split("Hello, I would like to %s my %s %s as soon as possible.|Could somebody please %s the %s %s for me?|"+
		"We have been trying to %s a %s %s since last week.|My colleague asked me to %s her %s %s before Friday.|"+
		"Is it possible to %s this %s %s without an appointment?|How much does it cost to %s one %s %s?", "|")
	smallTalk = strings.Split("Thank you very much for your help.|The weather has been lovely lately.|I tried to call twice but the line was busy.|"+
		"Please write back when you know more.|It is not urgent, but the sooner the better.|My neighbour had the same question last month.|"+
		"I am usually free in the afternoon after three.|Sorry for the long message.|I found your address on a leaflet.|"+
		"Kind regards from the whole family.|You helped us once before and we were very happy with it.|Let me know if anything else is needed.", "|")
)

// wish is the i-th thing somebody may want; wishes of different i under 100,000 differ.
func wish(i int) (action, object, place string) {
	a, i := i%len(actions), i/len(actions)
	o, i := i%len(objects), i/len(objects)
	p, i := i%len(places), i/len(places)
	place = places[p]
	if i > 0 {
		place += " number " + strconv.Itoa(i)
	}
	return actions[a], objects[o], place
}

// Intent is what somebody who has the i-th wish would register.
func Intent(i int, name, group, set string) semabus.Intent {
	a, o, p := wish(i)
	return semabus.Intent{
		Name: name, Group: group, Set: set,
		Description: fmt.Sprintf("people who want to %s a %s %s", a, o, p),
		Examples: []string{
			fmt.Sprintf("I want to %s my %s %s.", a, o, p),
			fmt.Sprintf("Can you %s a %s %s?", a, o, p),
			fmt.Sprintf("Who helps me to %s the %s %s?", a, o, p),
		},
	}
}

// Texts are the messages of one publisher. It is for one goroutine.
type Texts struct {
	rand   *rand.Rand
	wishes int
	size   int
	buf    []byte
}

// NewTexts makes texts of about size bytes, each for a random one of the first wishes.
func NewTexts(seed uint64, wishes, size int) *Texts {
	return &Texts{rand: rand.New(rand.NewPCG(1, seed)), wishes: wishes, size: size}
}

// Next is one more text: the wish in one sentence after another, a sentence of small talk after every second one. The number
// makes it unlike any other. It is overwritten by the next call.
func (t *Texts) Next(number uint64) []byte {
	a, o, p := wish(t.rand.IntN(t.wishes))
	first := t.rand.IntN(len(frames))
	t.buf = fmt.Appendf(t.buf[:0], frames[first], a, o, p)
	t.buf = append(t.buf, " Reference "...)
	t.buf = strconv.AppendUint(t.buf, number, 10)
	t.buf = append(t.buf, '.')
	for n := 1; ; n++ {
		full := len(t.buf)
		if n%3 == 2 {
			t.buf = append(append(t.buf, ' '), smallTalk[t.rand.IntN(len(smallTalk))]...)
		} else {
			t.buf = fmt.Appendf(append(t.buf, ' '), frames[(first+n)%len(frames)], a, o, p)
		}
		if len(t.buf)-t.size > t.size-full { // nearer without it
			return t.buf[:full]
		}
	}
}
