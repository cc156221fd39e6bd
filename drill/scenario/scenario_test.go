package scenario

import (
	"bytes"
	"encoding/csv"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

// TestFacts holds the tables to figures that anybody can look up.
func TestFacts(t *testing.T) {
	for _, fact := range []struct{ scenario, date, header, value string }{
		{"gfc-2008", "2008-10-15", "SPX", "907.84"},
		{"gfc-2008", "2008-11-20", "VIX", "80.86"},
		{"gfc-2008", "2008-10-10", "SPY.close", "90.45"}, // Lean's last trade; officially 88.50
		{"gfc-2008", "2008-10-13", "DGS10", ""},          // Columbus Day: shares traded, bonds were not quoted
		{"gfc-2008", "2009-03-09", "SPX", "676.53"},
		{"covid-2020", "2020-02-19", "SPX", "3386.15"},
		{"covid-2020", "2020-02-24", "VIX", "25.03"},
		{"covid-2020", "2020-03-16", "SPX", "2386.13"},
		{"covid-2020", "2020-03-16", "VIX", "82.69"},
		{"covid-2020", "2020-03-23", "SPX", "2237.4"},
		{"ust-luna-2022", "2022-05-11T08:00:00Z", "UST.low@binance", "0.225"},
		{"ust-luna-2022", "2022-05-13T01:00:00Z", "LUNA.low", "0.00004"},
		{"ust-luna-2022", "2022-05-13T02:00:00Z", "UST.close@binance", ""}, // halted
		{"usdc-2023", "2023-03-11T09:00:00Z", "USDC.low@dex", "0.8994"},
		{"usdc-2023", "2023-03-11T14:00:00Z", "USDC.close@binance", ""}, // not traded yet
		{"usdc-2023", "2023-03-11T15:00:00Z", "USDC.low@binance", "0.882"},
		{"usde-2025", "2025-10-10T21:55:00Z", "USDE.low@binance", "0.65"}, // the minute from 21:54
		{"usde-2025", "2025-10-10T21:55:00Z", "USDE@uniswap", "1.0002"},
		{"usde-2025", "2025-10-10T22:00:00Z", "ETH.low", "3400"},
	} {
		if got := read(t, fact.scenario).cell(t, fact.date, fact.header); got != fact.value {
			t.Errorf("%s: %s on %s is %q, want %q", fact.scenario, fact.header, fact.date, got, fact.value)
		}
	}
}

func TestLowestOfAll(t *testing.T) {
	for _, lowest := range []struct {
		scenario, header string
		want             float64
	}{
		{"ust-luna-2022", "UST.low@binance", 0.225},
		{"usdc-2023", "USDC.low@dex", 0.8994},
		{"usde-2025", "USDE.low@binance", 0.65},
		{"usde-2025", "USDE@uniswap", 0.9999}, // one venue lied, the other did not
	} {
		if got := slices.Min(read(t, lowest.scenario).figures(t, lowest.header)); got != lowest.want {
			t.Errorf("%s: the lowest %s is %v, want %v", lowest.scenario, lowest.header, got, lowest.want)
		}
	}
}

// TestWarmUp: moving averages of 200 sessions need a past.
func TestWarmUp(t *testing.T) {
	for name, want := range map[string]int{"gfc-2008": 334, "covid-2020": 292} {
		s, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, row := range read(t, name)[1:] {
			if row[0] < s.From.Format(time.DateOnly) {
				got++
			}
		}
		if got != want {
			t.Errorf("%s has %d sessions before the drill, want %d", name, got, want)
		}
	}
}

func TestEveryScenarioIsComplete(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			for what, text := range map[string]string{
				"title": s.Title, "class": s.Class, "signal": s.Signal.Text,
				"what happened": s.WhatHappened, "right response": s.RightResponse,
			} {
				if text == "" {
					t.Errorf("nothing is said under %s", what)
				}
			}
			if len(s.Notes) == 0 {
				t.Error("no notes")
			}
			if s.Calendar != "nyse" && s.Calendar != "24/7" {
				t.Errorf("calendar %q", s.Calendar)
			}
			if !s.From.Before(s.To) || s.Signal.At.Before(s.From) || s.Signal.At.After(s.To) {
				t.Errorf("the signal of %s is not between %s and %s", s.Signal.At, s.From, s.To)
			}
			if s.NoReturn != nil && !s.NoReturn.At.After(s.Signal.At) {
				t.Errorf("no return at %s, before the signal", s.NoReturn.At)
			}
			if (s.Kind == Hold) != (s.Reflex != nil) {
				t.Errorf("a reflex belongs to %s scenarios and to no other", Hold)
			}
		})
	}
}

