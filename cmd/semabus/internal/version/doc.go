// Package version is `semabus version`: what was built, from which commit, for which machine.
package version
