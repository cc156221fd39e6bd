package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A source is one file's text.
type source struct {
	name  string
	lines []string
}

// A node is one value of a file. It is what the decoder reads: aliases are resolved, comments are gone.
type node struct {
	file         *source
	line, column int
	kind         kind
	style        style
	text         string // of a scalar, as it was meant: without quotes and folds
	fields       []field
	index        map[string]int // :: key → its place in fields
	items        []*node
}

type field struct{ key, value *node }

type kind uint8

const (
	null kind = iota
	scalar
	list
	mapping
)

type style uint8

const (
	plain style = iota
	single
	double
	block
)

// get is the value of a key, or nil.
func (n *node) get(key string) *node {
	if i, ok := n.index[key]; ok {
		return n.fields[i].value
	}
	return nil
}

func (n *node) add(key, value *node) {
	if n.index == nil {
		n.index = map[string]int{}
	}
	n.index[key.text] = len(n.fields)
	n.fields = append(n.fields, field{key, value})
}

// Bounds on what a file may make of the reader's memory and stack. No plan that a person wrote comes near them.
const (
	depthMax = 64      // lists and mappings inside each other
	widthMax = 10_000  // values in one of them
	nodesMax = 200_000 // values in a whole plan, after aliases are resolved
)

// A grower makes nodes of what the YAML library read, and holds a plan to nodesMax.
type grower struct {
	nodes int
}

// grow reads one file into a node for each of its documents. A fault is about syntax.
func (g *grower) grow(name string, text []byte) (documents []*node, faults []Fault) {
	clean := cleanText(name, text)
	file := &source{name: name, lines: strings.Split(clean, "\n")}
	// The library is somebody else's code under hostile input: what it cannot bear is a fault in the file.
	defer func() {
		if recover() != nil {
			documents, faults = nil, []Fault{{File: name, Line: 1, Column: 1, Message: "this cannot be read as YAML"}}
		}
	}()
	tokens := lexer.Tokenize(clean)
	if t, message := beyond(tokens); t != nil {
		return nil, []Fault{{File: name, Line: t.Position.Line, Column: max(t.Position.Column, 1), Message: message}}
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []Fault{syntaxFault(file, err)}
	}
	for _, doc := range parsed.Docs {
		b := branch{grower: g, file: file, anchors: map[string]*node{}}
		if doc.Body != nil {
			if n := b.node(doc.Body, 0); n.kind != null {
				documents = append(documents, n)
			}
		}
		faults = append(faults, b.faults...)
	}
	if g.nodes > nodesMax {
		documents = nil // what was grown so far may be far larger than it looks
	}
	return documents, faults
}

// cleanText is what the library can read: no byte order mark, and one kind of line ends.
func cleanText(name string, text []byte) string {
	clean := strings.TrimPrefix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\ufeff")
	if strings.HasSuffix(name, ".json") {
		clean = strings.ReplaceAll(clean, "\t", " ") // JSON may be indented with tabs, YAML may not
	}
	return clean
}

func syntaxFault(file *source, err error) Fault {
	language := "YAML"
	if strings.HasSuffix(file.name, ".json") {
		language = "JSON"
	}
	f := Fault{File: file.name, Line: 1, Column: 1, Message: fmt.Sprintf("this is not %s: %v", language, err)}
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok && syntax.Token != nil {
		f.Line, f.Column = syntax.Token.Position.Line, max(syntax.Token.Position.Column, 1)
		f.Message = fmt.Sprintf("this is not %s: %s", language, inPlainWords(syntax.Message))
		if f.Line >= 1 && f.Line <= len(file.lines) {
			f.Text = shorten(strings.TrimSpace(file.lines[f.Line-1]), textMax)
		}
	}
	return f
}

// What the library says, as somebody says it who has an owner in front of him: what is wrong and what to write. The
// first entry that is part of the message counts.
var plainWords = []struct{ said, meant string }{
	{"found character '\t'", "a line is indented with a tab; write spaces"},
	{"map key-value is pre-defined", "text follows where the value has ended; put all of the value in quotes, or mend the indentation"},
	{"mapping value is not allowed", "a second \": \" stands in one value; put the value in quotes, or mend the indentation"},
	{"value is not allowed in this context", "this does not belong to the lines above; look at the indentation, and for \"- \" before each item of a list"},
	{"non-map value is specified", "a colon wants a space behind it: \"key: value\""},
	{"invalid header option", "a value that begins with > or | has to be in quotes"},
	{"',' or '}' must be specified", "a comma or the closing } is missing before this"},
	{"',' or ']' must be specified", "a comma or the closing ] is missing before this"},
	{"'}' not found", "this { is never closed"},
	{"']' not found", "this [ is never closed"},
	{"could not find end character of", "this quote is never closed"},
	{"is a reserved character", "a value that begins with this character has to be in quotes"},
}

func inPlainWords(message string) string {
	for _, w := range plainWords {
		if strings.Contains(message, w.said) {
			return w.meant
		}
	}
	return strings.ReplaceAll(message, "\t", `\t`)
}

// A bracket that is open, or an indent that lines stand at, and how much it holds so far.
type level struct{ column, holds int }

