package rule

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with an expression, and where.
type Fault struct {
	Offset     int    `json:"offset"` // in characters
	Length     int    `json:"length"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"` // what to write instead
}

// Error makes a fault an error.
func (f Fault) Error() string {
	if f.Suggestion == "" {
		return f.Message
	}
	return fmt.Sprintf("%s; did you mean %s?", f.Message, f.Suggestion)
}

// Position of a fault in its expression, counted from 1 as editors do; columns are characters.
func (f Fault) Position(expr string) (line, column int) {
	before := []rune(expr)
	before = before[:min(f.Offset, len(before))]
	line, column = 1, len(before)+1
	for i, r := range before {
		if r == '\n' {
			line, column = line+1, len(before)-i
		}
	}
	return line, column
}

// Show is the line of the expression that holds the fault, with carets under it, and what is wrong. Of an expression of
// several lines it tells which line that is.
func (f Fault) Show(expr string) string {
	runes := []rune(expr)
	offset := min(f.Offset, len(runes))
	from, to := offset, offset
	for from > 0 && runes[from-1] != '\n' {
		from--
	}
	for to < len(runes) && runes[to] != '\n' {
		to++
	}
	place := ""
	if strings.Contains(strings.TrimSpace(expr), "\n") {
		line, column := f.Position(expr)
		place = fmt.Sprintf("line %d, column %d:\n", line, column)
	}
	line := strings.Map(blank, string(runes[from:to]))
	carets := min(max(f.Length, 1), max(to-offset, 1))
	return place + line + "\n" + strings.Repeat(" ", offset-from) + strings.Repeat("^", carets) + " " + f.Error()
}

// blank keeps a tab or a control character from moving the carets.
func blank(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}
