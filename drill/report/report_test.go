package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/drill"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds every form of both reports to the files in testdata, which are there to be read.
func TestGolden(t *testing.T) {
	for name, r := range map[string]drill.Result{"exit": exit(), "hold": hold(), "quiet": quiet()} {
		dir := t.TempDir()
		if err := Write(dir, r); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"report.md", "report.json", "value.svg", "drawdown.svg"} {
			text, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(name, file), text)
		}
		for width, file := range map[int]string{80: "terminal-80.txt", 110: "terminal-110.txt"} {
			var screen bytes.Buffer
			Terminal(&screen, r, width, false)
			golden(t, filepath.Join(name, file), screen.Bytes())
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./drill/report -update writes it anew):\n%s", path, got)
	}
}

// TestScreen holds the terminal to its size, at every width and for the fullest result.
func TestScreen(t *testing.T) {
	full := exit()
	for range 5 {
		full.Firings = append(full.Firings, exit().Firings...)
		full.Decisions = append(full.Decisions, exit().Decisions...)
		full.Orders = append(full.Orders, exit().Orders...)
		full.Runs = append(full.Runs, exit().Runs...)
		full.Failures = append(full.Failures, exit().Failures...)
		full.Warnings = append(full.Warnings, exit().Warnings...)
	}
	for _, r := range []drill.Result{exit(), hold(), quiet(), full, {}} {
		for _, width := range []int{0, 60, 80, 100, 200} {
			var screen bytes.Buffer
			Terminal(&screen, r, width, false)
			lines := strings.Split(strings.TrimRight(screen.String(), "\n"), "\n")
			if width >= 80 && len(lines) > 80 {
				t.Errorf("%s at width %d has %d lines", r.Title, width, len(lines))
			}
			for _, line := range lines {
				if n := utf8.RuneCountInString(line); n > max(width, widthMin) || n > widthMax {
					t.Errorf("width %d: %d columns in %q", width, n, line)
				}
			}
		}
	}
}

// TestColour: taking the colours away gives the plain screen, so they never carry a meaning alone.
func TestColour(t *testing.T) {
	var plain, coloured bytes.Buffer
	Terminal(&plain, exit(), 80, false)
	Terminal(&coloured, exit(), 80, true)
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("colours where none were asked for")
	}
	if got := regexp.MustCompile("\x1b\\[[0-9]+m").ReplaceAllString(coloured.String(), ""); got != plain.String() || got == coloured.String() {
		t.Errorf("the coloured screen says something else:\n%s", got)
	}
}

// TestGravestFiringsStay: when the screen is too small, emergencies are told and watches are counted.
func TestGravestFiringsStay(t *testing.T) {
	var firings []drill.Firing
	for i := range 20 {
		tier := lifeboat.Watch
		if i == 17 {
			tier = lifeboat.Emergency
		}
		firings = append(firings, drill.Firing{Tier: tier, State: lifeboat.Fired})
	}
	shown, all := gravest(firings, 3)
	if len(shown) != 3 || shown[2] != 17 || all != 20 {
		t.Errorf("got %v of %d", shown, all)
	}
}

// TestJSON is the contract: lists are never null, and a result survives the way there and back.
func TestJSON(t *testing.T) {
	var empty bytes.Buffer
	if err := JSON(&empty, drill.Result{Runs: []drill.Run{{}}, Incidents: []drill.Incident{{}}}); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"firings", "decisions", "orders", "gaps", "uncovered", "warnings", "failures", "steps", "triggers"} {
		if !strings.Contains(empty.String(), `"`+list+`": []`) {
			t.Errorf("%s is not an empty list in\n%s", list, empty.String())
		}
	}
	var there, back bytes.Buffer
	if err := JSON(&there, exit()); err != nil {
		t.Fatal(err)
	}
	var read drill.Result
	if err := json.Unmarshal(there.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if err := JSON(&back, read); err != nil {
		t.Fatal(err)
	}
	if there.String() != back.String() {
		t.Error("a result changed on its way through JSON")
	}
}

// TestChartsAreSafe: whatever an owner calls things, a drawing stays one drawing and runs nothing.
func TestChartsAreSafe(t *testing.T) {
	r := exit()
	r.Title = `<script>alert("1 & 2")</script>`
	r.Firings[0].Trigger = `]]></title><image href="x"/>`
	for _, drawing := range []string{valueChart(r), drawdownChart(r), valueChart(quiet()), drawdownChart(quiet())} {
		if strings.Contains(drawing, "<script") || strings.Contains(drawing, "<image") {
			t.Errorf("markup came through:\n%s", drawing)
		}
		for decoder := xml.NewDecoder(strings.NewReader(drawing)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("not XML: %v", err)
			}
		}
	}
}

