package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lifeboat/backtest"
	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/watch/rule"
)

// hostile is what an owner, or somebody who sends him a plan, may call a trigger.
const hostile = `<script>alert("1")</script> & 'so on' </svg>`

// played is a backtest of a small plan with a hostile name over one scenario.
func played(t *testing.T) backtest.Result {
	t.Helper()
	p := &plan.Plan{
		Portfolio: plan.Portfolio{Name: "<b>mine</b>", BaseCurrency: "USD", Benchmark: "SPY", Calendar: "nyse"},
		Holdings:  []plan.Holding{{Symbol: "SPY", Account: "a", Class: "equities"}},
		Triggers: []plan.Trigger{
			{Name: hostile, Tier: 2, Condition: "drawdown(SPY) >= 15% AND VIX > 30"},
			{Name: "on the portfolio", Tier: 1, Condition: "spy_200d_ma_breach"},
		},
	}
	s, err := scenario.ByName("covid-2020")
	if err != nil {
		t.Fatal(err)
	}
	scene, whyNot, err := backtest.SceneOf(p, s)
	if err != nil || whyNot != "" {
		t.Fatal(whyNot, err)
	}
	r, err := backtest.Run(t.Context(), backtest.Options{Plan: p, Scenes: []backtest.Scene{scene}, Skipped: []backtest.Skipped{{Name: "<i>", Why: "<u>"}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPageEscapes: nothing that a plan says becomes markup, in the text or in a drawing.
func TestPageEscapes(t *testing.T) {
	r := played(t)
	r.Partial = true
	changes := backtest.Compare(r, r)
	changes.Added = []string{hostile}
	r.Changes = &changes
	var page bytes.Buffer
	if err := HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, raw := range []string{"<script", "<b>mine", "<i>", "<u>", `alert("1")</script>`} {
		if strings.Contains(text, raw) {
			t.Errorf("the page holds %s", raw)
		}
	}
	if n := strings.Count(text, "&lt;script&gt;"); n < 5 {
		t.Errorf("the name stands escaped in %d places", n)
	}
	if !strings.Contains(text, "<b>Partial.</b>") || !strings.Contains(text, "(partial)</title>") {
		t.Error("a partial report does not say so")
	}
}

// TestPageAsksNobody: no address of anything outside the page, no script, and one drawing for each trigger.
func TestPageAsksNobody(t *testing.T) {
	var page bytes.Buffer
	if err := HTML(&page, played(t)); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(page.String(), `xmlns="http://www.w3.org/2000/svg"`, "")
	if found := regexp.MustCompile(`https?://|<script|\bsrc=|\bhref=|@import|url\(`).FindString(text); found != "" {
		t.Errorf("the page asks for %s", found)
	}
	if n := strings.Count(text, "<svg"); n != 2 {
		t.Errorf("%d drawings", n)
	}
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a drawing has a number that is none")
	}
}

// TestDrawing: a drawing is well-formed XML, and has its threshold, its firing and its point of no return.
func TestDrawing(t *testing.T) {
	r := played(t)
	svg := draw(r, r.Plays[0], 0)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, wanted := range []string{`class="limit"`, `class="firing"`, `class="noreturn"`, "price of SPY", "drawdown(SPY)", "VIX", ">15%</text>"} {
		if !strings.Contains(svg, wanted) {
			t.Errorf("the drawing has no %s", wanted)
		}
	}
	r.Plays[0].Samples = r.Plays[0].Samples[:1]
	if svg := draw(r, r.Plays[0], 0); svg != "" {
		t.Errorf("one sample was drawn: %s", svg)
	}
}

// TestThin keeps the wick.
func TestThin(t *testing.T) {
	var points []point
	for i := range 10 * thinMax {
		points = append(points, point{time.Unix(int64(i), 0), math.Sin(float64(i) / 100)})
	}
	points[7777].value = 99
	kept := thin(points)
	highest := 0.0
	for i, p := range kept {
		highest = max(highest, p.value)
		if i > 0 && p.at.Before(kept[i-1].at) {
			t.Fatal("the points are out of order")
		}
	}
	if len(kept) > thinMax || highest != 99 {
		t.Errorf("%d points, the highest %v", len(kept), highest)
	}
}

// TestWrite makes both files, the same twice; lists in the JSON are never null.
func TestWrite(t *testing.T) {
	r := played(t)
	var first []byte
	for range 2 {
		dir := filepath.Join(t.TempDir(), "new", "report")
		if err := Write(dir, r); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, Page))
		if err != nil {
			t.Fatal(err)
		}
		contract, err := os.ReadFile(filepath.Join(dir, "backtest.json"))
		if err != nil {
			t.Fatal(err)
		}
		var told map[string]any
		if err := json.Unmarshal(contract, &told); err != nil || told["plan"] != "<b>mine</b>" {
			t.Errorf("the JSON is %v, %v", told["plan"], err)
		}
		for _, list := range []string{"first", "plays", "triggers", "skipped", "warnings", "disasters", "firings", "leads", "bad_ticks", "variants", "broken"} {
			if strings.Contains(string(contract), `"`+list+`": null`) {
				t.Errorf("%s is null", list)
			}
		}
		if first == nil {
			first = page
		} else if !bytes.Equal(first, page) {
			t.Error("two reports of one result differ")
		}
	}
}

// TestText fits its width, and its first lines are the remarks.
func TestText(t *testing.T) {
	r := played(t)
	r.Partial = true
	r.First = append([]backtest.Remark{{Trigger: "x", Kind: backtest.FalseExit, Text: "sold\nfalsely"}}, r.First...)
	var out bytes.Buffer
	Text(&out, r, 70)
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[0], "BACKTEST of \"<b>mine</b>\" – PARTIAL") || lines[1] != "  ! FALSE EXIT: sold falsely" {
		t.Errorf("it begins %q, %q", lines[0], lines[1])
	}
	for _, line := range lines {
		if n := len([]rune(line)); n > 70 {
			t.Errorf("%d wide: %s", n, line)
		}
	}
}

