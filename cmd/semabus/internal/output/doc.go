// Package output prints results: tables for people, one JSON object a line for programs.
//
//	t := output.NewTable("GROUP", "READY")
//	t.Row("refunds", "3")
//	t.Write(w)
//	output.JSON(w, v)
//
// Guarantees: columns line up for Chinese text too, which is two columns wide; control characters of foreign text never
// reach the terminal; JSON keeps characters as they are.
package output
