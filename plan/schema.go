package plan

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// The descriptions in the schema are the comments of the types: there is no second place to keep them in.
//
//go:embed plan.go authority.go people.go playbook.go onchain.go
var vocabulary embed.FS

// Schema is the JSON Schema (draft 2020-12) of one plan file, for editors to complete and underline while an owner
// writes. It knows the shape of every value; names, sums and circles are for [Load] to check.
func Schema() []byte {
	s := schema{defs: map[string]any{}, comments: comments()}
	plan := s.object(reflect.TypeFor[Plan]())
	plan["minProperties"] = 1
	trigger := s.of(reflect.TypeFor[Trigger](), rules{})
	content, err := json.MarshalIndent(map[string]any{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"$id":         "https://lifeboat.invalid/plan.schema.json",
		"title":       "lifeboat plan file",
		"description": "One file of a plan: any of the top-level keys, or triggers alone.",
		"oneOf": []any{
			plan,
			trigger,
			map[string]any{"type": "array", "items": trigger, "description": "Triggers alone."},
		},
		"$defs": s.defs,
	}, "", "  ")
	if err != nil {
		panic(err) // maps of text always marshal
	}
	return append(content, '\n')
}

// A schema is built from the same keys and rules that the decoder reads by.
type schema struct {
	defs     map[string]any
	comments map[string]string // :: Type.Field, or Type, → comment
}

// of a type: what may stand as its value.
func (s *schema) of(t reflect.Type, r rules) any {
	switch t {
	case typeDuration:
		return text("a span such as 90s, 15m, 4h, 3d, 2w or 1h30m", durationPattern)
	case typeRatio:
		return map[string]any{"oneOf": []any{
			text("a share such as 15%", percentPattern),
			text("a share such as 0.15, quoted", `^\s*(0(\.[0-9]+)?|1(\.0+)?)\s*$`),
			map[string]any{"type": "number", "minimum": 0, "maximum": 1}}}
	case typeDecimal:
		pattern := strings.Replace(decimalPattern, "[+-]?", `\+?`, 1)
		switch {
		case r.money:
			pattern = moneyPattern
		case r.signed:
			return map[string]any{"oneOf": []any{map[string]any{"type": "number"}, text("", decimalPattern)}}
		}
		return map[string]any{"oneOf": []any{map[string]any{"type": "number", "minimum": 0}, text("", pattern)}}
	case typeGas:
		return text("a price of gas such as 300 gwei", gasPattern)
	case typeTier:
		return map[string]any{"enum": []any{1, 2, 3, "1", "2", "3", "Watch", "Action", "Emergency"}}
	case typeSeverity:
		return text("CRITICAL, HIGH, WARNING or a word of your own", severityForm.String())
	case typeTargets:
		weight := s.of(typeRatio, rules{})
		return map[string]any{"oneOf": []any{
			map[string]any{"type": "object", "additionalProperties": weight, "minProperties": 1},
			map[string]any{"type": "array", "items": s.reference(reflect.TypeFor[Target]()), "minItems": 1}}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem(), r)
	case reflect.Struct:
		return s.structure(t)
	case reflect.Slice:
		items := map[string]any{"type": []string{"array", "null"}, "items": s.of(t.Elem(), r)}
		if t.Elem().Kind() == reflect.String {
			return map[string]any{"oneOf": []any{items, anyText(r)}}
		}
		return items
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	case reflect.Int:
		score := fmt.Sprintf(`^\s*[0-9]+(\s*/%d)?\s*$`, r.upTo)
		return map[string]any{"oneOf": []any{map[string]any{"type": "integer", "minimum": r.from, "maximum": r.upTo}, text("", score)}}
	case reflect.Float64:
		if r.signed {
			return map[string]any{"type": "number"}
		}
		return map[string]any{"type": "number", "minimum": 0}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	}
	return anyText(r)
}

