package blobtest

import (
	"slices"
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
)

func listCases() []testCase {
	return []testCase{
		{"list/pages in order", pages},
		{"list/nothing", func(r *rig) {
			if list, err := r.d.List(r.t.Context(), "nobody", "", 10); err != nil || len(list) != 0 {
				r.t.Errorf("%v, %v", list, err)
			}
			if list, err := r.s.List(r.t.Context(), "nobody", "", 0); err != nil || len(list) != 0 {
				r.t.Errorf("portable: %v, %v", list, err)
			}
		}},
		{"delete/by time of the last touch", byTime},
		{"delete/a touch keeps", func(r *rig) {
			h := r.put(tenant, []byte("x"))
			r.clock.add(time.Hour)
			if _, err := r.d.Touch(r.t.Context(), tenant, []string{h}); err != nil {
				r.t.Fatal(err)
			}
			if n, err := r.d.Delete(r.t.Context(), tenant, r.clock.Now().Add(-time.Minute), []string{h}); n != 0 || err != nil {
				r.t.Errorf("Delete: %d, %v", n, err)
			}
			r.holds(tenant, []byte("x"))
		}},
		{"names/what is no hash", func(r *rig) {
			for _, h := range []string{"", "..", "../../lock", "A" + hashOf(nil)[1:], hashOf(nil) + "0", hashOf(nil)[:63] + "/"} {
				_, _, err := r.s.Open(r.t.Context(), tenant, h, 0)
				r.code("Open "+h, err, semabus.CodeInvalidArgument)
				_, err = r.s.Touch(r.t.Context(), tenant, []string{h})
				r.code("Touch "+h, err, semabus.CodeInvalidArgument)
			}
		}},
	}
}

// pages lists with pages of several sizes.
func pages(r *rig) {
	want := make([]string, 0, 100)
	for i := range 100 {
		want = append(want, r.put(tenant, []byte("blob "+strconv.Itoa(i))))
	}
	slices.Sort(want)
	for _, page := range []int{1, 7, 100, 1000} {
		var got []string
		for after := ""; ; {
			list, err := r.d.List(r.t.Context(), tenant, after, page)
			if err != nil || len(list) > page {
				r.t.Fatalf("page of %d: %d, %v", page, len(list), err)
			}
			if len(list) == 0 {
				break
			}
			for _, in := range list {
				if want := int64(len("blob 0")); in.Size < want || in.Size > want+1 || !in.Touched.Equal(r.clock.Now()) {
					r.t.Errorf("listed %+v", in)
				}
				got = append(got, in.Hash)
			}
			after = list[len(list)-1].Hash
		}
		if !slices.Equal(got, want) {
			r.t.Errorf("pages of %d: %d blobs, want %d in hash order", page, len(got), len(want))
		}
	}
	gone := hashOf([]byte("not in the list")) // a cursor need not exist
	list, err := r.d.List(r.t.Context(), tenant, gone, 100)
	if from, _ := slices.BinarySearch(want, gone); err != nil || len(list) != len(want)-from {
		r.t.Errorf("after a hash that is not there: %d, %v; want %d", len(list), err, len(want)-from)
	}
}

// byTime deletes with times around that of the last touch.
func byTime(r *rig) {
	h := r.put(tenant, []byte("old"))
	put := r.clock.Now()
	r.clock.add(time.Hour)
	young := r.put(tenant, []byte("young"))
	none := hashOf([]byte("none"))
	for _, c := range []struct {
		before time.Time
		want   int
	}{{put.Add(-time.Second), 0}, {put, 0}, {put.Add(time.Second), 1}, {put.Add(time.Second), 0}} {
		n, err := r.d.Delete(r.t.Context(), tenant, c.before, []string{none, h, young})
		if err != nil || n != c.want {
			r.t.Errorf("Delete before %v: %d, %v; want %d", c.before, n, err, c.want)
		}
	}
	r.lacks(tenant, h)
	r.holds(tenant, []byte("young"))
	if n, err := r.d.Delete(r.t.Context(), "nobody", r.clock.Now(), []string{h}); n != 0 || err != nil {
		r.t.Errorf("Delete for a tenant without blobs: %d, %v", n, err)
	}
}
