package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/prose"
)

// A decoder reads nodes into the plan's types by their tags and goes on after every fault, so that all are told at
// once.
type decoder struct {
	places *Places
	faults []Fault
	bad    map[string]bool            // paths that could not be read, about which no later check need complain
	money  []amount                   // to be compared with the base currency once it is known
	unread map[string]bool            // lists that could not be read at all; files, under ""
	file   string                     // the first of the plan
	near   int                        // suggestions looked for so far
	known  map[string]map[string]bool // :: kind of name → name; of the whole plan, once it is complete
}

func newDecoder() *decoder {
	return &decoder{places: newPlaces(), bad: map[string]bool{}, unread: map[string]bool{}}
}

type amount struct {
	node     *node
	currency string
}

// suggestionsMax bounds the search for what was meant.
const suggestionsMax = 200

func (d *decoder) fault(n *node, message, suggestion string) {
	f := Fault{File: n.file.name, Line: n.line, Column: n.column, Message: message, Suggestion: suggestion}
	if n.kind == scalar {
		f.Text = shorten(n.text, textMax)
	}
	d.faults = append(d.faults, f)
}

// faultAt is a fault in the value at a path, or in what it is part of.
func (d *decoder) faultAt(path, message, suggestion string) {
	f := d.places.At(path, 0)
	f.Message, f.Suggestion = message, suggestion
	d.faults = append(d.faults, f)
}

func (d *decoder) nearest(word string, candidates []string) string {
	if d.near++; d.near > suggestionsMax {
		return ""
	}
	return prose.Nearest(word, candidates)
}

// A key is what may be written in a mapping: a field of one of the plan's types.
type key struct {
	name  string
	index []int
	typ   reflect.Type
	field string // its name in Go, under which its comment stands
	owner reflect.Type
	rules rules
}

// rules are what a plan tag says.
type rules struct {
	required, name, expr, money bool
	signed                      bool // may be negative
	address                     bool // of an account or contract on an EVM chain
	kind                        bool // one of several keys of which exactly one is written
	of                          []string
	to                          string
	from, upTo                  int // both 0 without a range
}

// keysOf a type, embedded ones included. Decoder, checks and schema all ask here.
func keysOf(t reflect.Type) []key {
	var keys []key
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		owner := t
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:1]).Type
		}
		keys = append(keys, key{name: name, index: f.Index, typ: f.Type, field: f.Name, owner: owner,
			rules: parseRules(f.Tag.Get("plan"))})
	}
	return keys
}

func parseRules(tag string) rules {
	var r rules
	for part := range strings.SplitSeq(tag, ",") {
		word, value, _ := strings.Cut(part, "=")
		switch word {
		case "required":
			r.required = true
		case "name":
			r.name = true
		case "expr":
			r.expr = true
		case "money":
			r.money = true
		case "signed":
			r.signed = true
		case "address":
			r.address = true
		case "kind":
			r.kind = true
		case "of":
			r.of = strings.Split(value, "|")
		case "to":
			r.to = value
		case "range":
			low, high, _ := strings.Cut(value, "-")
			r.from, _ = strconv.Atoi(low)
			r.upTo, _ = strconv.Atoi(high)
		}
	}
	return r
}

func names(keys []key) []string {
	var all []string
	for _, k := range keys {
		all = append(all, k.name)
	}
	return all
}

// value reads a node into v. What it cannot read it reports, and leaves v as it was.
func (d *decoder) value(n *node, path string, r rules, name string, v reflect.Value) {
	d.places.set(path, n)
	if n.kind == null {
		return
	}
	before := len(d.faults)
	if !d.form(n, path, r, name, v) {
		d.byKind(n, path, r, name, v)
	}
	if len(d.faults) > before {
		d.bad[path] = true
	}
}

// byKind reads what is written in no special form.
func (d *decoder) byKind(n *node, path string, r rules, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, path, r, name, v.Elem())
	case reflect.Struct:
		d.fields(n, path, name, v)
	case reflect.Slice:
		d.list(n, path, r, name, v)
	case reflect.Map:
		d.dictionary(n, path, name, v)
	case reflect.String:
		if text, ok := d.text(n, name); ok {
			d.word(n, r, name, text, v)
		}
	case reflect.Int:
		d.whole(n, r, name, v)
	case reflect.Float64:
		d.number(n, r, name, v)
	case reflect.Bool:
		if n.kind != scalar || n.text != "true" && n.text != "false" {
			d.fault(n, fmt.Sprintf("%s wants true or false, not %s", name, n.told()), "")
			return
		}
		v.SetBool(n.text == "true")
	}
}

// told is the node as a message names it.
func (n *node) told() string {
	switch n.kind {
	case scalar:
		if n.style == plain {
			return shorten(n.text, textMax)
		}
		return strconv.Quote(shorten(n.text, textMax))
	case list:
		return "a list"
	case mapping:
		return "a mapping"
	}
	return "nothing"
}

// text of a scalar. Numbers and true count as text too: a name may be 2024.
func (d *decoder) text(n *node, name string) (string, bool) {
	if n.kind != scalar {
		d.fault(n, fmt.Sprintf("%s wants a text, not %s", name, n.told()), "")
		return "", false
	}
	return strings.TrimSpace(n.text), true
}

func (d *decoder) word(n *node, r rules, name, text string, v reflect.Value) {
	if r.of != nil && !slices.Contains(r.of, text) {
		if class, ok := ClassName(text); ok && slices.Contains(r.of, class) {
			v.SetString(class)
			return
		}
		d.fault(n, fmt.Sprintf("%s wants %s, not %s", name, orList(r.of), n.told()), d.nearest(text, r.of))
		return
	}
	if r.address {
		meant, err := parseAddress(text)
		if err != nil {
			d.fault(n, fmt.Sprintf("%s %s", name, err), meant)
			return
		}
		text = meant
	}
	v.SetString(text)
}