func TestEverySeriesHasItsSource(t *testing.T) {
	for _, s := range All() {
		named := map[string]bool{}
		for _, source := range s.Sources {
			if source.Origin == "" || source.Terms == "" || source.Changed == "" {
				t.Errorf("%s: the source of %v says too little", s.Name, source.Series)
			}
			for _, series := range source.Series {
				named[string(series)] = true
			}
		}
		used := map[string]bool{}
		for _, header := range read(t, s.Name)[0][1:] {
			symbol, _, source := split(header)
			if source != "" {
				symbol += "@" + source
			}
			used[symbol] = true
			if !named[symbol] {
				t.Errorf("%s: %s has no source", s.Name, header)
			}
		}
		for symbol := range named {
			if !used[symbol] {
				t.Errorf("%s: a source is named for %s, which is not on the tape", s.Name, symbol)
			}
		}
	}
}

// TestTables holds every row to what a tape may be: known headers, times that ascend, numbers, bars in order.
func TestTables(t *testing.T) {
	total := 0
	for _, s := range All() {
		total += len(s.Tape())
		rows := read(t, s.Name)
		for _, header := range rows[0][1:] {
			if _, column, _ := split(header); !slices.Contains([]string{"", "open", "high", "low", "close", "volume"}, column) {
				t.Errorf("%s: unknown column %s", s.Name, header)
			}
		}
		layout := time.DateOnly
		if s.Calendar == "24/7" {
			layout = time.RFC3339
		}
		var last time.Time
		for _, row := range rows[1:] {
			at, err := time.Parse(layout, row[0])
			if err != nil || !at.After(last) {
				t.Errorf("%s: the row of %s does not follow %s (%v)", s.Name, row[0], last, err)
			}
			last = at
			checkRow(t, s, rows[0], row)
		}
		if last.After(s.To) {
			t.Errorf("%s: the tape goes on to %s, after the drill's end", s.Name, last)
		}
	}
	if total > 1<<20 {
		t.Errorf("the tables are %d bytes together; the program carries at most a megabyte", total)
	}
	t.Logf("the tables are %d bytes together", total)
}

func checkRow(t *testing.T, s Scenario, headers, row []string) {
	t.Helper()
	values := map[string]float64{}
	for i, text := range row[1:] {
		if text == "" {
			continue
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Errorf("%s: %s at %s: %v", s.Name, headers[i+1], row[0], err)
		}
		symbol, column, _ := split(headers[i+1])
		if value <= 0 && column != "volume" && !slices.Contains(s.Levels, lifeboat.Series(symbol)) {
			t.Errorf("%s: %s at %s is %v", s.Name, headers[i+1], row[0], value)
		}
		values[headers[i+1]] = value
	}
	for header, high := range values {
		if !strings.Contains(header, ".high") {
			continue
		}
		low := values[strings.Replace(header, ".high", ".low", 1)]
		end := values[strings.Replace(header, ".high", ".close", 1)]
		if low > end || end > high {
			t.Errorf("%s: the bar of %s at %s is not in order: low %v, close %v, high %v", s.Name, header, row[0], low, end, high)
		}
	}
}

