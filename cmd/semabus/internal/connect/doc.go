// Package connect are the flags with which a command finds a node, and the connection they make.
//
//	var to connect.Flags
//	to.Bind(cmd)                                  // --addr, --api-key, --tls …
//	c, err := to.Dial(cmd.Context())              // SEMABUS_ADDR and SEMABUS_API_KEY where no flag is given
//	defer connect.End(c)
//
// Guarantees: a node that is away is an error at once, or after --patience; a key never shows in --help.
package connect
