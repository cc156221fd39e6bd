package rule

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lifeboat/plan"
	"lifeboat/watch/signal"
)

var here = Env{
	Series:  []string{"SPY", "VIX", "DGS10", "USDC", "USDT", "BTC-USD", "for", "of"},
	Symbols: []string{"SPY", "TLT", "QQQ", "USDC", "USD"},
	Classes: []string{"equities", "bonds", "stablecoin"},
	Signals: []plan.Signal{
		{Name: "market_fall", Expr: "drawdown(SPX)"},
		{Name: "silence", Expr: "age(SPY)"},
		{Name: "limit", Expr: "15%"},
		{Name: "storm", Expr: "VIX > 30 for 3d"},
	},
}

// asked is what the source document asks for, in its own words where it has some: the JSON trigger, the sample rule, the
// alert on value at risk, the three tiers, and the context that lowers false positives.
var asked = []string{
	"portfolio_drawdown >= 0.15 AND spy_200d_ma_breach == true",
	"IF daily_return < -0.07 AND volume_spike > 2.0 THEN severity = CRITICAL",
	"var_1d_95 > 5%",
	"portfolio_drawdown >= 10% OR VIX > 30",
	"portfolio_drawdown >= 15% AND spy_200d_ma_breach for 2d",
	"stale(SPY) OR drawdown(SPX) >= 20%",
	"max_drawdown > 25%",
	"sector_concentration > 40% OR protocol_concentration > 30%",
	"liquidity_days > 5 OR exitable(1d, 10%) < 50%",
	"daily_return < -7% AND (VIX > 25 OR change(DGS10, 5d) < -0.25)",
	"market_fall >= 20% AND 2 of (VIX > 30, crossed_below(SPY, ma(SPY, 200d), 5d), since(storm) < 36h)",
}

// TestSourceDocument shows how everything that the source document asks for is told to its owner.
func TestSourceDocument(t *testing.T) {
	var b strings.Builder
	for _, expr := range asked {
		if faults := CheckCondition(expr, here); faults != nil {
			t.Fatalf("%s\n%s", expr, faults[0].Show(expr))
		}
		meaning, err := Describe(expr, here)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(expr + "\n\n" + meaning.Sentence + "\n\n" + meaning.String() + "\n")
	}
	file := filepath.Join("testdata", "source.golden")
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || b.String() != string(want) {
		t.Errorf("%s differs (go test -update writes it anew; %v):\n%s", file, err, b.String())
	}
}

// TestEveryFunction calls each function as its example does: it must check, read well, and be a question that the
// engine of signals answers.
func TestEveryFunction(t *testing.T) {
	for _, expr := range vocabularyExamples() {
		root, _, faults := checked(expr, here)
		if faults != nil {
			t.Errorf("%s\n%s", expr, faults[0].Show(expr))
			continue
		}
		said := sentence(root)
		if strings.Contains(said, "%!") || strings.Contains(said, "  ") || !strings.HasSuffix(said, ".") {
			t.Errorf("%s reads %q", expr, said)
		}
		if root.use == nil {
			continue
		}
		if _, err := signal.New(signal.Config{}).Node(root.use.node); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		q := root.use.node
		silent := q.Op == signal.Age || q.Op == signal.Stale // which must be known while the series is silent
		if needs := len(root.use.needs) > 0; needs == (root.use.book || silent) || root.use.book && silent {
			t.Errorf("%s reads the book: %v, and needs %v", expr, root.use.book, root.use.needs)
		}
	}
}

func vocabularyExamples() []string {
	var all []string
	for _, forms := range functions {
		for _, f := range forms {
			all = append(all, f.example)
		}
	}
	for _, o := range operators {
		all = append(all, o.example)
	}
	all = append(all, slices.Collect(maps.Keys(portfolioSignals))...)
	all = append(all, patternExamples...)
	slices.Sort(all)
	return all
}

