// Command claims tries what semabus claims of its architecture, on this machine. The README of the module says what each
// claim is and how it is tried.
//
//	go -C bench run ./claims
//	go -C bench run ./claims --claims reconnect,tasks --cuts 50 --tasks 20000 --kills 3 --json
//
// The exit code is 1 when a claim does not hold, 2 for a bad flag, 3 when something could not be run.
package main
