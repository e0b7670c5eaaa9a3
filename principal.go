package semabus

// Role says what a credential may do; a higher role includes nothing of another unless listed in docs/security.md.
type Role string

// The roles of `semabus key create --role`.
const (
	RolePublisher Role = "publisher" // publish, match, why of own messages
	RoleAgent     Role = "agent"     // publisher + intents and groups of its own, subscribe, settle, feedback
	RoleOperator  Role = "operator"  // agent + group configuration, stats, browse, redrive
	RoleAdmin     Role = "admin"     // operator + keys and node administration
)

// Principal is an authenticated caller. It comes from the credential only, never from a request field.
type Principal struct {
	Tenant string // isolation boundary; "default" on a node without keys
	Name   string // the credential's name; set as [Message.Source] of what it publishes
	Role   Role
	Set    string // default set of intents registered under this credential
}