// TestUnits holds one value of every type against one literal of every kind. Only those that fit may be compared.
func TestUnits(t *testing.T) {
	literals := []string{"3", "3%", "$3", "3h", "3d", "true"}
	for value, fits := range map[string][]string{
		"VIX":                        {"3", "$3"},
		"SPY":                        {"3", "$3"},
		"ma(SPY, 5d)":                {"3", "$3"},
		"portfolio_value":            {"3", "$3"},
		"value(bonds)":               {"3", "$3"},
		"SPY * 2":                    {"3", "$3"},
		"return(SPY, 5d)":            {"3", "3%"},
		"beta(SPY, TLT, 60d)":        {"3", "3%"},
		"SPY / TLT":                  {"3", "3%"},
		"volume_spike":               {"3", "3%"},
		"cash_weight":                {"3%"}, // 3 is out of reach
		"ewma(SPY)":                  {"3%"},
		"days_to_exit(10%)":          {"3"},
		"zscore(VIX, 20d)":           {"3"},
		"volume(SPY)":                {"3"},
		"age(SPY)":                   {"3h", "3d"},
		"silence":                    {"3h", "3d"},
		"since(VIX > 30)":            {"3h", "3d"},
		"spy_200d_ma_breach":         {"true"},
		"stale(SPY)":                 {"true"},
		"storm":                      {"true"},
		"abs(daily_return)":          {"3", "3%"},
		"least(SPY, TLT)":            {"3", "$3"},
		"volume(SPY) * SPY":          {"3", "$3"},
		"portfolio_value / SPY":      {"3", "3%"},
		"1h30m":                      {"3h", "3d"},
		"greatest(SPY, 5)":           {"3", "$3"},
		"spread(USDC, USDT)":         {"3", "3%"},
		"correlation(SPY, TLT, 60d)": {"3%"},
	} {
		for _, literal := range literals {
			expr := value + " == " + literal
			if fine := Check(expr, here) == nil; fine != slices.Contains(fits, literal) {
				t.Errorf("%s is accepted: %v", expr, fine)
			}
		}
	}
}

// TestWindows tells sessions from wall time.
func TestWindows(t *testing.T) {
	for expr, want := range map[string]signal.Node{
		"max(SPY, 250d)":         {Op: signal.Max, Of: "SPY", N: 250},
		"max(SPY, 90m)":          {Op: signal.Max, Of: "SPY", Span: seconds(90 * 60)},
		"max(SPY, 1h30m)":        {Op: signal.Max, Of: "SPY", Span: seconds(90 * 60)},
		"drawdown(SPY)":          {Op: signal.Drawdown, Of: "SPY"},
		"drawdown(SPY, 9600h)":   {Op: signal.Drawdown, Of: "SPY", Span: signal.SpanMax},
		"volume_spike":           {Op: signal.Spike, Of: "SPY.volume", N: 20},
		"volume_spike(TLT, 60d)": {Op: signal.Spike, Of: "TLT.volume", N: 60},
		"daily_return":           {Op: signal.PortfolioReturn, N: 1},
		"spread(USDC, USDT)":     {Op: signal.Apart, Of: "USDC", With: "USDT"},
		"var(SPY, 99%, 250d)":    {Op: signal.ReturnVaR, Of: "SPY", N: 250, Level: 0.99},
		"exitable(5d, 10%)":      {Op: signal.Exitable, N: 5, Level: 0.1},
		"spy_250d_high":          {Op: signal.Max, Of: "SPY", N: 250},
	} {
		root, _, faults := checked(expr, here)
		if faults != nil || root.use.node != want {
			t.Errorf("%s: %+v %v", expr, root, faults)
		}
	}
	for expr, want := range map[string]window{
		"VIX > 30 for 3d":            {sessions: 3},
		"VIX > 30 for 15m":           {span: seconds(15 * 60)},
		"VIX > 30 for 3 of 5d":       {sessions: 5},
		"crossed_above(VIX, 30)":     {},
		"crossed_above(VIX, 30, 5d)": {sessions: 5},
	} {
		root, _, faults := checked(expr, here)
		if faults != nil || root.window != want {
			t.Errorf("%s: %+v %v", expr, root, faults)
		}
	}
}

