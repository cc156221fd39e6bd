package notify

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// secrets puts the values of environment variables where the plan refers to them, and keeps them out of what people read.
type secrets struct {
	look    func(name string) (string, bool)
	missing []string

	mu     sync.Mutex
	hidden []string // longest first
}

// reference to the environment, as the plan's check knows it too.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand replaces every ${NAME}. A name that the environment does not have is noted, and told with all others at the end.
func (s *secrets) expand(written string) string {
	return reference.ReplaceAllStringFunc(written, func(r string) string {
		name := reference.FindStringSubmatch(r)[1]
		value, ok := s.look(name)
		if !ok || value == "" {
			if !slices.Contains(s.missing, name) {
				s.missing = append(s.missing, name)
			}
			return ""
		}
		s.hide(value)
		return value
	})
}

const (
	hiddenMin = 4 // a shorter one would black out ordinary words
	pieceMin  = 6
)

// hide remembers a secret in every form in which an error may show it: as it is, quoted for an address, and each of its
// pieces, because some services build other addresses of them.
func (s *secrets) hide(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value)}
	for _, piece := range strings.FieldsFunc(value, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(piece) >= pieceMin {
			forms = append(forms, piece)
		}
	}
	for _, form := range forms {
		if len(form) >= hiddenMin && !slices.Contains(s.hidden, form) {
			s.hidden = append(s.hidden, form)
		}
	}
	slices.SortFunc(s.hidden, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
}

// scrub takes everything secret out of a text.
func (s *secrets) scrub(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.hidden {
		text = strings.ReplaceAll(text, value, "…")
	}
	return text
}
