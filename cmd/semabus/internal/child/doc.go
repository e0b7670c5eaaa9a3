// Package child runs this same program as child processes: a node for `eval` and `demo`, and the agents of `demo`.
//
//	n, err := child.StartNode(ctx, child.NodeOptions{})   // `serve` on free ports, temporary data folder
//	defer n.Close()                                       // ended and removed, whatever happened in between
//	client.Dial(ctx, n.GRPC, …)
//	n.Kill(); n.Restart(ctx)                              // kill -9, then the same data on the same ports
//
// Guarantees: a child ends with its parent, also when the parent is killed (parent death signal on Linux; an agent sees
// its standard input close everywhere). Children sit in a process group of their own, so that Ctrl-C reaches the parent
// only, which then ends them in order. Close is idempotent and waits for the process.
package child
