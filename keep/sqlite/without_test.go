package sqlite_test

import (
	"slices"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/sqlite"
)

// Over several pages the entries come in order, whole, and none of the word, nor any after the last one asked for.
func TestEntriesWithout(t *testing.T) {
	store, err := sqlite.Open(t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at := time.Date(2026, 11, 9, 12, 0, 0, 0, time.UTC)
	var events []lifeboat.Event
	for n := range 5000 {
		if n%5 < 3 {
			events = append(events, lifeboat.Gap{Series: "SPY", State: lifeboat.GapOpened})
		} else {
			events = append(events, lifeboat.Instant{At: at})
		}
	}
	if err := store.Append(at, events...); err != nil {
		t.Fatal(err)
	}
	for _, to := range []int64{0, 1, 3, 4, 1000, 4321, 5000, 9000} {
		var got, want []int64
		for e, err := range store.EntriesWithout(t.Context(), "readings", to) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Seq)
		}
		for e, err := range store.Entries(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Seq <= to && e.Word != "readings" {
				want = append(want, e.Seq)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("up to %d: %d entries, want %d", to, len(got), len(want))
		}
	}
	if _, err := journal.Verify(t.Context(), store); err != nil {
		t.Error(err)
	}
}
