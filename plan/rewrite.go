package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/shopspring/decimal"
)

// Said is what somebody says of one holding.
type Said struct {
	Quantity decimal.Decimal
	AsOf     string // as in [Holding]
	Source   string
}

// Rewrite is the plan files of a directory as they would be with other quantities of holdings, given by their place in
// [Plan.Holdings]; only files that change are in the answer, by their names below the directory. Nothing but the values
// themselves is touched, and as_of and source are added behind a quantity that has none, so that comments, layout and
// line ends stay.
//
// What cannot be done so is an error, and nothing is answered: a quantity that several holdings share by an alias, one
// written over several lines, or files after which the plan would say anything else than before beside these values.
// Nothing is written.
func Rewrite(dir string, said map[int]Said) (map[string][]byte, error) {
	root, err := openDir(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	files, err := gather(root.FS(), dir)
	if err != nil {
		return nil, err
	}
	p, places, err := load(files, dir)
	if err != nil {
		return nil, err
	}
	edits := map[string][]edit{} // :: file → what changes in it
	for _, i := range slices.Sorted(maps.Keys(said)) {
		if i < 0 || i >= len(p.Holdings) {
			return nil, fmt.Errorf("rewrite: the plan has no holding %d", i)
		}
		h := &p.Holdings[i]
		of, err := places.restate(fmt.Sprintf("holdings[%d]", i), *h, said[i])
		if err != nil {
			return nil, fmt.Errorf("the quantity of %s in %s %w", h.Symbol, h.Account, err)
		}
		for _, e := range of {
			edits[e.file] = append(edits[e.file], e)
		}
		h.Quantity, h.AsOf, h.Source = said[i].Quantity, said[i].AsOf, said[i].Source
	}
	changed := map[string][]byte{}
	for i, f := range files {
		if edits[f.name] == nil {
			continue
		}
		if files[i].text, err = replaced(f.text, edits[f.name]); err != nil {
			return nil, err
		}
		changed[f.name] = files[i].text
	}
	return changed, meansOnly(p, files, dir)
}

// meansOnly is an error unless the files say just what the plan does.
func meansOnly(p *Plan, files []file, dir string) error {
	after, _, err := load(files, dir)
	if err != nil {
		return err
	}
	want, wantErr := json.Marshal(p)
	have, haveErr := json.Marshal(after)
	if err := errors.Join(wantErr, haveErr); err != nil {
		return err
	}
	if string(want) != string(have) {
		return errors.New("the plan would say something else beside the new quantities")
	}
	return nil
}

// An edit replaces the source of one scalar.
type edit struct {
	file         string
	line, column int // from 1, the column in characters
	old, text    string
	// added are keys and values that follow it in the same mapping, whose keys begin at the column key.
	added [][2]string
	key   int
}

// restate is the edits that make a holding say something. A value that is the same already is left as it is written.
func (p *Places) restate(path string, h Holding, said Said) ([]edit, error) {
	quantity, err := p.edit(path+".quantity", said.Quantity.String())
	if err != nil {
		return nil, err
	}
	if h.Quantity.Equal(said.Quantity) {
		quantity.text = quantity.old
	}
	holding := p.at[path].node
	for _, f := range holding.fields {
		if f.key.text == "quantity" {
			quantity.key = f.key.column
		}
	}
	var all []edit
	for _, v := range []struct{ key, have, want string }{{"as_of", h.AsOf, said.AsOf}, {"source", h.Source, said.Source}} {
		switch {
		case v.have == v.want:
		case holding.get(v.key) == nil:
			quantity.added = append(quantity.added, [2]string{v.key, quoted(v.want)})
		default:
			e, err := p.edit(path+"."+v.key, "")
			if err != nil {
				return nil, err
			}
			e.text = quoted(v.want)
			all = append(all, e)
		}
	}
	if quantity.text != quantity.old || quantity.added != nil {
		all = append(all, quantity)
	}
	return all, nil
}

// quoted is a text as YAML and JSON both read it.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text can always be
	return strings.TrimSpace(b.String())
}

// edit of the value at a path.
func (p *Places) edit(path, text string) (edit, error) {
	found, written := p.at[path]
	if !written || found.node == nil || found.node.kind != scalar {
		return edit{}, errors.New("is not written there")
	}
	n := found.node
	for other, at := range p.at {
		if other != path && at.node == n {
			return edit{}, fmt.Errorf("(%s:%d) is shared with %s by an alias", n.file.name, n.line, other)
		}
	}
	e := edit{file: n.file.name, line: n.line, column: n.column, old: n.text, text: text}
	switch n.style {
	case single:
		e.old, e.text = "'"+n.text+"'", "'"+text+"'"
	case double:
		e.old, e.text = `"`+n.text+`"`, `"`+text+`"`
	case block:
		return edit{}, fmt.Errorf("(%s:%d) is a text of several lines", n.file.name, n.line)
	}
	return e, nil
}

// replaced makes the edits in a file's own bytes: a byte order mark and the ends of lines stay.
func replaced(text []byte, edits []edit) ([]byte, error) {
	mark := ""
	body, marked := strings.CutPrefix(string(text), "\ufeff")
	if marked {
		mark = "\ufeff"
	}
	strict := json.Valid([]byte(body))
	lines := strings.SplitAfter(body, "\n")
	slices.SortFunc(edits, func(a, b edit) int { return b.column - a.column }) // from the right, so that columns stay true
	for _, e := range edits {
		unclear := fmt.Errorf("the quantity in %s:%d is written in a way that cannot be changed in place", e.file, e.line)
		if e.line < 1 || e.line > len(lines) {
			return nil, unclear
		}
		line := []rune(lines[e.line-1])
		from := e.column - 1
		if from < 0 || from > len(line) {
			return nil, unclear
		}
		rest, ok := strings.CutPrefix(string(line[from:]), e.old)
		if !ok {
			return nil, unclear
		}
		lines[e.line-1] = string(line[:from]) + e.text + e.followedBy(rest, strict)
	}
	return []byte(mark + strings.Join(lines, "")), nil
}

// followedBy is the rest of a line with what is added: in brackets it follows at once, else on lines of its own.
func (e edit) followedBy(rest string, strict bool) string {
	inBrackets := strings.HasPrefix(strings.TrimSpace(rest), ",") || strings.HasPrefix(strings.TrimSpace(rest), "}") || strict
	var here, below strings.Builder
	end := "\n"
	if strings.HasSuffix(rest, "\r\n") {
		end = "\r\n"
	}
	if len(e.added) > 0 && !inBrackets && !strings.HasSuffix(rest, "\n") {
		rest += end // it is the last line
	}
	for _, add := range e.added {
		switch {
		case strict:
			fmt.Fprintf(&here, ", %q: %s", add[0], add[1])
		case inBrackets:
			fmt.Fprintf(&here, ", %s: %s", add[0], add[1])
		default:
			fmt.Fprintf(&below, "%s%s: %s%s", strings.Repeat(" ", max(e.key-1, 0)), add[0], add[1], end)
		}
	}
	return here.String() + rest + below.String()
}
