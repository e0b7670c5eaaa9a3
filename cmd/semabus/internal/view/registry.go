package view

import (
	"strconv"
	"time"

	semabus "github.com/semabus/semabus"
	"github.com/semabus/semabus/client"
)

// The names of the vocabulary's small enums on the command line and in JSON, by value.
var (
	Prefers     = []string{"precision", "recall"}
	Dispatches  = []string{"event", "task"}
	Ambiguities = []string{"best", "all", "hold"}
)

func name(names []string, v uint8) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "unknown"
}

// Intent is a semabus.Intent.
type Intent struct {
	Name            string            `json:"name"`
	Description     string            `json:"description,omitempty"`
	Examples        []string          `json:"examples,omitempty"`
	CounterExamples []string          `json:"counter_examples,omitempty"`
	Filter          string            `json:"filter,omitempty"`
	Topics          []string          `json:"topics,omitempty"`
	Group           string            `json:"group"`
	Set             string            `json:"set"`
	Independent     bool              `json:"independent,omitempty"`
	Budget          *Budget           `json:"budget,omitempty"`
	AcceptOwn       bool              `json:"accept_own,omitempty"`
	Attributes      map[string]string `json:"attributes,omitempty"`
	Version         uint64            `json:"version"`
	UpdateTime      *time.Time        `json:"update_time,omitempty"`
	UpdatedBy       string            `json:"updated_by,omitempty"`
	RegistryVersion uint64            `json:"registry_version,omitempty"` // of a change that was just made
}

// Budget is a semabus.Budget.
type Budget struct {
	MaxWrong  float64 `json:"max_wrong,omitempty"`
	MaxMissed float64 `json:"max_missed,omitempty"`
	Prefer    string  `json:"prefer"`
}

// NewIntent shows in.
func NewIntent(in *semabus.Intent) Intent {
	out := Intent{Name: in.Name, Description: in.Description, Examples: in.Examples, CounterExamples: in.CounterExamples,
		Filter: in.Filter, Topics: in.Topics, Group: in.Group, Set: in.Set, Independent: in.Independent, AcceptOwn: in.AcceptOwn,
		Attributes: in.Attributes, Version: in.Version, UpdateTime: instant(in.UpdatedAt), UpdatedBy: in.UpdatedBy}
	if b := in.Budget; b != nil {
		out.Budget = &Budget{MaxWrong: b.MaxWrong, MaxMissed: b.MaxMissed, Prefer: name(Prefers, uint8(b.Prefer))}
	}
	return out
}

// NewRegistered shows an intent that was just registered or updated.
func NewRegistered(r *client.Registered) Intent {
	out := NewIntent(&r.Intent)
	out.RegistryVersion = r.RegistryVersion
	return out
}

// Set is a semabus.Set.
type Set struct {
	Name      string `json:"name"`
	Dispatch  string `json:"dispatch"`
	Ambiguity string `json:"ambiguity"`
	MaxFanout int    `json:"max_fanout"`
	Version   uint64 `json:"version"`
}

// NewSet shows s.
func NewSet(s semabus.Set) Set {
	return Set{Name: s.Name, Dispatch: name(Dispatches, uint8(s.Dispatch)), Ambiguity: name(Ambiguities, uint8(s.Ambiguity)),
		MaxFanout: s.MaxFanout, Version: s.Version}
}

// Group is a semabus.GroupConfig.
type Group struct {
	Name           string   `json:"name"`
	MaxConcurrency int      `json:"max_concurrency"` // 0 = unlimited
	Lease          string   `json:"lease"`
	Grace          string   `json:"grace"`
	MaxAttempts    int      `json:"max_attempts"`
	RetryBase      string   `json:"retry_base"`
	RetryCap       string   `json:"retry_cap"`
	SessionOrder   bool     `json:"session_order"`
	MaxDepth       int64    `json:"max_depth"` // 0 = unlimited
	Topics         []string `json:"topics"`
	Ageing         string   `json:"ageing"` // "0s" = strict priority
	OnExpiry       string   `json:"on_expiry"`
	Version        uint64   `json:"version"`
}

