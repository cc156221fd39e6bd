// Package prose is how lifeboat puts numbers, spans of time and names to people, so that reports, reviews, faults and
// the journal's lines say the same thing in the same way.
//
// Everything here is a pure function from a value to the words for it. It knows no word of the flow, decides nothing,
// and nothing reads its text back: what programs read is written in numbers, beside it.
package prose

import (
	"fmt"
	"strings"
	"time"
)

// Count is a number of things, for nouns that take an s: "1 order", "3 orders".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Span is a duration as people say it, to the second and in the two largest units: "42 s", "1 min 30 s", "1 d 3 h".
func Span(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 0:
		return "-" + Span(d.Abs())
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return two(s/60, "min", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s%3600/60, "min")
	}
	return two(s/86400, "d", s%86400/3600, "h")
}

func two(large int64, unit string, small int64, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, smallUnit)
}

// Grouped sets a number in groups of thousands: 38376.36 becomes 38,376.36.
func Grouped(number string) string {
	sign := ""
	if strings.HasPrefix(number, "-") {
		sign, number = "-", number[1:]
	}
	whole, rest, broken := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if broken {
		whole += "." + rest
	}
	return sign + whole
}

// After puts a mark before a text that is there; what is not said needs no mark.
func After(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}

// Inline keeps a text of others on its line and in its cell of a Markdown page, and its signs from being taken for
// markup.
func Inline(text string) string { return markup.Replace(OneLine(text)) }

var markup = strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`)

// OneLine keeps what people wrote on one line.
func OneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
