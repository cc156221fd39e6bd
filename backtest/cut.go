package backtest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Limits of the check for looking ahead.
const (
	cutsEven  = 6  // spread over the time
	cutsFired = 18 // at firings; the first ones, when there are more
	brokenMax = 5  // told of one scene
)

// cut plays the history as it was known at several times, the firings among them, and wants the very same firings with
// the very same values up to each. What comes out differently was worked out with knowledge of the future, by the
// history's source or by a signal.
func (t *trial) cut(ctx context.Context) error {
	cuts := t.cuts()
	for i, at := range cuts {
		t.share(0.8+0.2*float64(i)/float64(len(cuts)), "looking ahead")
		source, err := t.scene.Record.Open(ctx, at)
		if err != nil {
			return fmt.Errorf("open the history: %w", err)
		}
		known, err := Play(ctx, Setting{Parts: t.scene.with(t.Plan, t.scene.From), Source: source, To: at})
		if err != nil {
			return err
		}
		t.played.Ahead.Cuts++
		if broken := t.differs(known, at); broken != "" && len(t.played.Ahead.Broken) < brokenMax {
			t.played.Ahead.Broken = append(t.played.Ahead.Broken, broken)
		}
	}
	return nil
}

// cuts in the order of time, none twice.
func (t *trial) cuts() []time.Time {
	var cuts []time.Time
	for _, at := range t.log.Known {
		if len(cuts) < cutsFired && !at.After(t.played.Checked) {
			cuts = append(cuts, at)
		}
	}
	for i := range cutsEven {
		cuts = append(cuts, t.scene.From.Add(t.played.Checked.Sub(t.scene.From)*time.Duration(i+1)/(cutsEven+1)))
	}
	slices.SortFunc(cuts, time.Time.Compare)
	return slices.CompactFunc(cuts, time.Time.Equal)
}

// differs tells the first firing up to a time that the cut history gives otherwise; "" when there is none. A play wakes
// up between two instants only when the later one is known, so what time alone brought after the last known instant
// counts for neither side.
func (t *trial) differs(known Log, at time.Time) string {
	var all, cut []string
	for _, f := range t.log.Firings {
		if !f.At.After(at) && !f.At.After(known.Last) {
			all = append(all, line(f))
		}
	}
	for _, f := range known.Firings {
		cut = append(cut, line(f))
	}
	for i := range max(len(all), len(cut)) {
		if i >= len(all) || i >= len(cut) || all[i] != cut[i] {
			return fmt.Sprintf("with the history known until %s it tells %s, with all of the history %s",
				at.UTC().Format(time.RFC3339), orNothing(cut, i), orNothing(all, i))
		}
	}
	return ""
}

func orNothing(lines []string, i int) string {
	if i < len(lines) {
		return "“" + lines[i] + "”"
	}
	return "nothing"
}