// TestForBindsClosest shows what "for" is about: the comparison before it, and no more.
func TestForBindsClosest(t *testing.T) {
	for expr, want := range map[string]string{
		"VIX > 30 for 3d AND SPY < 300":     "VIX > 30 for 3d AND SPY < 300",
		"SPY < 300 AND VIX > 30 for 3d":     "SPY < 300 AND VIX > 30 for 3d",
		"(SPY < 300 AND VIX > 30) for 3d":   "(SPY < 300 AND VIX > 30) for 3d",
		"NOT VIX > 30 for 3d":               "NOT VIX > 30 for 3d",
		"(NOT VIX > 30) for 3d":             "(NOT VIX > 30) for 3d",
		"(VIX > 30 for 3d) for 90m":         "(VIX > 30 for 3d) for 1h30m",
		"for > 3 for 3d":                    "for > 3 for 3d", // a series may be called so
		"of > 3 AND 2 of (of > 3, for > 3)": "of > 3 AND 2 of (of > 3, for > 3)",
	} {
		root, _, faults := checked(expr, here)
		if faults != nil {
			t.Errorf("%s\n%s", expr, faults[0].Show(expr))
			continue
		}
		if got := write(root); got != want {
			t.Errorf("%s is read as %s", expr, got)
		}
	}
}

// TestPosition of a fault in an expression of several lines.
func TestPosition(t *testing.T) {
	expr := "portfolio_drawdown >= 15%\n  AND VIX > 30%\n\n\tOR drawdwn(SPY) > 3%"
	faults := Check(expr, here)
	if len(faults) != 2 {
		t.Fatal(faults)
	}
	for i, want := range []string{
		"line 2, column 7:\n  AND VIX > 30%\n      ^^^^^^^^^ cannot compare VIX, which is a number, with 30%, which is a ratio; did you mean 30?",
		"line 4, column 5:\n OR drawdwn(SPY) > 3%\n    ^^^^^^^^^^^^ there is no function drawdwn; did you mean drawdown?",
	} {
		if got := faults[i].Show(expr); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	for expr, want := range map[string][2]int{"": {1, 1}, "VIX >": {1, 6}, "VIX\n": {0, 0}, "VIX\n>": {2, 2}, "'é' > x": {1, 1}} {
		faults := Check(expr, here)
		if want == [2]int{} {
			if faults != nil {
				t.Errorf("%q: %v", expr, faults)
			}
			continue
		}
		if line, column := faults[0].Position(expr); [2]int{line, column} != want {
			t.Errorf("%q: line %d, column %d", expr, line, column)
		}
	}
}

// seeds are the expressions that the golden files are about.
func seeds(tb testing.TB) []string {
	tb.Helper()
	var all []string
	for _, name := range []string{"good", "bad"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			tb.Fatal(err)
		}
		for expr := range strings.Lines(string(text)) {
			all = append(all, strings.TrimSuffix(expr, "\n"))
		}
	}
	return slices.Concat(all, asked, vocabularyExamples())
}

// explains holds an expression to what is promised of every one: it ends, its faults lie within it, what is sound can be
// said, and written in one spelling it is read as the same again.
func explains(t *testing.T, expr string) {
	t.Helper()
	root, _, faults := checked(expr, here)
	for _, f := range faults {
		line, column := f.Position(expr)
		if f.Offset < 0 || f.Length < 1 || f.Offset > len([]rune(expr)) || line < 1 || column < 1 || f.Message == "" {
			t.Fatalf("%q: the fault is at %d+%d, line %d, column %d", expr, f.Offset, f.Length, line, column)
		}
	}
	meaning, err := Describe(expr, here)
	if (err == nil) != (faults == nil) {
		t.Fatalf("%q: Check says %v, Describe says %v", expr, faults, err)
	}
	if err != nil {
		return
	}
	if tree := meaning.String(); meaning.Sentence == "" || strings.Contains(meaning.Sentence+tree, "%!") {
		t.Fatalf("%q: %q\n%s", expr, meaning.Sentence, tree)
	}
	written := write(root)
	again, _, faults := checked(written, here)
	if len(written) > lengthMax { // more parentheses and digits than the owner wrote
		return
	}
	if faults != nil {
		t.Fatalf("%q is written %q: %v", expr, written, faults)
	}
	if twice, said := write(again), sentence(again); twice != written || said != meaning.Sentence {
		t.Fatalf("%q is written %q and then %q:\n%s\n%s", expr, written, twice, meaning.Sentence, said)
	}
}

