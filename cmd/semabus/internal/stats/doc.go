// Package stats is `semabus stats`: one look at a node, who asks, and what waits.
package stats
