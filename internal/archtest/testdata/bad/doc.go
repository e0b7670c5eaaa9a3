// Package bad is the root of a module that breaks every rule, each once: this comment is long enough for the rule on docs.
package bad // want-package examples func-share
