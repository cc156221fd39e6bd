// Package mutate plants mistakes in Go source, so that a check of that source can be checked itself: a check that lets a
// planted mistake pass proves less than it says.
//
// [Plant] puts all mistakes into one copy of a file, each behind a number: the copy behaves as the file does until the
// environment names one of them in [Variable]. So a whole package is compiled once, with go build -overlay, and a program
// that was made of it is run once for each mistake. [Support] is the file that must be compiled beside the copies.
//
// The mistakes are those that breakers are known for: a condition turned round, "and" for "or", a boundary off by the
// equal, one state for another, a return of nothing, a line left out. It changes no arithmetic and knows no types, so some
// copies of odd code may not compile; it does not judge who caught what.
package mutate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// Variable is the name in the environment under which a program learns which mistake to make; none when it is absent.
const Variable = "LIFEBOAT_MUTANT"

// A Mutant is one mistake.
type Mutant struct {
	Number int
	File   string
	Line   int
	Func   string
	Change string // what stands there and what it became
}

// String tells it in a line.
func (m Mutant) String() string { return fmt.Sprintf("%s:%d %s", m.File, m.Line, m.Identity()) }

// Identity is the mistake without its place in the file, which moves with every edit.
func (m Mutant) Identity() string { return m.Func + ": " + m.Change }

// swaps are states and sides that can be mistaken for each other.
var swaps = map[string]string{
	"Active": "Halted", "Reducing": "Active", "Halted": "Reducing", "Buy": "Sell", "Sell": "Buy", "Fired": "Cleared", "Cleared": "Fired",
	"PlaceOrder": "PerformTask", "CancelOrder": "PlaceOrder", "PerformTask": "SendMessage", "SendMessage": "PlaceOrder", "OrderRejected": "Filled",
	"Unknown": "Filled", "MoveBreaker": "ReleaseAccount",
}

// Plant returns the copy of a file with all mistakes in it, numbered from a number on. chosen is asked for each function, by
// its name and its text, whether it is mutated; nil means all.
func Plant(path string, text []byte, from int, chosen func(name, text string) bool) (planted []byte, mutants []Mutant, err error) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	p := &planter{path: path, text: string(text), positions: positions, next: from}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil && (chosen == nil || chosen(f.Name.Name, p.source(f))) {
			p.function = f.Name.Name
			p.results = p.typesOf(f.Type.Results)
			p.block(f.Body.List)
		}
	}
	return []byte(p.write()), p.mutants, nil
}

type planter struct {
	path, text string
	positions  *token.FileSet
	next       int
	function   string
	results    []string // types of the function's results
	edits      []edit
	mutants    []Mutant
}

// An edit replaces what stands between two offsets; mostly nothing stands there.
type edit struct {
	at, end int
	text    string
}

func (p *planter) offset(pos token.Pos) int { return p.positions.Position(pos).Offset }

func (p *planter) source(n ast.Node) string {
	return strings.Join(strings.Fields(p.text[p.offset(n.Pos()):p.offset(n.End())]), " ")
}

// mutant gives a new mistake its number.
func (p *planter) mutant(n ast.Node, format string, args ...any) int {
	number := p.next
	p.next++
	p.mutants = append(p.mutants, Mutant{number, p.path, p.positions.Position(n.Pos()).Line, p.function, fmt.Sprintf(format, args...)})
	return number
}

// around writes something before and after a node. What is inside is visited between open and close, so that edits nest.
func (p *planter) around(n ast.Node, before, after string, inside func()) {
	p.edits = append(p.edits, edit{p.offset(n.Pos()), p.offset(n.Pos()), before})
	inside()
	p.edits = append(p.edits, edit{p.offset(n.End()), p.offset(n.End()), after})
}

func (p *planter) replace(from, to token.Pos, text string) {
	p.edits = append(p.edits, edit{p.offset(from), p.offset(to), text})
}

// write applies the edits. At one offset what closes comes before what opens, and otherwise the order of their making
// holds: outer brackets were opened first and inner ones closed first.
func (p *planter) write() string {
	slices.SortStableFunc(p.edits, func(a, b edit) int { return a.at - b.at })
	var out strings.Builder
	at := 0
	for _, e := range p.edits {
		out.WriteString(p.text[at:e.at])
		out.WriteString(e.text)
		at = e.end
	}
	out.WriteString(p.text[at:])
	return out.String()
}

