// Package long has a function over the limit in a file over the limit, which two different rules must notice.
package long // want-package examples
