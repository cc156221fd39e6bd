package plan

import (
	"fmt"
	"reflect"
)

// Expression is a text in the rule language, and where the plan holds it.
type Expression struct {
	Path string // for [Places.At]
	Text string
}

// Expressions of the plan in its own order: signals, conditions, all-clears, checks and verifications.
func (p *Plan) Expressions() []Expression {
	var all []Expression
	walk(p, func(path string, r rules, v reflect.Value) {
		if r.expr && v.Len() > 0 {
			all = append(all, Expression{path, v.String()})
		}
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
