// Package api is the gRPC and HTTP face of a bus: the contract (semabus/v1, and v1alpha for what is agreed but not built),
// its generated code, and thin handlers that translate, authenticate and never decide.
//
// Main path:
//
//	call ─► credential ─► permission of the method ─► decode check ─► handler: pb → vocabulary ─► internal/bus ─► pb
//	error ─► toStatus: code, reason, field, limit, value, fix as google.rpc details; unclassified = Internal, cause in the log
//
// Guarantees: tenant and principal come from the credential and never from a field; a method without a permission option
// keeps the server from being built; a method whose turn has not come answers UNIMPLEMENTED / NOT_BUILT by name; nothing a
// client sends (garbage, invalid UTF-8, 10 MB) ends in gRPC's Internal or in a crash; a commit that has begun is not torn
// by a client that goes away; a numbered publish stream never goes on behind a message that might succeed later; a lost
// Subscribe stream leaves its leases exactly the group's grace.
//
// The reference of every field is in the comments of the .proto files; docs/rfc/0001-contract.md has the table of all verbs.
package api
