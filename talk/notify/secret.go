package notify

import (
	"regexp"
	"slices"

	"lifeboat/secret"
)

// secrets puts the values of environment variables where the plan refers to them, and keeps them out of what people read.
type secrets struct {
	look    func(name string) (string, bool)
	missing []string
	secret.Veil
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
		s.Hide(value)
		return value
	})
}
