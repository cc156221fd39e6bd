package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"lifeboat/plan"
)

const (
	outputMax  = 4 << 10 // bytes of what a task said that a receipt keeps
	whyMax     = 600     // bytes of a sentence
	captureMax = 64 << 10
)

// A capture keeps the beginning and the end of what a program says, however much it says.
type capture struct {
	mu    sync.Mutex
	head  bytes.Buffer
	tail  []byte // the last bytes, in order
	total int
}

// Write never fails, so that no program stops for what it says.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	c.total += n
	room := min(len(p), captureMax/2-c.head.Len())
	c.head.Write(p[:room])
	c.tail = append(c.tail, p[room:]...)
	if extra := len(c.tail) - captureMax/2; extra > 0 {
		c.tail = append(c.tail[:0], c.tail[extra:]...)
	}
	return n, nil
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.total - c.head.Len() - len(c.tail); left > 0 {
		return fmt.Sprintf("%s\n… %d bytes left out …\n%s", c.head.Bytes(), left, c.tail)
	}
	return c.head.String() + string(c.tail)
}

// shorten cuts the middle out of a text that is longer than max bytes: how it began and how it ended says most.
func shorten(text string, max int) string {
	text = strings.TrimSpace(text)
	if len(text) <= max {
		return text
	}
	const mark = "\n… cut …\n"
	half := (max - len(mark)) / 2
	head, tail := text[:half], text[len(text)-half:]
	for !utf8.ValidString(head) {
		head = head[:len(head)-1]
	}
	for !utf8.ValidString(tail) {
		tail = tail[1:]
	}
	return head + mark + tail
}

// plain makes text of what a program said: no control characters, which a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control)) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// A scrubber takes the values of secrets out of what is told: of every variable that the plan refers to, and of every one
// whose name says that it is a secret. What a program makes up itself it cannot know.
type scrubber struct{ replace *strings.Replacer }

var (
	reference  = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
	secretName = regexp.MustCompile(`(?i)key|token|secret|pass|pwd|credential|auth|dsn|cookie|session`)
)

const (
	referredMin = 4 // bytes; a shorter value would be found everywhere
	secretMin   = 8
)

func newScrubber(p *plan.Plan) scrubber {
	refers := references(p)
	var secrets [][2]string // what is written, and what stands for it
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if refers[name] && len(value) >= referredMin || secretName.MatchString(name) && len(value) >= secretMin {
			for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value), quoted(value)} {
				secrets = append(secrets, [2]string{form, "${" + name + "}"})
			}
		}
	}
	// The longest first: of a secret that begins with another one nothing must be left over.
	slices.SortStableFunc(secrets, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s[0], s[1])
	}
	return scrubber{strings.NewReplacer(pairs...)}
}

// references are the names of the environment that a plan mentions.
func references(p *plan.Plan) map[string]bool {
	names := map[string]bool{}
	content, _ := json.Marshal(p) // the types of a plan always marshal
	for _, found := range reference.FindAllSubmatch(content, -1) {
		names[string(found[1])] = true
	}
	return names
}

func quoted(value string) string {
	text, _ := json.Marshal(value) // text always marshals
	return string(text[1 : len(text)-1])
}

func (s scrubber) clean(text string) string { return plain(s.replace.Replace(text)) }

// expand puts the values of environment variables where a text refers to them.
func expand(text string) (string, error) {
	var missing []string
	full := reference.ReplaceAllStringFunc(text, func(r string) string {
		name := reference.FindStringSubmatch(r)[1]
		value := os.Getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("the environment has no %s", strings.Join(missing, ", "))
	}
	return full, nil
}
