// Package serve is `semabus serve`: configuration → node.Open → one line on standard output → node.Run until a signal.
//
// Guarantees: the line {"grpc":"HOST:PORT","http":"HOST:PORT"} is printed once both ports accept connections, and it is the
// only thing on standard output; SIGINT and SIGTERM stop in order, a second one at once.
package serve
