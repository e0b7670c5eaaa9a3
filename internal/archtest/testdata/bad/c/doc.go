// Package c is in no row of the import table, which is a violation by itself, whatever the package does or does not.
package c // want-package imports examples
