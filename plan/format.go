package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Format lays a plan file out like every other one: two spaces an indent, the items of a list indented below their
// key, one space after their dash, no spaces at the end of lines, at most one empty line in a row. It moves lines and
// never rewrites what stands in them, so that comments and the plan's hash stay what they were. A file that is JSON
// is indented as JSON.
//
// What is not YAML is refused, and so is a file that would mean something else afterwards.
func Format(src []byte) ([]byte, error) {
	if json.Valid(src) {
		return formatJSON(src)
	}
	var before, after grower
	was, faults := before.grow("the file", src)
	if len(faults) > 0 {
		return nil, fmt.Errorf("format: %s", faults[0])
	}
	out, err := formatYAML(cleanText("", src))
	if err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	is, faults := after.grow("the file", []byte(out))
	if len(faults) > 0 || !slices.EqualFunc(was, is, sameNode) {
		return nil, errors.New("format: the file would not mean the same afterwards, so it was left as it is")
	}
	return []byte(out), nil
}

func formatJSON(src []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(src), "", "  "); err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// sameNode reports that two nodes say the same, wherever they stand.
func sameNode(a, b *node) bool {
	return a.kind == b.kind && a.text == b.text && slices.EqualFunc(a.items, b.items, sameNode) &&
		slices.EqualFunc(a.fields, b.fields, func(f, g field) bool { return sameNode(f.key, g.key) && sameNode(f.value, g.value) })
}

// A layout knows of every line whether it begins something, and where that has to stand.
type layout struct {
	lines  []string
	indent map[int]int  // :: line, from 1, that begins a key or an item → its new indent
	inside map[int]bool // lines that go on with a text or a bracket begun above them
}

func formatYAML(text string) (string, error) {
	tokens := lexer.Tokenize(text)
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return "", err
	}
	l := layout{lines: strings.Split(text, "\n"), indent: map[int]int{}, inside: map[int]bool{}}
	for _, doc := range file.Docs {
		l.begin(doc.Body, 0)
	}
	l.goesOn(tokens)
	return l.write(), nil
}

// begin notes the lines on which a block's keys and items begin.
func (l *layout) begin(n ast.Node, indent int) {
	switch n := n.(type) {
	case *ast.AnchorNode:
		l.begin(n.Value, indent)
	case *ast.MappingNode:
		if !n.IsFlowStyle {
			for _, v := range n.Values {
				l.begin(v, indent)
			}
		}
	case *ast.MappingValueNode:
		l.note(n.Key.GetToken(), indent)
		l.begin(n.Value, indent+2)
	case *ast.SequenceNode:
		if n.IsFlowStyle {
			return
		}
		for _, entry := range n.Entries {
			l.note(entry.Start, indent)
			l.begin(entry.Value, indent+2)
		}
	}
}

func (l *layout) note(t *token.Token, indent int) {
	line := t.Position.Line
	if line < 1 || line > len(l.lines) {
		return
	}
	if before := []rune(l.lines[line-1]); strings.TrimSpace(string(before[:min(max(t.Position.Column-1, 0), len(before))])) == "" {
		if _, noted := l.indent[line]; !noted {
			l.indent[line] = indent
		}
	}
}

// goesOn notes the lines in the middle of brackets, quoted or plain texts, and blocks of text.
func (l *layout) goesOn(tokens token.Tokens) {
	var open []int
	for i, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			open = append(open, t.Position.Line)
		case token.MappingEndType, token.SequenceEndType:
			if len(open) > 0 {
				l.mark(open[len(open)-1]+1, t.Position.Line)
				open = open[:len(open)-1]
			}
		case token.LiteralType, token.FoldedType:
			l.markBlock(t.Position.Line)
		case token.StringType, token.SingleQuoteType, token.DoubleQuoteType:
			if i > 0 && (tokens[i-1].Type == token.LiteralType || tokens[i-1].Type == token.FoldedType) {
				continue
			}
			l.mark(t.Position.Line+1, t.Position.Line+strings.Count(strings.TrimSpace(t.Origin), "\n"))
		}
	}
}