func (p *planter) typesOf(results *ast.FieldList) []string {
	if results == nil {
		return nil
	}
	var types []string
	for _, field := range results.List {
		for range max(1, len(field.Names)) {
			types = append(types, p.source(field.Type))
		}
	}
	return types
}

func (p *planter) block(list []ast.Stmt) {
	for _, s := range list {
		p.statement(s)
	}
}

// statement plants what can go wrong with one line: it may be left out, or something in it.
func (p *planter) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE {
			p.expressions(s.Rhs)
			return
		}
		p.dropped(s, func() { p.expressions(s.Rhs) })
	case *ast.ExprStmt:
		p.dropped(s, func() { p.expression(s.X) })
	case *ast.IncDecStmt, *ast.BranchStmt:
		p.dropped(s, func() {})
	case *ast.ReturnStmt:
		p.returns(s)
	case *ast.IfStmt:
		p.simple(s.Init)
		p.condition(s.Cond)
		p.block(s.Body.List)
		if s.Else != nil {
			p.statement(s.Else)
		}
	case *ast.BlockStmt:
		p.block(s.List)
	case *ast.ForStmt:
		p.block(s.Body.List) // a loop that does not end proves nothing
	case *ast.RangeStmt:
		p.block(s.Body.List)
	case *ast.SwitchStmt:
		p.cases(s)
	case *ast.TypeSwitchStmt:
		for _, clause := range s.Body.List {
			p.block(clause.(*ast.CaseClause).Body)
		}
	}
}

// simple is the statement before a condition; it cannot be left out.
func (p *planter) simple(s ast.Stmt) {
	if a, ok := s.(*ast.AssignStmt); ok {
		p.expressions(a.Rhs)
	}
}

func (p *planter) cases(s *ast.SwitchStmt) {
	p.simple(s.Init)
	for _, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		for _, e := range clause.List {
			if s.Tag == nil {
				p.condition(e)
			} else {
				p.expression(e)
			}
		}
		p.block(clause.Body)
	}
}

// dropped lets a statement be left out.
func (p *planter) dropped(s ast.Stmt, inside func()) {
	n := p.mutant(s, "%s → left out", p.source(s))
	p.around(s, fmt.Sprintf("if mutantIs(%d) { } else { ", n), " }", inside)
}

// returns lets each result be nothing, or the opposite where it is a truth.
func (p *planter) returns(s *ast.ReturnStmt) {
	if len(s.Results) == 0 && len(p.results) == 0 {
		p.dropped(s, func() {})
		return
	}
	last := len(s.Results) - 1
	void := last > 0 && (p.source(s.Results[last]) == "false" || p.results[len(p.results)-1] == "error" && p.source(s.Results[last]) != "nil")
	for i, e := range s.Results {
		switch {
		case void && i < last: // nobody looks at it
		case len(s.Results) != len(p.results):
			p.expression(e) // one call brings all of them
		case p.results[i] == "bool":
			p.condition(e)
		case nothing(p.source(e)):
		default:
			n := p.mutant(e, "return %s → of nothing", p.source(e))
			p.around(e, fmt.Sprintf("mutantZero[%s](%d, ", p.results[i], n), ")", func() { p.expression(e) })
		}
	}
}

// nothing is what a function returns that has nothing to say.
func nothing(text string) bool {
	return text == "nil" || text == "0" || text == `""` || strings.HasSuffix(text, "{}") || strings.HasSuffix(text, ".Zero")
}

// condition lets a truth be the opposite, part by part.
func (p *planter) condition(e ast.Expr) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		p.condition(e.X)
		return
	case *ast.BinaryExpr:
		if e.Op == token.LAND || e.Op == token.LOR {
			p.joined(e)
			return
		}
	}
	n := p.mutant(e, "%s → not so", p.source(e))
	p.around(e, fmt.Sprintf("mutantNot(%d, ", n), ")", func() {
		if name, is := e.(*ast.Ident); !is || name.Name != "true" && name.Name != "false" {
			p.boundary(e)
		}
	})
}

