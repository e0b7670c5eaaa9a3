package semabus

import "time"

// The default bounds of docs/design.md §9. A configured node may set others; each is checked before anything is stored.
const (
	MaxMessageBytes     = 4 << 20  // one message, encoded
	MaxFrameBytes       = 1 << 20  // one frame of a stream; a larger message travels alone
	MaxTextBytes        = 32 << 10 // Message.Text
	MaxHeaders          = 64       // headers a message
	MaxHeaderBytes      = 8 << 10  // one header's name + value
	MaxIDBytes          = 256      // any id, name, topic, group, session, key
	MaxExamples         = 10_000   // examples an intent
	MaxDescriptionBytes = 8 << 10  // Intent.Description
	MaxFilterBytes      = 4 << 10  // Intent.Filter
	MaxEventBytes       = 1 << 20  // one event of a session or other log
	MaxOutputs          = 256      // outputs a settlement
	MaxFanout           = 16       // groups a set delivers one message to
	MaxHops             = 16       // links of a causal chain
	MaxRootMessages     = 1000     // messages one root may cause
	DefaultPriority     = 4
	DefaultLease        = 30 * time.Second
	DefaultGrace        = 2 * time.Second
	DefaultDedupWindow  = 24 * time.Hour
	DefaultDedupMax     = 10_000_000
	DefaultTenant       = "default"
)

// Reserved groups of each tenant. Names that begin with '$' cannot be registered by a client.
const (
	GroupIngress    = "$ingress"   // asynchronous publishes waiting for their decision
	GroupUnmatched  = "$unmatched" // decision none
	GroupHeld       = "$held"      // ambiguous, policy hold
	GroupDeadLetter = "$dlq"       // dead letters of all groups of the tenant; attribute group says whose
	GroupPrepared   = "$prepared"  // messages of transactions that are not resolved yet; key: the producer group
	GroupOperations = "$ops"       // reserved operations that are not resolved yet; key: the group they work for
)
