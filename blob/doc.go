// Package blob is the portable store of payloads too large for a message: immutable contents under their SHA-256, each
// tenant's apart, over any backend behind blob/driver.
//
// Main path:
//
//	s, err := blob.New(backend, blob.Options{})
//	info, err := s.Put(ctx, "default", body)                   // hash and size; equal content is stored once a tenant
//	infos, err := s.Touch(ctx, "default", []string{info.Hash}) // before a message that refers to it is committed
//	r, size, err := s.Open(ctx, "default", info.Hash, 0)       // then read, then Close
//	swept, err := s.Sweep(ctx, "default", time.Time{}, referenced)
//
// Guarantees, on every backend that passes package blobtest:
//
//   - A Put that returned is durable. One that failed, or whose process died, left no blob or a whole one, which the next sweep
//     takes.
//   - Bytes read are the bytes put, from any offset: damage is DATA_LOSS/DATA_DAMAGED before a wrong byte is handed out.
//   - Content beyond Options.MaxBytes is INVALID_ARGUMENT/TOO_LARGE before anything is stored. Content that cannot be read
//     twice waits in memory up to 1 MiB and in a temporary file beyond.
//   - Sweep (mark and sweep) deletes what nothing refers to and what was neither put nor touched for Options.Grace, an hour by
//     default. Whoever is about to refer to a blob touches it first; a blob is then safe until the reference is visible to
//     the sweep, if that takes less than the grace.
//   - A tenant cannot tell whether another one has a content: a hash is found only by who put it.
//
// All errors are *semabus.Error, but for what the function given to Sweep answers, which is passed on.
package blob