// joined lets "and" be "or" and the other way round; the right side stays lazy.
func (p *planter) joined(e *ast.BinaryExpr) {
	n := p.mutant(e, "%s: %s → %s", p.source(e), e.Op, map[token.Token]token.Token{token.LAND: token.LOR, token.LOR: token.LAND}[e.Op])
	name := map[token.Token]string{token.LAND: "mutantAnd", token.LOR: "mutantOr"}[e.Op]
	p.around(e, fmt.Sprintf("%s(%d, ", name, n), " })", func() {
		p.condition(e.X)
		p.replace(e.OpPos, e.Y.Pos(), ", func() bool { return ")
		p.condition(e.Y)
	})
}

// boundary lets a comparison be off by the equal.
func (p *planter) boundary(e ast.Expr) {
	switch e := e.(type) {
	case *ast.BinaryExpr:
		name := map[token.Token]string{token.LSS: "mutantLess", token.LEQ: "mutantAtMost", token.GTR: "mutantMore", token.GEQ: "mutantAtLeast"}[e.Op]
		if name == "" {
			p.expression(e)
			return
		}
		n := p.mutant(e, "%s: %s → %s", p.source(e), e.Op, map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}[e.Op])
		p.around(e, fmt.Sprintf("%s(%d, ", name, n), ")", func() {
			p.expression(e.X)
			p.replace(e.OpPos, e.Y.Pos(), ", ")
			p.expression(e.Y)
		})
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			p.boundary(e.X)
			return
		}
		p.expression(e)
	case *ast.CallExpr:
		selector, ok := e.Fun.(*ast.SelectorExpr)
		name := ""
		if ok && len(e.Args) == 1 {
			name = map[string]string{"Before": "mutantBefore", "After": "mutantAfter", "LessThan": "mutantLessThan", "GreaterThan": "mutantGreaterThan"}[selector.Sel.Name]
		}
		if name == "" {
			p.expression(e)
			return
		}
		n := p.mutant(e, "%s → or equal", p.source(e))
		p.around(e, fmt.Sprintf("%s(%d, ", name, n), "", func() {
			p.expression(selector.X)
			p.replace(selector.X.End(), e.Args[0].Pos(), ", ")
			p.expression(e.Args[0])
		})
	default:
		p.expression(e)
	}
}

func (p *planter) expressions(list []ast.Expr) {
	for _, e := range list {
		p.expression(e)
	}
}

// expression lets a named state be another one, wherever it stands, and visits truths and functions inside.
func (p *planter) expression(e ast.Expr) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok && x.Name == "lifeboat" && swaps[e.Sel.Name] != "" {
			other := "lifeboat." + swaps[e.Sel.Name]
			n := p.mutant(e, "%s → %s", p.source(e), other)
			p.around(e, fmt.Sprintf("mutantPick(%d, ", n), ", "+other+")", func() {})
			return
		}
		p.expression(e.X)
	case *ast.Ident:
		if e.Name == "true" || e.Name == "false" {
			n := p.mutant(e, "%s → the opposite", e.Name)
			p.around(e, fmt.Sprintf("mutantNot(%d, ", n), ")", func() {})
		}
	case *ast.BinaryExpr:
		switch e.Op {
		case token.LAND, token.LOR:
			p.joined(e)
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			p.boundary(e)
		default:
			p.expression(e.X)
			p.expression(e.Y)
		}
	case *ast.UnaryExpr:
		p.expression(e.X)
	case *ast.ParenExpr:
		p.expression(e.X)
	case *ast.CallExpr:
		p.expressions(e.Args)
		if selector, ok := e.Fun.(*ast.SelectorExpr); ok {
			p.expression(selector.X)
		}
	case *ast.CompositeLit:
		for _, element := range e.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				p.expression(pair.Value)
			} else {
				p.expression(element)
			}
		}
	case *ast.IndexExpr:
		p.expression(e.Index)
	case *ast.FuncLit:
		outer := p.results
		p.results = p.typesOf(e.Type.Results)
		p.block(e.Body.List)
		p.results = outer
	}
}