func TestMarkdownKeepsItsTables(t *testing.T) {
	r := exit()
	r.Decisions[0].Why = "drawdown | volume\nand <b>more</b>"
	for _, line := range strings.Split(markdown(r), "\n") {
		if strings.Contains(line, "drawdown \\| volume and &lt;b>more") {
			return
		}
	}
	t.Error("a text broke its cell")
}

func TestRoundTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      []float64
	}{
		{0, 10, []float64{0, 2, 4, 6, 8, 10}},
		{812_000, 1_020_000, []float64{800_000, 850_000, 900_000, 950_000, 1_000_000, 1_050_000}},
		{-0.334, 0, []float64{-0.4, -0.3, -0.2, -0.1, 0}},
		{5, 5, []float64{5, 5.2, 5.4, 5.6, 5.8, 6}},
	} {
		got := roundTicks(c.low, c.high, 5)
		if len(got) != len(c.want) {
			t.Errorf("%v to %v: got %v, want %v", c.low, c.high, got, c.want)
			continue
		}
		for i := range got {
			if diff := got[i] - c.want[i]; diff > 1e-9 || diff < -1e-9 {
				t.Errorf("%v to %v: got %v, want %v", c.low, c.high, got, c.want)
			}
		}
	}
}

func TestDateTicks(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"2020-01-02T21:00:00Z", "2020-06-30T20:00:00Z", "Jan 2020, Feb, Mar, Apr, May, Jun"},
		{"2008-05-01T20:00:00Z", "2009-06-30T20:00:00Z", "May 2008, Jul, Sep, Nov, Jan 2009, Mar, May"},
		{"2001-01-02T21:00:00Z", "2020-12-31T21:00:00Z", "2001, 2006, 2011, 2016"},
		{"2025-10-10T18:00:00Z", "2025-10-11T02:00:00Z", "10 Oct 18:00, 19:00, 20:00, 21:00, 22:00, 23:00, 11 Oct 00:00, 01:00, 02:00"},
		{"2022-05-07T00:00:00Z", "2022-05-14T00:00:00Z", "7 May, 8 May, 9 May, 10 May, 11 May, 12 May, 13 May, 14 May"},
	} {
		from, to := at(c.from), at(c.to)
		var labels []string
		for _, tick := range dateTicks(from, to) {
			labels = append(labels, tick.label)
		}
		if got := strings.Join(labels, ", "); got != c.want {
			t.Errorf("%s to %s:\n got %s\nwant %s", c.from, c.to, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		gain(amountOf("12")):        "+12.00",
		gain(amountOf("-3")):        "-3.00",
		money(amountOf("9999.999")): "10,000.00",
		money(amountOf("98765.4")):  "98,765",
		percent(0.1234):             "12.3 %",
		percent(0.0012):             "0.12 %",
		percent(0):                  "0.0 %",
		span(100_000):               "1 d 3 h",
		figure(0.15234):             "0.1523",
		figure(1):                   "1",
		figure(3386.15):             "3,386.15",
		figure(-0.0712):             "-0.0712",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestLowestKeepsAOneDayFall: squeezing the curve must not hide the worst day.
func TestLowestKeepsAOneDayFall(t *testing.T) {
	curve := make([]drill.Point, 1000)
	for i := range curve {
		curve[i] = drill.Point{At: at("2020-01-01T00:00:00Z").AddDate(0, 0, i), Protected: 100, Unprotected: 100}
	}
	curve[537].Unprotected = 40
	_, without := lowest(curve, 70)
	if row := blocks(without, 40, 100)[1]; !strings.Contains(row, "▁") {
		t.Errorf("the fall is gone: %s", row)
	}
}

func TestWriteSaysWhatFailed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(file, "report"), quiet()); err == nil || !strings.HasPrefix(err.Error(), "make report directory: ") {
		t.Errorf("got %v", err)
	}
}

func at(text string) time.Time {
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return parsed
}

func amountOf(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func soon(text string) *time.Time { t := at(text); return &t }

func seconds(s float64) *float64 { return &s }
