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

// Rewrite is the plan files of a directory as they would be with other quantities of holdings, given by their place in
// [Plan.Holdings]; only files that change are in the answer, by their names below the directory. Nothing but the numbers
// themselves is touched, so that comments, layout and line ends stay.
//
// What cannot be done so is an error, and nothing is answered: a quantity that several holdings share by an alias, one
// written over several lines, or files after which the plan would say anything else than before beside these quantities.
// Nothing is written.
func Rewrite(dir string, quantities map[int]decimal.Decimal) (map[string][]byte, error) {
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
	for _, i := range slices.Sorted(maps.Keys(quantities)) {
		if i < 0 || i >= len(p.Holdings) {
			return nil, fmt.Errorf("rewrite: the plan has no holding %d", i)
		}
		e, err := places.edit(fmt.Sprintf("holdings[%d].quantity", i), quantities[i].String())
		if err != nil {
			return nil, fmt.Errorf("the quantity of %s in %s %w", p.Holdings[i].Symbol, p.Holdings[i].Account, err)
		}
		edits[e.file] = append(edits[e.file], e)
		p.Holdings[i].Quantity = quantities[i]
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
		lines[e.line-1] = string(line[:from]) + e.text + rest
	}
	return []byte(mark + strings.Join(lines, "")), nil
}
