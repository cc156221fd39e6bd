package disaster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lifeboat/drill/scenario"
)

// TestCatalogue holds the catalogue to the figures that were published about it: its kinds, and the median window of
// the exits.
func TestCatalogue(t *testing.T) {
	kinds, ids := map[Kind]int{}, map[string]bool{}
	var windows []time.Duration
	for _, d := range All() {
		kinds[d.Kind]++
		if ids[d.ID] {
			t.Errorf("%s stands twice", d.ID)
		}
		ids[d.ID] = true
		if d.Kind == Exit {
			windows = append(windows, d.Window())
		}
	}
	if kinds[Exit] != 23 || kinds[Hold] != 4 || kinds[Outage] != 4 || kinds[Save] != 1 || kinds[Sunset] != 1 {
		t.Errorf("kinds are %v", kinds)
	}
	slices.Sort(windows)
	if median := windows[len(windows)/2]; median != 5*time.Hour+4*time.Minute {
		t.Errorf("the median window of the exits is %s", median)
	}
	long := slices.IndexFunc(windows, func(w time.Duration) bool { return w >= 31*time.Minute })
	if left := len(windows) - long; left != 17 {
		t.Errorf("%d exits leave 31 minutes, want 17", left)
	}
}

// TestScenariosAreDisasters wants each scenario to play exactly one disaster, of the same kind and in its span.
func TestScenariosAreDisasters(t *testing.T) {
	for _, s := range scenario.All() {
		played := slices.DeleteFunc(All(), func(d Disaster) bool { return d.Scenario != s.Name })
		if len(played) != 1 || string(played[0].Kind) != string(s.Kind) || played[0].Signal.At.Before(s.From) || played[0].Signal.At.After(s.To) {
			t.Errorf("scenario %s plays %+v", s.Name, played)
		}
	}
}

// TestBadCatalogue shows that a slip in the file is told.
func TestBadCatalogue(t *testing.T) {
	good := "disasters:\n  - {id: x, class: c, kind: exit, signal: {at: 2020-01-01T00:00:00Z, text: s}, no_return: {at: 2020-01-02T00:00:00Z, text: n}, confidence: seen, lesson: l}\n"
	if _, err := read([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, slip := range [][2]string{{"kind: exit", "kind: leave"}, {"seen", "sure"}, {"2020-01-02", "2019-01-02"}, {"lesson", "lessons"}, {"id: x", "id: ''"}} {
		if _, err := read([]byte(strings.Replace(good, slip[0], slip[1], 1))); err == nil {
			t.Errorf("%s instead of %s was taken", slip[1], slip[0])
		}
	}
}
