// Package config turns defaults, a YAML file, SEMABUS_* variables and flags into the node's configuration, and is
// `semabus init` and `semabus config`.
//
//	var s config.Sources
//	s.Bind(cmd)                    // --config, and one flag for each key
//	l, err := s.Load(os.Environ()) // l.Config is what node.Open takes, l.Origins says where each value comes from
//
// Guarantees: a later source wins; an unknown key is an error that names it, its place and the nearest known key; every fault
// of all sources is listed at once; [Keys] has exactly the keys of node.Config, so that `init`, the flags and the variables
// cannot fall behind it.
package config
