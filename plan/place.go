package plan

import (
	"strings"
	"unicode/utf8"
)

// Places knows where every value of a plan is written: triggers[2].condition → file, line and column. Lists are
// counted over all files, as in [Plan].
type Places struct {
	at map[string]place
}

// A place is a node of a file, or the part of its text after the first skip characters.
type place struct {
	node *node
	text string
	skip int
}

func newPlaces() *Places { return &Places{at: map[string]place{}} }

func (p *Places) set(path string, n *node) { p.at[path] = place{node: n, text: n.text} }

// alias lets one path stand where another does; what is derived points at what was written.
func (p *Places) alias(path, written string) { p.at[path] = p.find(written) }

// part is a path that stands inside the text of a node.
func (p *Places) part(path string, n *node, text string, skip int) {
	p.at[path] = place{node: n, text: text, skip: skip}
}

// At is the place of the character at offset within the value at path, as a fault without a message. A path that was
// never written, such as a default's, is answered with what it is part of.
func (p *Places) At(path string, offset int) Fault {
	found := p.find(path)
	if found.node == nil {
		return Fault{}
	}
	if _, written := p.at[path]; !written {
		offset = 0 // a place in what is derived is none in what was written
	}
	line, column := found.node.position(found.skip + max(offset, 0))
	return Fault{File: found.node.file.name, Line: line, Column: column, Text: shorten(found.text, textMax)}
}

func (p *Places) find(path string) place {
	for {
		if found, ok := p.at[path]; ok {
			return found
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return place{}
		}
		path = path[:cut]
	}
}

// textMax is how much of what was written a fault repeats.
const textMax = 80

// shorten cuts at a word's end where one is near.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	cut := string([]rune(text)[:limit-1])
	if i := strings.LastIndexByte(cut, ' '); i > len(cut)/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ") + "…"
}

// position of the character at offset of a scalar's value, found by walking its source beside its value: quotes
// double, escapes and folded lines are longer in the one than in the other.
func (n *node) position(offset int) (line, column int) {
	if n.kind != scalar || offset == 0 && n.style != block {
		return n.line, n.column
	}
	walk := walker{lines: n.file.lines, line: n.line, column: n.column, style: n.style}
	switch n.style {
	case single, double:
		walk.column++
	case block:
		walk.line, walk.column = n.line+1, 1
		walk.indent = walk.blockIndent()
		walk.column += walk.indent
	}
	for i, r := range []rune(n.text) {
		walk.seek(r)
		if i == offset {
			break
		}
		walk.step(r)
	}
	return walk.line, walk.column
}

// A walker stands in the source of one scalar, at the character that its value is expected to go on with.
type walker struct {
	lines        []string
	line, column int // from 1
	style        style
	indent       int // of a block
}

// rest of the current line.
func (w *walker) rest() []rune {
	if w.line < 1 || w.line > len(w.lines) {
		return nil
	}
	line := []rune(w.lines[w.line-1])
	return line[min(max(w.column-1, 0), len(line)):]
}

// seek skips what stands in the source only: the indent of a following line, or empty lines around a fold.
func (w *walker) seek(r rune) {
	for w.line < len(w.lines) && len(w.rest()) == 0 && r != ' ' && r != '\n' {
		w.newLine()
	}
}

// step passes the source of one character of the value.
func (w *walker) step(r rune) {
	rest := w.rest()
	switch {
	case len(rest) == 0 || w.style != block && r == ' ' && strings.TrimSpace(string(rest)) == "":
		w.newLine()
	case w.style == single && r == '\'':
		w.column += 2
	case w.style == double && rest[0] == '\\':
		w.column += escapeLength(rest)
	default:
		w.column++
	}
}

func (w *walker) newLine() {
	w.line++
	w.column = 1
	if w.style == block {
		w.column += w.indent
		return
	}
	rest := string(w.rest())
	w.column += utf8.RuneCountInString(rest) - utf8.RuneCountInString(strings.TrimLeft(rest, " \t"))
}

// blockIndent is the indent of the block's first line that is not empty.
func (w *walker) blockIndent() int {
	for i := w.line - 1; i >= 0 && i < len(w.lines); i++ {
		if strings.TrimSpace(w.lines[i]) != "" {
			return len(w.lines[i]) - len(strings.TrimLeft(w.lines[i], " "))
		}
	}
	return 0
}

func escapeLength(rest []rune) int {
	if len(rest) < 2 {
		return 1
	}
	switch rest[1] {
	case 'x':
		return 4
	case 'u':
		return 6
	case 'U':
		return 10
	}
	return 2
}
