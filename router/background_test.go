package router_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/semabus/semabus/router"
)

// TestBackgroundFiles: each language has its share, and every line is a message by itself.
func TestBackgroundFiles(t *testing.T) {
	t.Parallel()
	const fewest, longest = 500, 300 // lines a language; bytes a line
	for language, file := range router.BackgroundFiles {
		if !strings.HasSuffix(file, "\n") {
			t.Errorf("%s: the last line has no end", language)
		}
		lines := strings.Split(strings.TrimSuffix(file, "\n"), "\n")
		if len(lines) < fewest {
			t.Errorf("%s: %d lines, want %d or more", language, len(lines), fewest)
		}
		for i, line := range lines {
			switch {
			case line == "" || line != strings.TrimSpace(line):
				t.Errorf("%s:%d: empty, or space around %q", language, i+1, line)
			case len(line) > longest:
				t.Errorf("%s:%d: %d bytes, want %d or fewer", language, i+1, len(line), longest)
			case !utf8.ValidString(line):
				t.Errorf("%s:%d: not UTF-8: %q", language, i+1, line)
			case language == "en" && strings.ContainsFunc(line, han):
				t.Errorf("%s:%d: not English: %q", language, i+1, line)
			}
		}
	}
}

// TestBackgroundTexts: all lines of both files are returned once, the languages in turns, and the same each time.
func TestBackgroundTexts(t *testing.T) {
	t.Parallel()
	texts := router.BackgroundTexts()
	total := strings.Count(router.BackgroundFiles["en"], "\n") + strings.Count(router.BackgroundFiles["zh"], "\n")
	if len(texts) != total {
		t.Errorf("%d texts of %d lines", len(texts), total)
	}
	seen := make(map[string]int, len(texts))
	for i, text := range texts {
		key := strings.ToLower(strings.TrimRightFunc(text, unicode.IsPunct))
		if first, ok := seen[key]; ok {
			t.Errorf("text %d repeats text %d: %q", i, first, text)
		}
		seen[key] = i
	}
	english, chinese := strings.SplitN(router.BackgroundFiles["en"], "\n", 3), strings.SplitN(router.BackgroundFiles["zh"], "\n", 3)
	if diff := cmp.Diff([]string{english[0], chinese[0], english[1], chinese[1]}, texts[:4]); diff != "" {
		t.Errorf("the languages do not take turns (-want +got):\n%s", diff)
	}

	kept := slices.Clone(texts)
	clear(texts)
	if diff := cmp.Diff(kept, router.BackgroundTexts()); diff != "" {
		t.Errorf("a second call differs (-first +second):\n%s", diff)
	}
}

func han(r rune) bool { return unicode.Is(unicode.Han, r) }
