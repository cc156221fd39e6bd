package prose_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"lifeboat/prose"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{prose.Count(0, "order"), "0 orders"},
		{prose.Count(1, "order"), "1 order"},
		{prose.Count(3, "order"), "3 orders"},
		{prose.Span(0), "0 s"},
		{prose.Span(42 * time.Second), "42 s"},
		{prose.Span(59*time.Second + 600*time.Millisecond), "1 min"},
		{prose.Span(90 * time.Second), "1 min 30 s"},
		{prose.Span(time.Hour), "1 h"},
		{prose.Span(100_000 * time.Second), "1 d 3 h"},
		{prose.Span(-2 * time.Hour), "-2 h"},
		{prose.Span(math.MinInt64), "-106751 d 23 h"},
		{prose.Grouped("12"), "12"},
		{prose.Grouped("1234567.50"), "1,234,567.50"},
		{prose.Grouped("-123"), "-123"},
		{prose.Grouped("-1234"), "-1,234"},
		{prose.After(": ", "the disk is full"), ": the disk is full"},
		{prose.After(": ", ""), ""},
		{prose.OneLine(" sell\nall\t of it "), "sell all of it"},
		{prose.Inline("a|b\n*c* <d> [e](f) `g` h_i"), "a\\|b \\*c\\* &lt;d> \\[e](f) \\`g\\` h\\_i"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"holdings", "triggers", "playbooks", "SPY", "go defensive"}
	for word, want := range map[string]string{
		"holdigns": "holdings", "trigger": "triggers", "playbook": "playbooks", "spy": "SPY", "SYP": "SPY", "go defensiv": "go defensive",
		"weights": "", "x": "", "": "", strings.Repeat("holdings", 100): "",
	} {
		if got := prose.Nearest(word, words); got != want {
			t.Errorf("near %q is %q, not %q", word, got, want)
		}
	}
}
