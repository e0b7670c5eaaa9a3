// Package why is `semabus why`: the reason why a published message reached a group, or did not, in one sentence, with the
// stored decision and the state of its deliveries.
package why
