package brokertest

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
)

func fenceCases() []testCase {
	return []testCase{
		{"Fence/AfterSettle", nil, afterSettle},
		{"Fence/AfterExpiryAndGrant", nil, afterExpiry},
		{"Fence/AfterExpiryAlone", nil, afterExpiryAlone},
		{"Fence/AfterRequeue", nil, afterRequeue},
		{"Fence/AfterReopen", nil, afterReopen},
		{"Fence/TwiceInOneCall", nil, twiceInOneCall},
		{"Fence/ConcurrentSettles", nil, concurrentSettles},
		{"Fence/GarbledTokens", nil, garbledTokens},
		{"Fence/ForeignTenant", nil, foreignTenant},
	}
}

func afterSettle(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	r.apply(done(l.Token))
	r.refuse(done(l.Token), semabus.ReasonAlreadySettled)
	r.refuse(back(l.Token, 0, true, "late"), semabus.ReasonAlreadySettled)
	r.none("g")
	if d := r.delivery("m", "g"); d == nil || d.State != driver.StateSettled || len(d.Errors) != 0 {
		r.t.Fatalf("the settled delivery is %+v", d)
	}
}

func afterExpiry(r *rig) {
	r.apply(put("m", "g"))
	q := request("g", 1)
	q.For = brief
	old := r.oneOf(q)
	r.elapse(brief)
	l := r.one("g")
	r.refuse(done(old.Token), semabus.ReasonStaleLease)
	r.refuse(back(old.Token, 0, true, "late"), semabus.ReasonStaleLease)
	if errs := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: old.Token, For: term}}); semabus.ReasonOf(errs[0]) != semabus.ReasonStaleLease {
		r.t.Errorf("a stale token was renewed: %v", errs)
	}
	r.none("g")
	r.apply(done(l.Token))
}

// afterExpiryAlone: a lease that ran out may be settled while nobody else got the delivery, or not; but once another lease
// was granted the first never counts, and of all settlements exactly one does.
func afterExpiryAlone(r *rig) {
	r.apply(put("m", "g"))
	q := request("g", 1)
	q.For = brief
	old := r.oneOf(q)
	r.elapse(2 * brief)
	if r.commit(done(old.Token))[0].Applied {
		r.none("g")
		return
	}
	r.apply(done(r.one("g").Token))
}

func afterRequeue(r *rig) {
	r.apply(put("m", "g"))
	old := r.one("g")
	r.apply(back(old.Token, 0, true, "e"))
	r.refuse(done(old.Token), semabus.ReasonStaleLease)
	l := r.one("g")
	r.refuse(done(old.Token), semabus.ReasonStaleLease)
	r.refuse(back(old.Token, 0, true, "late"), semabus.ReasonStaleLease)
	r.apply(done(l.Token))
}

func afterReopen(r *rig) {
	r.apply(put("requeued", "g"))
	old := r.one("g")
	r.apply(back(old.Token, 0, false, ""))
	r.apply(put("settled", "h"))
	settled := r.one("h")
	r.apply(done(settled.Token))
	r.apply(put("held", "i"))
	held := r.one("i")
	r.kill()
	r.refuse(done(old.Token), semabus.ReasonStaleLease)
	r.refuse(done(settled.Token), semabus.ReasonAlreadySettled)
	r.none("h")
	l := r.one("g")
	r.refuse(done(old.Token), semabus.ReasonStaleLease)
	r.apply(done(l.Token))
	// A lease across a crash: either it still holds, or the delivery comes to somebody else and it never counts again.
	if !r.commit(done(held.Token))[0].Applied {
		l := r.one("i")
		r.refuse(done(held.Token), semabus.ReasonStaleLease)
		r.apply(done(l.Token))
	}
	r.none("i")
}

func twiceInOneCall(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	first, second := done(l.Token), done(l.Token)
	first.Appends = []driver.Append{{Log: "effects", Data: []byte("first")}}
	second.Appends = []driver.Append{{Log: "effects", Data: []byte("second")}}
	res := r.commit(first, second)
	if !res[0].Applied || res[1].Applied || semabus.ReasonOf(res[1].Failed) != semabus.ReasonAlreadySettled {
		r.t.Fatalf("results are %+v", res)
	}
	if got := r.events("effects"); len(got) != 1 {
		r.t.Fatalf("%d effects of one delivery", len(got))
	}
}

func concurrentSettles(r *rig) {
	for _, id := range ids("m", 20) {
		r.apply(put(id, "g"))
		l := r.one("g")
		var applied atomic.Int64
		var g errgroup.Group
		for range 6 {
			g.Go(func() error {
				b := done(l.Token)
				b.Appends = []driver.Append{{Log: id, Data: []byte("effect")}}
				res, err := r.d.Commit(r.ctx(), []*driver.Batch{b})
				if err != nil {
					return err
				}
				if res[0].Applied {
					applied.Add(1)
				} else if semabus.ReasonOf(res[0].Failed) != semabus.ReasonAlreadySettled {
					return fmt.Errorf("result is %+v", res[0])
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			r.t.Fatal(err)
		}
		if n := len(r.events(id)); n != 1 || applied.Load() != 1 {
			r.t.Fatalf("%d settlements of one lease applied, %d effects", applied.Load(), n)
		}
	}
}

func garbledTokens(r *rig) {
	r.apply(put("m", "g"))
	l := r.one("g")
	tokens := [][]byte{nil, {}, {0}, []byte("garbled"), make([]byte, 128), append(append([]byte(nil), l.Token...), 0)}
	for i := range l.Token {
		flipped := append([]byte(nil), l.Token...)
		flipped[i] ^= 0x41
		tokens = append(tokens, flipped, l.Token[:i])
	}
	for _, tok := range tokens {
		r.refuse(done(tok), semabus.ReasonStaleLease)
		if errs := r.d.Renew(r.ctx(), tenant, []driver.Renewal{{Token: tok}}); semabus.ReasonOf(errs[0]) != semabus.ReasonStaleLease {
			r.t.Fatalf("token %x was renewed: %v", tok, errs)
		}
		if len(tok) > 0 {
			if _, err := r.d.Find(r.ctx(), &driver.Query{Tenant: tenant, Token: tok}); err != nil {
				r.t.Fatalf("Find of token %x: %v", tok, err)
			}
		}
	}
	r.none("g")
	r.apply(done(l.Token))
}

func foreignTenant(r *rig) {
	r.apply(put("m", "g"))
	own := put("m", "g")
	own.Tenant = "umbra"
	r.apply(own)
	l := r.one("g")
	b := done(l.Token)
	b.Tenant = "umbra"
	r.refuse(b, semabus.ReasonStaleLease)
	if errs := r.d.Renew(r.ctx(), "umbra", []driver.Renewal{{Token: l.Token}}); semabus.ReasonOf(errs[0]) != semabus.ReasonStaleLease {
		r.t.Fatalf("another tenant's token was renewed: %v", errs)
	}
	if f := r.find(driver.Query{Tenant: "umbra", Token: l.Token}); f.Message != nil || len(f.Deliveries) != 0 {
		r.t.Fatalf("another tenant's token finds %+v", f)
	}
	r.apply(done(l.Token))
}