// beyond finds the token that goes deeper than depthMax, by brackets, indents or marks in one line, or wider than
// widthMax. The library's parser takes a stack as deep as the first and a time that grows with the square of the
// second.
func beyond(tokens token.Tokens) (found *token.Token, message string) {
	var brackets, indents []level
	marks, line := 0, 0
	for _, t := range tokens {
		if t.Position.Line != line && len(brackets) == 0 {
			line, marks = t.Position.Line, 0
			for len(indents) > 0 && indents[len(indents)-1].column > t.Position.Column {
				indents = indents[:len(indents)-1]
			}
			if len(indents) == 0 || indents[len(indents)-1].column < t.Position.Column {
				indents = append(indents, level{column: t.Position.Column})
			}
			indents[len(indents)-1].holds++
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets = append(brackets, level{})
		case token.MappingEndType, token.SequenceEndType:
			brackets = brackets[:max(len(brackets)-1, 0)]
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.AliasType:
			marks++
		case token.CollectEntryType:
			marks = 0
			if len(brackets) > 0 {
				brackets[len(brackets)-1].holds++
			}
		}
		if len(brackets) > depthMax || marks > depthMax || len(indents) > depthMax {
			return t, fmt.Sprintf("lists and mappings stand more than %d deep inside each other", depthMax)
		}
		if last := len(brackets) - 1; last >= 0 && brackets[last].holds > widthMax || indents[len(indents)-1].holds > widthMax {
			return t, fmt.Sprintf("a list or mapping holds more than %d values", widthMax)
		}
	}
	return nil, ""
}

// A branch is one document being made into nodes.
type branch struct {
	*grower
	file    *source
	anchors map[string]*node
	faults  []Fault
}

func (b *branch) node(a ast.Node, depth int) *node {
	n := b.empty(a)
	if b.nodes++; b.nodes > nodesMax || depth > 2*depthMax {
		b.fault(n, "the plan's aliases, lists and mappings come to more than can be read")
		return n
	}
	switch a := a.(type) {
	case *ast.MappingNode:
		n.kind = mapping
		for _, v := range a.Values {
			b.field(n, v, depth)
		}
		if len(n.fields) > 0 && !a.IsFlowStyle {
			n.line, n.column = n.fields[0].key.line, n.fields[0].key.column
		}
	case *ast.MappingValueNode:
		n.kind = mapping
		b.field(n, a, depth)
		if len(n.fields) > 0 {
			n.line, n.column = n.fields[0].key.line, n.fields[0].key.column
		}
	case *ast.SequenceNode:
		n.kind = list
		for _, v := range a.Values {
			n.items = append(n.items, b.node(v, depth+1))
		}
	case *ast.AnchorNode:
		value := b.node(a.Value, depth+1)
		b.anchors[a.Name.GetToken().Value] = value
		return value
	case *ast.AliasNode:
		return b.alias(n, a.Value.GetToken().Value)
	case *ast.LiteralNode:
		n.kind, n.style, n.text = scalar, block, a.Value.Value
	case *ast.StringNode:
		n.kind, n.text = scalar, a.Value
		switch a.Token.Type {
		case token.SingleQuoteType:
			n.style = single
		case token.DoubleQuoteType:
			n.style = double
		}
	case *ast.NullNode, *ast.CommentGroupNode, nil:
	case ast.ScalarNode:
		// Numbers keep the text in which they were written: no amount passes through a float.
		n.kind, n.text = scalar, a.GetToken().Value
		if tag, ok := a.(*ast.TagNode); ok {
			n.kind = null
			b.fault(n, fmt.Sprintf("a plan has no use for the tag %s", tag.GetToken().Value))
		}
	default:
		b.fault(n, "this has no meaning in a plan")
	}
	return n
}

func (b *branch) empty(a ast.Node) *node {
	n := &node{file: b.file, line: 1, column: 1}
	if a == nil || a.GetToken() == nil {
		return n
	}
	at := a.GetToken().Position
	n.line, n.column = at.Line, max(at.Column, 1)
	return n
}

func (b *branch) field(n *node, v *ast.MappingValueNode, depth int) {
	if _, merge := v.Key.(*ast.MergeKeyNode); merge {
		b.merge(n, b.node(v.Value, depth+1))
		return
	}
	key := b.node(v.Key, depth+1)
	if key.kind != scalar {
		b.fault(key, "a key has to be a word")
		return
	}
	value := b.node(v.Value, depth+1)
	if i, twice := n.index[key.text]; !twice {
		n.add(key, value)
	} else if n.fields[i].key.kind == null { // what is written beside a merge overrides it
		n.fields[i] = field{key, value}
	} else {
		b.fault(key, fmt.Sprintf("%s stands here twice", key.text))
	}
}

// merge takes over the fields of another mapping (<<: *anchor). Their keys are marked by the kind null.
func (b *branch) merge(n, from *node) {
	if from.kind == list {
		for _, item := range from.items {
			b.merge(n, item)
		}
		return
	}
	for _, f := range from.fields {
		if b.nodes++; n.get(f.key.text) == nil && b.nodes <= nodesMax {
			key := *f.key
			key.kind = null
			n.add(&key, f.value)
		}
	}
}

func (b *branch) alias(n *node, name string) *node {
	value, known := b.anchors[name]
	if !known {
		b.fault(n, fmt.Sprintf("no anchor is called %q above this line", name))
		return n
	}
	b.nodes += value.size(nodesMax - b.nodes)
	return value
}

// size counts a node and what it holds, up to a limit.
func (n *node) size(limit int) int {
	total := 1
	for _, f := range n.fields {
		if total > limit {
			return total
		}
		total += f.value.size(limit - total)
	}
	for _, item := range n.items {
		if total > limit {
			return total
		}
		total += item.size(limit - total)
	}
	return total
}

func (b *branch) fault(n *node, message string) {
	if len(b.faults) < faultsMax {
		b.faults = append(b.faults, Fault{File: b.file.name, Line: n.line, Column: n.column, Message: message})
	}
}