// NewGroup shows g.
func NewGroup(g semabus.GroupConfig) Group {
	return Group{Name: g.Name, MaxConcurrency: g.MaxConcurrency, Lease: seconds(g.Lease), Grace: seconds(g.Grace), MaxAttempts: g.MaxAttempts,
		RetryBase: seconds(g.RetryBase), RetryCap: seconds(g.RetryCap), SessionOrder: g.SessionOrder, MaxDepth: g.MaxDepth,
		Topics: list(g.Topics), Ageing: strconv.FormatFloat(g.Ageing.Seconds(), 'f', -1, 64) + "s", OnExpiry: g.OnExpiry.String(), Version: g.Version}
}

// GroupStats is a semabus.GroupStats.
type GroupStats struct {
	Group       string  `json:"group"`
	Ready       int64   `json:"ready"`
	Delayed     int64   `json:"delayed"`
	Leased      int64   `json:"leased"`
	Settled     int64   `json:"settled"`
	DeadLetters int64   `json:"dead_letters"`
	Members     int     `json:"members"`
	OldestReady float64 `json:"oldest_ready_s"`
	Paused      bool    `json:"paused"`
}

// NewGroupStats shows all; never null in JSON.
func NewGroupStats(all []semabus.GroupStats) []GroupStats {
	out := make([]GroupStats, len(all))
	for i, s := range all {
		out[i] = GroupStats{Group: s.Group, Ready: s.Ready, Delayed: s.Delayed, Leased: s.Leased, Settled: s.Settled,
			DeadLetters: s.DeadLetters, Members: s.Members, OldestReady: s.OldestReady.Seconds(), Paused: s.Paused}
	}
	return out
}

// Info is a client.Info.
type Info struct {
	Version         string     `json:"version"`
	ClusterID       string     `json:"cluster_id"`
	Broker          string     `json:"broker"`
	Index           string     `json:"index"`
	Embed           string     `json:"embed"`
	Space           string     `json:"space"`
	StartTime       *time.Time `json:"start_time,omitempty"`
	Intents         int        `json:"intents"`
	RegistryVersion uint64     `json:"registry_version"`
	PendingRefits   int        `json:"pending_refits"`
	Messages        int64      `json:"messages"`
	DiskBytes       int64      `json:"disk_bytes"`
	Syncs           int64      `json:"syncs"`
	Commits         int64      `json:"commits"`
	Tenant          string     `json:"tenant"`
	Principal       string     `json:"principal"`
	Role            string     `json:"role"`
}

// NewInfo shows i.
func NewInfo(i *client.Info) Info {
	return Info{Version: i.Version, ClusterID: i.ClusterID, Broker: i.Broker, Index: i.Index, Embed: i.Embed, Space: i.Space,
		StartTime: instant(i.StartedAt), Intents: i.Intents, RegistryVersion: i.RegistryVersion, PendingRefits: i.PendingRefits,
		Messages: i.Messages, DiskBytes: i.DiskBytes, Syncs: i.Syncs, Commits: i.Commits, Tenant: i.Tenant, Principal: i.Principal,
		Role: string(i.Role)}
}

// Key is a credential without its secret.
type Key struct {
	ID         string     `json:"id"`
	Tenant     string     `json:"tenant"`
	Name       string     `json:"name"`
	Set        string     `json:"set"`
	Role       string     `json:"role"`
	CreateTime *time.Time `json:"create_time,omitempty"`
	Revoked    bool       `json:"revoked"`
	Secret     string     `json:"secret,omitempty"` // of a key that was just created
}

// NewKey shows k.
func NewKey(k client.Key) Key {
	return Key{ID: k.ID, Tenant: k.Tenant, Name: k.Name, Set: k.Set, Role: string(k.Role), CreateTime: instant(k.CreatedAt), Revoked: k.Revoked}
}