// TestDrawingExplainsItself: colour is never the only sign. A firing has its triangle and its bar on the time axis, the ends
// of a disaster have their words, and an axis has the unit of its threshold.
func TestDrawingExplainsItself(t *testing.T) {
	r := played(t)
	svg := draw(r, r.Plays[0], 0)
	for _, sign := range []string{`class="mark"`, `class="stood"`, ">first signal</text>", ">no return</text>", ", %</text>", ">20 %</text>", ">15%</text>"} {
		if !strings.Contains(svg, sign) {
			t.Errorf("the drawing has no %s", sign)
		}
	}
	for _, c := range []struct {
		text, want string
		value      float64
	}{{"15%", "20 %", 0.2}, {"$5,000", "$200", 200}, {"3h", "2 h", 7200}, {"2d", "2 d", 172_800}, {"30", "20", 20}, {"0.97", "0.98", 0.98}} {
		u := unitOf(rule.Literal{Text: c.text})
		if got := u.before + figure(u.of(c.value), 0.02) + u.after; got != c.want {
			t.Errorf("%v against %s is %q, want %q", c.value, c.text, got, c.want)
		}
	}
}

// TestLabelsDoNotOverlap: two disasters close together lose a word before they make one unreadable.
func TestLabelsDoNotOverlap(t *testing.T) {
	c := &chart{}
	if !c.write("first signal", 300, true) || c.write("holding was right", 310, true) || !c.write("no return", 320, false) || c.write("no return", 330, false) {
		t.Errorf("labels stand at %v", c.labels)
	}
	if c.write("first signal", plotLeft+5, true) || c.write("no return", plotRight-5, false) {
		t.Errorf("a label leaves the drawing: %v", c.labels)
	}
}
