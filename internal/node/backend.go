package node

import (
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/broker/driver"
	"github.com/semabus/semabus/broker/localbroker"
	embeddriver "github.com/semabus/semabus/embed/driver"
	"github.com/semabus/semabus/embed/localembed"
	indexdriver "github.com/semabus/semabus/router/driver"
	"github.com/semabus/semabus/router/localindex"
)

// opening is what every opener gets.
type opening struct {
	config Config
	clock  semabus.Clock
	logger *slog.Logger
}

// The backends, one map a seam, chosen by the URL's scheme.
var (
	brokers = map[string]func(opening) (driver.Driver, io.Closer, error){
		"local": func(o opening) (driver.Driver, io.Closer, error) {
			b, err := localbroker.Open(localbroker.Options{Dir: filepath.Join(o.config.Data, "broker"), Clock: o.clock, Logger: o.logger,
				Relaxed: o.config.Relaxed, ClusterID: o.config.ClusterID, DedupMax: o.config.Dedup.Max,
				KeepSettled: o.config.Retention.Settled, KeepSettledBytes: o.config.Retention.SettledBytes,
				LedgerFor: o.config.Retention.Ledger, LedgerBytes: o.config.Retention.LedgerBytes})
			if err != nil {
				return nil, nil, err
			}
			return b, b, nil
		},
	}
	embedders = map[string]func(opening) (embeddriver.Driver, error){
		"local": func(opening) (embeddriver.Driver, error) { return localembed.New(), nil },
	}
	blobStores = map[string]struct{}{ // named by the configuration already; no method of the contract that uses one is built
		"local": {},
	}
	indexes = map[string]func(opening) (indexdriver.Driver, error){
		"local": func(opening) (indexdriver.Driver, error) { return localindex.New(), nil },
	}
)

// schemes lists the known schemes of a seam's URL, sorted.
func schemes(field string) []string {
	switch field {
	case "broker":
		return slices.Sorted(maps.Keys(brokers))
	case "embed":
		return slices.Sorted(maps.Keys(embedders))
	case "index":
		return slices.Sorted(maps.Keys(indexes))
	}
	return []string{"local"} // blobs: the store that is not opened yet
}

// choose finds a seam's opener by the URL's scheme.
func choose[T any](field, url string, known map[string]T) (T, error) {
	scheme, _, _ := strings.Cut(url, ":")
	open, ok := known[scheme]
	if !ok {
		return open, &semabus.Error{Code: semabus.CodeInvalidArgument, Reason: semabus.ReasonInvalidValue, Op: "config", Field: field,
			Value: semabus.Shorten(url), Limit: strings.Join(slices.Sorted(maps.Keys(known)), ", "), Fix: "choose one of the known schemes"}
	}
	return open, nil
}
