// Package helpdesk is the example that `semabus demo` plays: the intents of eight help-desk agents in plain words, and
// messages of imagined customers in English and Chinese with the agents each is meant for.
//
// [Intents] is what the agents register, [Messages] what the customers say, [Dev] the separate list on which the intents
// were improved. The files are embedded, so the demo works wherever the binary is.
package helpdesk
