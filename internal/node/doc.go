// Package node is the composition root: the only importer of backends. It turns a [Config] into the parts of a running
// semabus node, owns their goroutines and closes them in reverse order.
//
// Main path: [Open] checks the configuration, takes the data folder, opens one backend a seam by the scheme of its URL, folds
// the registry and binds both ports; [Node.Run] serves until its context ends, then stops in two steps: no new work, then a
// grace for what is under way.
//
// Guarantees: a node without keys serves loopback only, unless told to be insecure; one data folder is one node's; whatever
// Open opened is closed by Run, or by Open itself when it fails.
package node
