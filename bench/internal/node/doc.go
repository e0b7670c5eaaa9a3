// Package node runs the semabus of the checkout as a process of its own: what is measured is the program that is shipped,
// through its network API.
//
//	binary, err := node.Build(ctx, dir)                        // go build in the checkout that this module replaces
//	n, err := node.Start(ctx, node.Options{Binary: binary, Dir: dir})
//	defer n.Close()
//	c, err := client.Dial(ctx, n.GRPC, client.Options{})
//	err = node.Register(ctx, c, clock, intents)                // returns when the router has settled on them
//	n, err = node.Prepared(ctx, options, clock, 1000)          // Start and Register with the intents of the workload
//	n.Kill(); err = n.Restart(ctx)                             // kill -9, then the same data on the same ports
//
// Guarantees: the node's data lies under Dir and is durable; Close ends the process and waits for it.
package node