// structure of a mapping, and its short form where it has one.
func (s *schema) structure(t reflect.Type) any {
	long := s.reference(t)
	short := map[reflect.Type]any{
		typeTrigger:   text("IF condition THEN severity = CRITICAL", `^\s*[Ii][Ff]\s`),
		typeRebalance: text("a model's name, or: reduce equities by 25% and raise cash to 40%", ""),
		typeApprove:   text("a person or role", ""),
		typeManual:    text("what to do", ""),
		typeNotify:    text("what to tell everybody", ""),
		typeVerify:    text("an expression of the rule language", ""),
		typeWait:      text("a span, or open, or close", `^\s*(open|close|([0-9]+(\.[0-9]+)?\s*[smhdw]\s*)+)\s*$`),
	}[t]
	if short == nil {
		return long
	}
	return map[string]any{"oneOf": []any{long, short}}
}

func (s *schema) reference(t reflect.Type) any {
	if _, done := s.defs[t.Name()]; !done {
		s.defs[t.Name()] = nil // against circles
		s.defs[t.Name()] = s.object(t)
	}
	return map[string]any{"$ref": "#/$defs/" + t.Name()}
}

func (s *schema) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, k := range keysOf(t) {
		value := map[string]any{"allOf": []any{s.of(k.typ, k.rules)}}
		if comment := s.comments[k.owner.Name()+"."+k.field]; comment != "" {
			value["description"] = comment
		}
		properties[k.name] = value
		if k.rules.required {
			required = append(required, k.name)
		}
	}
	object := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if comment := s.comments[t.Name()]; comment != "" {
		object["description"] = comment
	}
	if required != nil {
		object["required"] = required
	}
	switch t {
	case typeTrigger:
		object["anyOf"] = []any{requires("condition"), requires("rule")}
	case reflect.TypeFor[Step](), reflect.TypeFor[Channel]():
		var kinds []any
		for _, k := range keysOf(t) {
			if k.rules.kind {
				kinds = append(kinds, requires(k.name))
			}
		}
		object["oneOf"] = kinds
	}
	return object
}

func requires(key string) any { return map[string]any{"required": []string{key}} }

func text(description, pattern string) map[string]any {
	one := map[string]any{"type": "string"}
	if description != "" {
		one["description"] = description
	}
	if pattern != "" {
		one["pattern"] = pattern
	}
	return one
}

// anyText is a word of a list, or any text; a name may be a number.
func anyText(r rules) any {
	if r.of == nil {
		return map[string]any{"type": []string{"string", "number"}}
	}
	if !slices.Equal(r.of, Classes()) {
		return map[string]any{"enum": r.of}
	}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(classes)), func(w string) bool { return slices.Contains(r.of, w) })
	return map[string]any{"enum": append(Classes(), others...)}
}

// comments of the types and of their fields.
func comments() map[string]string {
	all := map[string]string{}
	files, _ := vocabulary.ReadDir(".")
	for _, f := range files {
		source, err := vocabulary.ReadFile(f.Name())
		if err != nil {
			panic(err) // it was compiled into this program
		}
		file, err := parser.ParseFile(token.NewFileSet(), f.Name(), source, parser.ParseComments)
		if err != nil {
			panic(err)
		}
		for _, decl := range file.Decls {
			if types, ok := decl.(*ast.GenDecl); ok && types.Tok == token.TYPE {
				commentsOf(types, all)
			}
		}
	}
	return all
}

func commentsOf(types *ast.GenDecl, all map[string]string) {
	spec := types.Specs[0].(*ast.TypeSpec)
	all[spec.Name.Name] = oneLine(types.Doc)
	if structure, ok := spec.Type.(*ast.StructType); ok {
		for _, f := range structure.Fields.List {
			for _, name := range f.Names {
				all[spec.Name.Name+"."+name.Name] = cmp.Or(oneLine(f.Doc), oneLine(f.Comment))
			}
		}
	}
}

func oneLine(comment *ast.CommentGroup) string {
	return strings.Join(strings.Fields(comment.Text()), " ")
}
