// Package relay is a network between a client and a node that can be made to fail: a TCP relay on a loopback port.
//
//	r, err := relay.Listen(clock, node.GRPC)
//	defer r.Close()
//	client.Dial(ctx, r.Addr(), …)
//	r.Cut(true); err = r.Restore(ctx)      // every connection is reset and the port is away; the port is back
//	r.Freeze(); r.Thaw()                   // nothing gets through meanwhile, and nobody is told
//	r.Mute(); r.Cut(false); r.Restore(ctx) // requests arrive and their answers do not
//
// Guarantees: Addr is the same after Restore; bytes are never reordered, changed or dropped in the middle of a connection that
// goes on: after Mute a connection is of no more use, and Cut ends it.
package relay