// orList is a, b or c.
func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

func (d *decoder) whole(n *node, r rules, name string, v reflect.Value) {
	text := strings.TrimSpace(n.text)
	if r.upTo > 0 { // 4/5 is how people write a score
		text = strings.TrimSpace(strings.TrimSuffix(text, fmt.Sprintf("/%d", r.upTo)))
	}
	number, err := strconv.Atoi(text)
	if n.kind != scalar || err != nil {
		d.fault(n, fmt.Sprintf("%s wants a whole number, not %s", name, n.told()), "")
		return
	}
	if r.upTo > 0 && (number < r.from || number > r.upTo) {
		d.fault(n, fmt.Sprintf("%s wants a number from %d to %d, not %d", name, r.from, r.upTo, number), "")
		return
	}
	v.SetInt(int64(number))
}

func (d *decoder) number(n *node, r rules, name string, v reflect.Value) {
	number, err := parseDecimal(n.text)
	if n.kind != scalar || err != nil || number.IsNegative() && !r.signed {
		d.fault(n, fmt.Sprintf("%s wants a number such as 2.5, not %s", name, n.told()), "")
		return
	}
	v.SetFloat(number.InexactFloat64())
}

// fields reads a mapping into a struct.
func (d *decoder) fields(n *node, path, name string, v reflect.Value) {
	keys := keysOf(v.Type())
	if n.kind != mapping {
		d.fault(n, fmt.Sprintf("%s wants keys such as %s, not %s", name, someOf(keys), n.told()), "")
		return
	}
	for _, f := range n.fields {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == f.key.text })
		if i < 0 && cutNumber(f) {
			d.fault(f.key, "a comma ends the number before it; write 22000, or \"22,000\" in quotes", "")
			continue
		}
		if i < 0 {
			d.fault(f.key, fmt.Sprintf("%s has no key %q", name, shorten(f.key.text, textMax)), d.nearest(f.key.text, names(keys)))
			continue
		}
		d.value(f.value, join(path, keys[i].name), keys[i].rules, keys[i].name, v.FieldByIndex(keys[i].index))
	}
	for _, k := range keys {
		if value := n.get(k.name); k.rules.required && (value == nil || value.empty()) {
			d.fault(n.here(), fmt.Sprintf("%s wants %s", name, k.name), "")
		}
	}
}

// cutNumber recognises what is left of {quantity: 22,000}.
func cutNumber(f field) bool {
	return f.value.kind == null && f.key.style == plain && strings.Trim(f.key.text, "0123456789.") == ""
}

// here is the node as a place only, for faults about what is not there.
func (n *node) here() *node { return &node{file: n.file, line: n.line, column: n.column} }

func (n *node) empty() bool {
	return n.kind == null || n.kind == scalar && strings.TrimSpace(n.text) == "" || n.kind == list && len(n.items) == 0
}

func someOf(keys []key) string {
	all := names(keys)
	return orList(all[:min(3, len(all))])
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// list appends a list's items to a slice; one text alone is a list of one.
func (d *decoder) list(n *node, path string, r rules, name string, v reflect.Value) {
	items := n.items
	if n.kind == scalar && v.Type().Elem().Kind() == reflect.String {
		items = []*node{n}
	} else if n.kind != list {
		d.unread[path] = true
		d.fault(n, fmt.Sprintf(`%s wants a list, whose items begin with "- ", not %s`, name, n.told()), "")
		return
	}
	for _, item := range items {
		i := v.Len()
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(item, fmt.Sprintf("%s[%d]", path, i), r, oneOf(name), v.Index(i))
	}
}

// oneOf a list, as a message names it: triggers → a trigger.
func oneOf(list string) string {
	switch list {
	case "accounts":
		return "an account"
	case "people":
		return "a person"
	case "dependencies":
		return "a dependency"
	case "weights":
		return "a weight"
	case "assets":
		return "an asset"
	case "to", "do", "depends_on", "affects", "trusted":
		return list
	}
	return "a " + strings.TrimSuffix(list, "s")
}

func (d *decoder) dictionary(n *node, path, name string, v reflect.Value) {
	if n.kind != mapping {
		d.fault(n, fmt.Sprintf("%s wants a mapping such as {SPX: SPY}, not %s", name, n.told()), "")
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, f := range n.fields {
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, join(path, f.key.text), rules{}, name, value)
		v.SetMapIndex(reflect.ValueOf(f.key.text), value)
	}
}

var (
	typeDuration  = reflect.TypeFor[Duration]()
	typeRatio     = reflect.TypeFor[Ratio]()
	typeDecimal   = reflect.TypeFor[decimal.Decimal]()
	typeGas       = reflect.TypeFor[GasPrice]()
	typeTier      = reflect.TypeFor[lifeboat.Tier]()
	typeSeverity  = reflect.TypeFor[lifeboat.Severity]()
	typeTrigger   = reflect.TypeFor[Trigger]()
	typeTargets   = reflect.TypeFor[[]Target]()
	typeRebalance = reflect.TypeFor[Rebalance]()
	typeApprove   = reflect.TypeFor[Approve]()
	typeManual    = reflect.TypeFor[Manual]()
	typeNotify    = reflect.TypeFor[Notify]()
	typeWait      = reflect.TypeFor[Wait]()
	typeVerify    = reflect.TypeFor[Verify]()
)
