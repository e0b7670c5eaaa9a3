package embed

import "unicode"

// Language is a coarse guess from the script of a text: enough to choose weights, not to translate.
type Language string

// The languages told apart.
const (
	LanguageNone    Language = ""      // no letter
	LanguageLatin   Language = "en"    // Latin letters; English is what the default model knows
	LanguageChinese Language = "zh"    // Han characters
	LanguageMixed   Language = "mixed" // at least a fifth of each
	LanguageOther   Language = "other" // another script
)

// languageRunes is how far a text is looked at.
const languageRunes = 512

// LanguageOf guesses the language of a text from its first runes. One Han character counts as much as three Latin letters,
// about what either takes to write a word.
func LanguageOf(text string) Language {
	var latin, han, other, seen int
	for _, r := range text {
		if seen++; seen > languageRunes {
			break
		}
		switch {
		case r < 0x80:
			if c := r | 0x20; 'a' <= c && c <= 'z' {
				latin++
			}
		case unicode.Is(unicode.Han, r):
			han += 3
		case unicode.Is(unicode.Latin, r):
			latin++
		case unicode.IsLetter(r):
			other++
		}
	}
	known := latin + han
	switch {
	case known+other == 0:
		return LanguageNone
	case other > known:
		return LanguageOther
	case 5*han < known:
		return LanguageLatin
	case 5*latin < known:
		return LanguageChinese
	}
	return LanguageMixed
}
