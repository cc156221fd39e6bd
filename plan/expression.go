package plan

import (
	"fmt"
	"reflect"
	"strings"
)

// Expression is a text in the rule language, and where the plan holds it.
type Expression struct {
	Path string // for [Places.At]
	Text string
}

// Expressions of the plan in its own order: signals, conditions, all-clears, checks and verifications. Those within a for_each
// are given as they are for the first holding that lifeboat may trade.
func (p *Plan) Expressions() []Expression {
	var all []Expression
	walk(p, func(path string, r rules, v reflect.Value) {
		if !r.expr || v.Len() == 0 {
			return
		}
		text := v.String()
		if stands(path, text) {
			held, any := find(p.Holdings, func(h Holding) bool { return p.Tradable(h.Account) && h.Symbol != p.Portfolio.BaseCurrency })
			if !any {
				return
			}
			text = strings.NewReplacer("{symbol}", held.Symbol, "{account}", held.Account).Replace(text)
		}
		all = append(all, Expression{path, text})
	})
	return all
}

// walk visits every text of the plan, with its path and rules.
func walk(p *Plan, visit func(path string, r rules, v reflect.Value)) {
	var inside func(path string, r rules, v reflect.Value)
	inside = func(path string, r rules, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				inside(path, r, v.Elem())
			}
		case reflect.Struct:
			for _, k := range keysOf(v.Type()) { // none in a decimal
				inside(join(path, k.name), k.rules, v.FieldByIndex(k.index))
			}
		case reflect.Slice:
			for i := range v.Len() {
				inside(fmt.Sprintf("%s[%d]", path, i), r, v.Index(i))
			}
		case reflect.String:
			visit(path, r, v)
		}
	}
	inside("", rules{}, reflect.ValueOf(p).Elem())
}