func TestWritten(t *testing.T) {
	for _, expr := range seeds(t) {
		explains(t, expr)
	}
}

func FuzzExplain(f *testing.F) {
	for _, expr := range seeds(f) {
		f.Add(expr)
	}
	f.Fuzz(explains)
}

// apart takes a whole rule into its condition, as it is written, and the severity; another expression is its own
// condition.
func apart(expr string) (condition, severity string, fault *Fault) {
	root, fault := parse(expr)
	switch {
	case fault != nil:
		return "", "", fault
	case root.kind != aRule:
		return strings.TrimSpace(expr), "", nil
	}
	return string([]rune(expr)[root.args[0].at:root.args[0].end]), root.text, nil
}

func TestApart(t *testing.T) {
	for _, c := range []struct{ in, condition, severity string }{
		{"IF daily_return < -0.07 AND volume_spike > 2.0 THEN severity = CRITICAL", "daily_return < -0.07 AND volume_spike > 2.0", "CRITICAL"},
		{"if (VIX > 30) then Severity = 'high'", "(VIX > 30)", "HIGH"},
		{" VIX > 30 ", "VIX > 30", ""},
	} {
		condition, severity, fault := apart(c.in)
		if fault != nil || condition != c.condition || severity != c.severity {
			t.Errorf("%s: %q %q %v", c.in, condition, severity, fault)
		}
	}
}

// FuzzParse takes an expression apart. A condition taken out of a rule is taken apart into itself, and is sound when the
// rule is.
func FuzzParse(f *testing.F) {
	for _, expr := range seeds(f) {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		condition, _, fault := apart(expr)
		if fault != nil {
			if fault.Message == "" {
				t.Fatalf("%q: a fault without words", expr)
			}
			return
		}
		again, severity, fault := apart(condition)
		if fault != nil || again != condition || severity != "" {
			t.Fatalf("%q has the condition %q, which is taken apart into %q %q %v", expr, condition, again, severity, fault)
		}
		if Check(expr, here) == nil && Check(condition, here) != nil {
			t.Fatalf("%q is sound and its condition %q is not", expr, condition)
		}
	})
}

// A unit in other words is told in ours.
func TestUnitsInOtherWords(t *testing.T) {
	for _, c := range []struct{ expr, at, meant string }{
		{"VIX > 30 for 3 days", "3 days", "3d"},
		{"USDC < 0.97 for 72 hours", "72 hours", "72h"},
		{"VIX > 30 for 3 of 5 days", "5 days", "5d"},
		{"drawdown(SPY, 20 d) > 10%", "20 d", "20d"},
		{"drawdown(SPY, 2 weeks) > 10%", "2 weeks", "10d"},
		{"drawdown(SPY, 1y) > 10%", "1y", "250d"},
		{"drawdown(SPY, 3mo) > 10%", "3mo", "63d"},
		{"drawdown(SPY) > 10 percent", "10 percent", "10%"},
		{"daily_return < -50bp", "50bp", "0.5%"},
		{"BTC < 20k", "20k", "20000"},
		{"BTC < $20k", "$20k", "$20,000"},
		{"BTC < $1.5m", "$1.5m", "$1,500,000"},
		{"BTC < $20%", "$20%", ""},
		{"VIX > 30 for 3 moons", "moons", ""},
		{"VIX > 30q", "30q", ""},
	} {
		_, f := parse(c.expr)
		if f == nil {
			t.Errorf("%s: want a fault", c.expr)
			continue
		}
		if at := c.expr[f.Offset : f.Offset+f.Length]; at != c.at || f.Suggestion != c.meant {
			t.Errorf("%s: at %q, did you mean %q; want at %q, %q", c.expr, at, f.Suggestion, c.at, c.meant)
		}
		if f.Suggestion == "" {
			continue
		}
		if _, again := parse(strings.Replace(c.expr, c.at, f.Suggestion, 1)); again != nil {
			t.Errorf("%s: what is suggested is wrong too: %v", c.expr, again)
		}
	}
}
