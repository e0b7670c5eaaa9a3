// Package wrong is not the name of the package, which the rule on docs notices however long the comment is.
package b // want-package docs examples

import _ "example.com/bad/b/driver" // want imports
