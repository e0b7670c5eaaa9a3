// Package view gives the vocabulary its JSON form on the command line: the proto's names in snake_case, durations as seconds
// with an s ("1.5s"), times in RFC 3339, bytes in base64. What is empty is left out, but for fields that a reader counts on.
//
//	output.JSON(w, view.NewReceipt(r))
//
// Matches and decisions, which several commands show, have their form for people here too.
package view
