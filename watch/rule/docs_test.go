package rule

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lifeboat/plan"
)

const page = "../../docs/rules.md"

// patternExamples are the names that are made of a series and a question, one for each question.
var patternExamples = []string{
	"spy_200d_ma", "spy_200d_ma_breach", "spy_5d_return", "spy_20d_drawdown", "spy_250d_high", "spy_250d_low", "spy_drawdown",
	"spy_daily_return", "spy_volume_spike", "volume_spike",
}

// TestDocsVocabulary keeps the tables of docs/rules.md the same as the code; make generate writes them. What a name
// means is said there in the words of rule explain.
func TestDocsVocabulary(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	have := string(text)
	for name, table := range map[string]string{
		"portfolio": tableOf(t, slices.Sorted(maps.Keys(portfolioSignals))), "patterns": tableOf(t, patternExamples),
		"functions": functionTable(t), "operators": operatorTable(t), "limits": limitTable(),
	} {
		block := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- end -->)`)
		if !block.MatchString(have) {
			t.Errorf("%s has no table of %s", page, name)
		}
		have = block.ReplaceAllString(have, "${1}"+strings.ReplaceAll(table, "$", "$$")+"${2}")
	}
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err = os.ReadFile(page); err != nil || string(text) != have {
		t.Errorf("%s is not what the code says; run make generate (%v)", page, err)
	}
}

// TestDocsRules checks every expression of docs/rules.md: those of the blocks called rule are sound, and those called
// rule-fault are told what the page says.
func TestDocsRules(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	env := here
	env.Signals = append(slices.Clone(env.Signals), plan.Signal{Name: "at_hand", Expr: "value(cash) + value(bonds)"})
	sound, faulty := 0, 0
	for _, block := range regexp.MustCompile("(?ms)^```(rule|rule-fault)\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
		lines := strings.Split(strings.TrimRight(block[2], "\n"), "\n")
		for i := 0; i < len(lines); i++ {
			expr, _, _ := strings.Cut(lines[i], "   #")
			faults := Check(strings.TrimSpace(expr), env)
			if block[1] == "rule" {
				if sound++; faults != nil {
					t.Errorf("%s\n%s", expr, faults[0].Show(expr))
				}
				continue
			}
			faulty++
			i++
			if len(faults) != 1 || faults[0].Error() != strings.TrimSpace(lines[i]) {
				t.Errorf("%s: %v", expr, faults)
			}
		}
	}
	if sound < 12 || faulty < 10 {
		t.Errorf("only %d sound and %d faulty expressions were found; the pattern has lost them", sound, faulty)
	}
}

func tableOf(t *testing.T, names []string) string {
	var b strings.Builder
	b.WriteString("| name | type | what it is |\n|---|---|---|\n")
	for _, name := range names {
		b.WriteString(rowOf(t, name, ""))
	}
	return b.String()
}

func functionTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| function | type | what it is |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		for _, f := range functions[name] {
			b.WriteString(rowOf(t, f.example, f.note))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(also)) {
		fmt.Fprintf(&b, "| `%s` | | another name of `%s` |\n", name, also[name])
	}
	return b.String()
}

func operatorTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| written | type | what it is |\n|---|---|---|\n")
	for _, example := range []string{"VIX > 30 for 3d", "VIX > 30 for 15m", "VIX > 30 for 3 of 5d", "2 of (VIX > 30, daily_return < -5%, spy_200d_ma_breach)"} {
		b.WriteString(rowOf(t, example, ""))
	}
	for _, name := range slices.SortedFunc(maps.Keys(operators), func(a, b string) int {
		return cmp.Or(cmp.Compare(operators[a].kind, operators[b].kind), cmp.Compare(a, b))
	}) {
		b.WriteString(rowOf(t, operators[name].example, ""))
	}
	b.WriteString(rowOf(t, "crossed_above(VIX, 30, 5d)", ""))
	return b.String()
}

// rowOf is a row about one expression, in the words of explain.
func rowOf(t *testing.T, expr, note string) string {
	t.Helper()
	root, _, faults := checked(expr, here)
	if faults != nil {
		t.Fatalf("%s: %v", expr, faults[0])
	}
	if note != "" {
		note = "; " + note
	}
	return fmt.Sprintf("| `%s` | %s | %s%s |\n", expr, typeOfRow(root), say(root), note)
}

// typeOfRow tells what has the unit of its series apart from what has its own.
func typeOfRow(root *expression) string {
	if root.use != nil && root.use.typ == Money && len(root.use.needs) > 0 || root.use != nil && root.use.typ == Number {
		return "as the series"
	}
	return units[root.typ]
}

func limitTable() string {
	return fmt.Sprintf("| limit | |\n|---|---|\n| length | %d bytes |\n| parts | %d; %d with those of the signals it names |\n| depth | %d parentheses |\n",
		lengthMax, nodesMax, expandedMax, depthMax)
}
