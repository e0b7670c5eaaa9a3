package bus_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	semabus "github.com/semabus/semabus"
)

// TestListGroups: a group is listed however it came about, page by page, and the reserved ones are not.
func TestListGroups(t *testing.T) {
	t.Parallel()
	b := setup(t)
	desk(t, b)
	_, err := b.ConfigureGroup(t.Context(), alice, "", semabus.GroupConfig{Name: "audits", MaxConcurrency: 3})
	must(t, err)
	publish(t, b, &semabus.Message{To: "postbox", Text: "hello"})
	publish(t, b, &semabus.Message{Text: "zebras gallop across savannahs"}) // waits in $unmatched
	var names []string
	concurrency := map[string]int{}
	after := ""
	for {
		page, next, err := b.ListGroups(t.Context(), alice, after, 3)
		must(t, err)
		for _, g := range page {
			names = append(names, g.Name)
			concurrency[g.Name] = g.MaxConcurrency
			if g.Lease != semabus.DefaultLease {
				t.Errorf("%s lacks its defaults: %+v", g.Name, g)
			}
		}
		if after = next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"audits", "cards", "postbox", "refunds"}, names); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if concurrency["audits"] != 3 || concurrency["cards"] != 0 {
		t.Errorf("limits are %v", concurrency)
	}
	if none, _, err := b.ListGroups(t.Context(), semabus.Principal{Tenant: "umbra", Name: "eve", Role: semabus.RoleAdmin}, "", 0); err != nil || len(none) != 0 {
		t.Errorf("another tenant sees %v, %v", none, err)
	}
}
