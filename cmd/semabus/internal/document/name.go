package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold gives camelCase, snake_case, kebab-case and UPPER_CASE forms of one name the same form.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// Nearest is the known name that is fewest edits away from name, "" when none is near. Known names are compared folded.
func Nearest(name string, known []string) string {
	folded := Fold(name)
	best, nearest := utf8.RuneCountInString(folded)/2+2, ""
	for _, k := range known {
		if d := distance(folded, Fold(k)); d < best {
			best, nearest = d, k
		}
	}
	return nearest
}

// distance is the Levenshtein distance in runes. Names beyond 256 bytes are far from everything.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(a) > 256 || len(b) > 256 {
		return max(len(x), len(y))
	}
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j, s := range y {
			cost := diagonal
			if r != s {
				cost = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(y)]
}