func (l *layout) mark(from, to int) {
	for line := from; line <= min(to, len(l.lines)); line++ {
		l.inside[line] = true
	}
}

// markBlock marks the lines of a block of text by their indent.
func (l *layout) markBlock(header int) {
	indent, last := -1, header
	for line := header + 1; line <= len(l.lines); line++ {
		if strings.TrimSpace(l.lines[line-1]) == "" {
			continue
		}
		if _, begins := l.indent[line]; begins || indentOf(l.lines[line-1]) < indent {
			break
		}
		if indent < 0 {
			indent = indentOf(l.lines[line-1])
		}
		last = line
	}
	l.mark(header+1, last)
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func (l *layout) write() string {
	var out []string
	var above []int
	next := l.following()
	shift := 0 // of the last line that began something
	for i, line := range l.lines {
		indent, begins := l.indent[i+1]
		trimmed := strings.TrimSpace(line)
		switch {
		case l.inside[i+1]:
			out = append(out, moved(line, shift))
		case begins:
			shift = indent - indentOf(line)
			above = l.under(above, i+1)
			out = append(out, strings.Repeat(" ", indent)+oneSpaceAfterDash(trimmed))
		case trimmed == "":
			if len(out) > 0 && out[len(out)-1] != "" {
				out = append(out, "")
			}
		case strings.HasPrefix(trimmed, "#"):
			out = append(out, strings.Repeat(" ", l.commentIndent(i+1, next[i+1], above))+trimmed)
		default: // a mark between documents, or a document that is one text
			if isMark(line) {
				shift, above = 0, nil
			}
			out = append(out, strings.TrimRight(moved(line, shift), " \t"))
		}
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return strings.Join(out, "\n") + "\n"
}

func isMark(line string) bool {
	return strings.HasPrefix(line, "---") || strings.HasPrefix(line, "...") || strings.HasPrefix(line, "%")
}

// moved shifts a line, as far to the left as it has room.
func moved(line string, shift int) string {
	if shift >= 0 {
		if line == "" {
			return line
		}
		return strings.Repeat(" ", shift) + line
	}
	return line[min(-shift, indentOf(line)):]
}

func oneSpaceAfterDash(text string) string {
	rest, item := strings.CutPrefix(text, "-")
	if !item || rest == "" || rest[0] != ' ' && rest[0] != '\t' {
		return text
	}
	rest = strings.TrimLeft(rest, " \t")
	if strings.HasPrefix(rest, "#") {
		return "- " + rest
	}
	return "- " + oneSpaceAfterDash(rest)
}

// commentIndent of a line that is only a comment: it belongs to what follows, or, when it stands deeper, to the end
// of what precedes. 0 stands for no line.
func (l *layout) commentIndent(line, next int, above []int) int {
	old, before := indentOf(l.lines[line-1]), 0
	for _, at := range slices.Backward(above) {
		if indentOf(l.lines[at-1]) <= old {
			before = at
			break
		}
	}
	switch {
	case next != 0 && (before == 0 || old <= indentOf(l.lines[next-1]) || indentOf(l.lines[before-1]) <= indentOf(l.lines[next-1])):
		return l.indent[next]
	case before != 0 && (next != 0 || old > 0):
		return l.indent[before]
	}
	return 0
}

// following is, for every line, the next one in the same document that begins something; 0 for none.
func (l *layout) following() []int {
	next := make([]int, len(l.lines)+2)
	for line := len(l.lines); line >= 1; line-- {
		next[line-1] = next[line]
		if l.inside[line] {
			continue
		}
		if _, begins := l.indent[line]; begins {
			next[line-1] = line
		} else if isMark(l.lines[line-1]) {
			next[line-1] = 0
		}
	}
	return next
}

// under is the lines above that something can still belong to, once line has begun: each deeper than the one before.
func (l *layout) under(above []int, line int) []int {
	for len(above) > 0 && indentOf(l.lines[above[len(above)-1]-1]) >= indentOf(l.lines[line-1]) {
		above = above[:len(above)-1]
	}
	return append(above, line)
}
