// Package transaction is `semabus transaction`: messages that go out only if their producer's own transaction commits, for
// scripts and operators; programs use the client's Transaction.
package transaction
