// Package logs is `semabus log`: what the embedded engine's log holds, and whether it is whole, while no node runs.
package logs
