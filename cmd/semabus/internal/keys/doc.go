// Package keys is `semabus key`: API keys and certificate subjects, in the data folder, or through a running node with --addr.
//
// Guarantees: a secret is printed once, alone on standard output, and stored as a hash only; a running node sees a change in
// its data folder with the next call.
package keys
