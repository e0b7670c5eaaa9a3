package soak

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Record is what a run knows about itself.
type Record struct {
	Run         string   `json:"run"`
	Acked       [][]Span `json:"acked"`     // by publisher: the places that were acknowledged, in order, without overlap
	Delivered   int64    `json:"delivered"` // deliveries handed to a consumer, every attempt
	Disconnects int64    `json:"disconnects_seen"`
}

// Span is the places from From up to and without Until.
type Span struct {
	From  int `json:"from"`
	Until int `json:"until"`
}

// spans writes down which places are true.
func spans(acked []bool) []Span {
	out := []Span{}
	for i, ok := range acked {
		switch {
		case !ok:
		case len(out) > 0 && out[len(out)-1].Until == i:
			out[len(out)-1].Until++
		default:
			out = append(out, Span{i, i + 1})
		}
	}
	return out
}

// union is all places of both lists.
func union(a, b []Span) []Span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Span) int { return cmp.Compare(x.From, y.From) })
	out := []Span{}
	for _, s := range all {
		if n := len(out); n > 0 && s.From <= out[n-1].Until {
			out[n-1].Until = max(out[n-1].Until, s.Until)
			continue
		}
		out = append(out, s)
	}
	return out
}

// merge adds what another record of the same run knows.
func (r *Record) merge(o Record) {
	r.Delivered, r.Disconnects = max(r.Delivered, o.Delivered), max(r.Disconnects, o.Disconnects)
	for len(r.Acked) < len(o.Acked) {
		r.Acked = append(r.Acked, nil)
	}
	for p, s := range o.Acked {
		r.Acked[p] = union(r.Acked[p], s)
	}
}

// decodeRecord reads a record and refuses one that makes no sense.
func decodeRecord(data []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return Record{}, err
	}
	if r.Run == "" {
		return Record{}, errors.New("a record without a run")
	}
	for _, list := range r.Acked {
		for _, s := range list {
			if s.From < 0 || s.Until < s.From || s.Until > maxMessages {
				return Record{}, fmt.Errorf("run %s: no span: %d–%d", r.Run, s.From, s.Until)
			}
		}
	}
	return r, nil
}

// statePath is where soak and verify look for the state of the node at addr unless told otherwise.
func statePath(addr string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:[]%`, r) {
			return '-'
		}
		return r
	}, addr)
	return filepath.Join(dir, "semabus", "soak-"+name+".json")
}

// writeState replaces the state file by one record.
func writeState(path string, r *Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	part := path + ".part"
	if err := os.WriteFile(part, data, 0o600); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// readState reads the state file; ok is false when there is none.
func readState(path string) (r Record, ok bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, false, nil
	}
	if err == nil {
		r, err = decodeRecord(data)
	}
	if err != nil {
		return Record{}, false, fmt.Errorf("state file %s: %w", path, err)
	}
	return r, true, nil
}
