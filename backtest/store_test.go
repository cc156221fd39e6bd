package backtest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/drill/scenario"
	"lifeboat/plan"
	"lifeboat/watch/history"
)

// TestStore plays a store from memory and from its files: both tell the same, and the same as the table that was
// imported.
func TestStore(t *testing.T) {
	s, err := scenario.ByName("ust-luna-2022")
	if err != nil {
		t.Fatal(err)
	}
	store, err := history.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The table's own times are when its bars were complete.
	if _, err := store.Import(t.Context(), "table.csv", bytes.NewReader(s.Tape()), history.Options{Stamp: "end"}); err != nil {
		t.Fatal(err)
	}
	p := &plan.Plan{
		Portfolio: plan.Portfolio{Name: "store", BaseCurrency: "USD", Calendar: "24/7"},
		Holdings:  []plan.Holding{{Symbol: "UST", Account: "a", Quantity: decimal.NewFromInt(1000), Class: "stablecoin"}},
		Triggers: []plan.Trigger{
			{Name: "peg", Tier: 3, Condition: "UST < 0.97", For: plan.Duration(2 * time.Hour)},
			{Name: "crash", Tier: 2, Condition: "drawdown(BTC) > 15% AND drawdown(ETH) > 15%"},
		},
	}
	scene, err := SceneOfStore(t.Context(), p, store, s.From, s.To)
	if err != nil {
		t.Fatal(err)
	}
	if scene.Tape == nil {
		t.Fatal("a small store is not played from memory")
	}
	streamed := scene
	streamed.Record, streamed.Parts = stored{store, scene.From.Add(-warmUp)}, heardOfStore(p, store, scene.From)
	table, _, err := SceneOf(p, s)
	if err != nil {
		t.Fatal(err)
	}
	var told [3][]string
	for i, sc := range []Scene{table, scene, streamed} {
		source, err := sc.Record.Open(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		log, err := Play(t.Context(), Setting{Parts: sc.Parts, Source: source, To: scene.To})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range log.Firings {
			told[i] = append(told[i], line(f))
		}
	}
	if len(told[0]) == 0 || !slices.Equal(told[0], told[1]) || !slices.Equal(told[0], told[2]) {
		t.Errorf("the table tells %q,\nthe store in memory %q,\nthe store from its files %q", told[0], told[1], told[2])
	}
}

// TestStoreOfNothing is told in a sentence.
func TestStoreOfNothing(t *testing.T) {
	store, err := history.Create(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := SceneOfStore(t.Context(), &plan.Plan{}, store, time.Time{}, time.Time{}); err == nil {
		t.Error("an empty store was played")
	}
}
