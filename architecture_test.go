package lifeboat_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows says what each folder of the product may import of the product; a folder covers what lies below it unless
// that has a line of its own. Everything may import the root and its own folder.
var arrows = map[string][]string{
	".":              {},
	"session":        {},
	"risk":           {},
	"risk/sheet":     {"risk", "prose"},
	"prose":          {},
	"secret":         {},
	"durable":        {},
	"plan":           {"prose", "secret", "custodian/address"},
	"watch/feed":     {"plan", "session", "prose", "secret", "chain", "watch/state"},
	"watch/coverage": {"prose", "watch/state"},
	"watch/history":  {"session", "prose", "watch/feed"},
	"watch/signal":   {"plan", "session", "risk", "watch/state", "watch/window"},
	"watch/state":    {},
	"watch/window":   {"watch/state", "risk"},
	"watch/rule":     {"plan", "session", "risk", "prose", "watch/signal", "watch/state"},
	"watch/trigger":  {"plan", "session", "watch/signal", "watch/rule", "watch/state"},
	"act/approve":    {"plan", "prose", "act/safe"},
	"act/decide":     {"plan", "prose", "act/approve"},
	"act/audit":      {"plan"},
	"act/custody":    {"plan", "prose", "act/safe"},
	"act/play":       {"plan", "session", "prose", "act/approve"},
	"act/task":       {"plan", "prose", "durable"},
	"act/exit":       {"plan", "prose", "durable", "chain", "act/safe", "act/task"},
	"act/venue":      {"plan", "session", "risk", "secret", "watch/state"},
	"act/withdraw":   {"plan", "prose", "act/task", "act/venue"},
	"endpoint":       {"plan"},
	"keep/journal":   {"prose"},
	"keep/sqlstore":  {"keep/journal"},
	"keep/sqlite":    {"keep/journal", "keep/sqlstore"},
	"keep/postgres":  {"keep/journal", "keep/sqlstore"},
	"keep/review":    {"plan", "prose"},
	"talk/notify":    {"plan", "secret"},
	"talk/escalate":  {"plan", "prose"},
	"talk/heartbeat": {},
	"serve/api":      {},
	"app":            {"plan", "prose", "session", "risk", "watch", "act", "keep", "talk", "serve", "endpoint", "secret", "chain", "custodian", "durable"},
	"drill":          {"plan", "session", "risk", "prose", "watch", "act", "keep", "app", "drill/scenario"},
	"drill/scenario": {"session"},
	"drill/report":   {"prose", "drill"},
	"drill/feasible": {"plan", "prose", "act/approve"},
	"drill/convert":  {"session", "risk", "drill/scenario"},
	"examples":       {},
	"cmd/lifeboat":   {"plan", "prose", "session", "risk", "watch", "act/custody", "keep", "talk", "serve", "app", "drill", "backtest", "examples", "statement"},

	"backtest":          {"plan", "session", "prose", "watch", "keep", "app", "drill"},
	"backtest/disaster": {},
	"backtest/report":   {"prose", "watch/rule", "drill", "backtest"},

	"statement":  {"prose"},
	"act/canary": {"plan"},

	"chain":     {"prose", "secret"},
	"custodian": {"chain", "prose", "act/venue/rest"},
	"act/safe":  {"chain", "prose", "durable"},
	"act/sign":  {"plan"},
}

type source struct {
	path, folder string
	file         *ast.File
	positions    *token.FileSet
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") || strings.Contains(s.folder, "test") && s.folder != "testdata" {
			continue // a test may join what it wants
		}
		allowed, home := arrowsOf(s.folder)
		if allowed == nil {
			t.Errorf("%s: the folder has no line in the table of arrows", s.path)
			continue
		}
		for _, imported := range s.file.Imports {
			path, _ := strconv.Unquote(imported.Path.Value)
			folder, ours := strings.CutPrefix(path, "lifeboat/")
			if !ours || under(folder, home) {
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool { return under(folder, a) }) {
				t.Errorf("%s imports %s: a new kind of arrow (%s may import %v)", s.path, folder, home, allowed)
			}
		}
	}
}

// TestOneClockNoDice holds the deterministic core to its word.
func TestOneClockNoDice(t *testing.T) {
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		for _, imported := range s.file.Imports {
			if path, _ := strconv.Unquote(imported.Path.Value); strings.HasPrefix(path, "math/rand") && s.folder != "drill/convert" && s.folder != "app/simtest" {
				t.Errorf("%s imports %s: a tape must give the same journal twice", s.path, path)
			}
		}
		if s.path == "clock.go" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			name, _ := selector.X.(*ast.Ident)
			if name != nil && name.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc", "Sleep"}, selector.Sel.Name) {
				t.Errorf("%s: time.%s outside clock.go", s.positions.Position(n.Pos()), selector.Sel.Name)
			}
			return true
		})
	}
}

// TestPackagesSayWhatTheyAreFor wants a page at the head of each package.
func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	longest := map[string]int{}
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.path, "_test.go") {
			longest[s.folder] = max(longest[s.folder], len(s.file.Doc.Text()))
		}
	}
	for folder, n := range longest {
		if n < 120 {
			t.Errorf("%s: the package comment has %d characters; say what it is for, how it works and what it does not do", folder, n)
		}
	}
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "out" || path == "tools") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(path), filepath.ToSlash(filepath.Dir(path)), file, positions})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// arrowsOf finds the line of the table that covers a folder.
func arrowsOf(folder string) (allowed []string, home string) {
	for home = folder; ; home = filepath.ToSlash(filepath.Dir(home)) {
		if allowed, ok := arrows[home]; ok && (home != "." || folder == ".") {
			return allowed, home
		}
		if home == "." {
			return nil, ""
		}
	}
}

func under(folder, home string) bool { return folder == home || strings.HasPrefix(folder, home+"/") }
