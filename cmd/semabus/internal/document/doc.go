// Package document reads the files that people write for semabus: YAML, and so JSON, with keys in camelCase or snake_case.
//
//	in, err := document.Load[Intent](stdin, "intents.yaml", "intent") // one mapping, a list, or several documents: all give a list
//
// Guarantees: an unknown key is an error that names it, its line and the nearest known key; a key given twice is an error;
// every fault of a file is listed at once; nothing of a faulty file is returned.
package document
