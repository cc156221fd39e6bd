package secret

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// Veil takes what was hidden out of texts. It is safe for concurrent use; the zero value hides nothing.
type Veil struct {
	mu     sync.RWMutex
	hidden []string // longest first
}

const (
	hiddenMin = 4 // a shorter one would black out ordinary words
	pieceMin  = 6
)

// Hide remembers a secret in every form in which an error may show it: as it is, quoted for an address, and each of its
// pieces, because some services build other addresses of them.
func (v *Veil) Hide(value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value)}
	for _, piece := range strings.FieldsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(piece) >= pieceMin {
			forms = append(forms, piece)
		}
	}
	for _, form := range forms {
		if len(form) >= hiddenMin && !slices.Contains(v.hidden, form) {
			v.hidden = append(v.hidden, form)
		}
	}
	slices.SortFunc(v.hidden, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
}

// Scrub takes everything hidden out of a text.
func (v *Veil) Scrub(text string) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, value := range v.hidden {
		text = strings.ReplaceAll(text, value, "…")
	}
	return text
}