func TestOldestFirst(t *testing.T) {
	var got []string
	for _, s := range All() {
		got = append(got, s.Name)
	}
	want := []string{"gfc-2008", "covid-2020", "ust-luna-2022", "usdc-2023", "usde-2025"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestNearestName(t *testing.T) {
	for typed, want := range map[string]string{
		"covid":       "covid-2020",
		"covid-2021":  "covid-2020",
		"usdc":        "usdc-2023",
		"usd3-2025":   "usde-2025",
		"GFC-2008":    "gfc-2008",
		"luna":        "ust-luna-2022",
		"2008":        "gfc-2008",
		"terra luna":  "ust-luna-2022",
		"usde - 2025": "usde-2025",
	} {
		_, err := ByName(typed)
		var problem *lifeboat.Problem
		if !errors.As(err, &problem) || problem.Kind() != lifeboat.NotFound {
			t.Fatalf("%q: got %v", typed, err)
		}
		if !strings.HasSuffix(problem.What, "the nearest is "+want) {
			t.Errorf("%q: %s; want %s", typed, problem.What, want)
		}
	}
}

func TestTapeIsTheCallersOwn(t *testing.T) {
	s, err := ByName("gfc-2008")
	if err != nil {
		t.Fatal(err)
	}
	s.Tape()[0] = 'X'
	if s.Tape()[0] != 'd' {
		t.Error("a caller changed the tape of the next one")
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "title: T\nkind: exit\nfrom: 2020-01-02\nto: 2020-06-30\nsignal_at: {at: 2020-02-24T21:00:00Z, text: S}\n"
	if _, err := parse([]byte(good)); err != nil {
		t.Fatalf("the good page: %v", err)
	}
	for _, change := range []struct{ old, new string }{
		{"kind: exit", "kind: panic"},
		{"title:", "titel:"},
		{"2020-01-02", "2 January"},
		{"2020-06-30", "2020-06-31"},
		{"2020-02-24T21:00:00Z", "2020-02-24"},
	} {
		if _, err := parse([]byte(strings.Replace(good, change.old, change.new, 1))); err == nil {
			t.Errorf("%s was taken", change.new)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("title: T\nkind: hold\nfrom: 2020-01-02\nto: 2020-06-30T10:00:00+02:00\nsignal_at: {at: 2020-02-24T21:00:00Z}\n"))
	f.Add([]byte("point_of_no_return: {at: x}\nevery: {ETH: 1h}\nreflex: {below: .nan}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parse(text); err == nil && s.Kind != Exit && s.Kind != Hold {
			t.Errorf("kind %q was taken", s.Kind)
		}
	})
}

// A sheet is a tape's rows, headers first.
type sheet [][]string

func read(t *testing.T, name string) sheet {
	t.Helper()
	s, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(s.Tape())).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func (s sheet) cell(t *testing.T, date, header string) string {
	t.Helper()
	row := slices.IndexFunc(s, func(row []string) bool { return row[0] == date })
	column := slices.Index(s[0], header)
	if row < 0 || column < 0 {
		t.Fatalf("no %s on %s", header, date)
	}
	return s[row][column]
}

func (s sheet) figures(t *testing.T, header string) []float64 {
	t.Helper()
	var figures []float64
	for _, row := range s[1:] {
		if text := s.cell(t, row[0], header); text != "" {
			figure, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			figures = append(figures, figure)
		}
	}
	return figures
}

// split takes USDC.low@dex apart.
// split takes a header apart. The price of a bar is called close in a table, and by its symbol alone everywhere else.
func split(header string) (symbol, column, source string) {
	series, source, _ := strings.Cut(header, "@")
	if symbol, closing := strings.CutSuffix(series, ".close"); closing {
		return symbol, "close", source
	}
	symbol, column = lifeboat.Series(series).Column()
	return symbol, column, source
}
