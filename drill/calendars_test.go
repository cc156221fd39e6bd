package drill_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lifeboat/app"
	"lifeboat/drill"
	"lifeboat/keep/journal"
	"lifeboat/watch/feed/tape"
)

// TestSharesBesideCoins plays a file of sessions and a file of every day together: a night and a weekend are no gap in
// the price of a share only because a coin trades through them.
func TestSharesBesideCoins(t *testing.T) {
	shares, coins := "date,SPY,QQQ,T10Y\n", "date,BTC\n"
	first := time.Date(2020, 2, 3, 0, 0, 0, 0, time.UTC)
	for i := range 12 {
		day := first.AddDate(0, 0, i)
		coins += fmt.Sprintf("%s,%d\n", day.Format(time.DateOnly), 9000+i)
		if day.Weekday() != time.Saturday && day.Weekday() != time.Sunday {
			shares += fmt.Sprintf("%s,%d,220,118\n", day.Format(time.DateOnly), 330+i)
		}
	}
	var tapes []*tape.Tape
	for _, text := range []string{shares, coins} {
		one, err := tape.Read(fmt.Sprintf("file%d.csv", len(tapes)), strings.NewReader(text), tape.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tapes = append(tapes, one)
	}
	merged, err := tape.Merge(tapes...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := app.LoadPlan("../examples/brokerage")
	if err != nil {
		t.Fatal(err)
	}
	result, err := drill.Rehearse(t.Context(), drill.Options{Plan: p, Tape: merged, From: merged.Instants[0].At,
		To: merged.Instants[len(merged.Instants)-1].At, Journal: journal.Memory()})
	if err != nil {
		t.Fatal(err)
	}
	for _, gap := range result.Gaps {
		if gap.Series == "SPY" || gap.Series == "QQQ" || gap.Series == "T10Y" {
			t.Errorf("a gap: %+v", gap)
		}
	}
}
