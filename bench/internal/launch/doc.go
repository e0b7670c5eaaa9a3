// Package launch is what the commands of this module have in common: exit codes, interrupts, and a place to measure in.
//
//	func main() { os.Exit(launch.Main(run)) }
//	site, err := launch.Open(ctx, launch.Options{Dir: *dir, Binary: *binary}, clock, progress)
//	defer site.Close()                                       // whatever was put there is gone
//
// Guarantees: one SIGINT or SIGTERM ends a command in order, a second at once; figures that fell below a gate are exit code 1
// and nothing else is; a folder in memory is refused, for a sync there costs nothing and means nothing.
package launch
