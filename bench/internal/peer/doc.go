// Package peer starts the systems that are compared and publishes to each of them in the same way.
//
//	s, err := peer.Start(ctx, peer.JetStreamAlways, env)    // a process of its own, empty, ready
//	defer s.Close()
//	l := peer.NewLoad(options, clock)
//	err = s.Publish(ctx, l)                                 // publishers until l.Stop(), and until all is acknowledged
//	took, n := l.Acked()
//
// The peers: semabus decides each message over its intents and syncs it; JetStream (one stream, file store) with
// sync_interval: always or with its default, which does not sync before it acknowledges; Redis (one stream by XADD) with
// appendfsync always.
//
// Guarantees: the same number of publishers, connections, messages under way and the same texts for every peer; a message
// counts when its acknowledgement has reached its publisher; a refused message is an error of the run, never a smaller
// figure.
package peer
