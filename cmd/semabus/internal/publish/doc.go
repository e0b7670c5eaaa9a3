// Package publish is `semabus publish`: messages from the arguments, from lines of standard input or from one file, each
// answered by its receipt.
//
// Guarantees: receipts are printed in the order of the messages; a message that is refused for its own fault is named by its
// number and does not stop the others; a node that goes away does.
package publish
