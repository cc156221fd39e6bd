package coverage_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/watch/coverage"
)

var start = time.Date(2026, 11, 10, 14, 0, 0, 0, time.UTC)

func minute(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }

func good(s string, at time.Time) lifeboat.Reading {
	series, source, _ := strings.Cut(s, "@")
	return lifeboat.Reading{Series: lifeboat.Series(series), Source: source, Value: 1, At: at}
}

func suspect(s string) lifeboat.Reading {
	r := good(s, time.Time{})
	r.Quality, r.Why = lifeboat.Suspect, "jumped"
	return r
}

// An entry of a journal: minute, and what was written.
type entry struct {
	minute int
	event  lifeboat.Event
}

func readings(all ...lifeboat.Reading) lifeboat.Instant { return lifeboat.Instant{Readings: all} }

// bars of a series for some minutes, each at its own time.
func bars(s string, from, to int) (in lifeboat.Instant) {
	for m := from; m <= to; m++ {
		in.Readings = append(in.Readings, good(s, minute(m)))
	}
	return in
}

// minutes of one bar each.
func minutes(s string, from, to int) (all []entry) {
	for m := from; m <= to; m++ {
		all = append(all, entry{m, bars(s, m, m)})
	}
	return all
}

func folded(o coverage.Options, parts ...[]entry) *coverage.Ledger {
	l := coverage.New(o)
	for _, part := range parts {
		for _, e := range part {
			l.Apply(minute(e.minute), e.event)
		}
	}
	return l
}

func told(l *coverage.Ledger) string {
	var lines []string
	for _, s := range l.Series() {
		lines = append(lines, s.Tell())
	}
	return strings.Join(lines, "\n")
}

func TestWhatIsTold(t *testing.T) {
	down := func(at, since int) []entry { return []entry{{at, lifeboat.Resumed{Since: minute(since)}}} }
	gap := func(at int, s lifeboat.Series, state lifeboat.GapState, since time.Time) []entry {
		return []entry{{at, lifeboat.Gap{Series: s, State: state, Since: since}}}
	}
	night := func(_ lifeboat.Series, from, to time.Time) time.Duration { // a market that opens at 15:00
		opens := start.Add(time.Hour)
		if from.Before(opens) {
			from = opens
		}
		return max(0, to.Sub(from))
	}
	for _, c := range []struct {
		name    string
		options coverage.Options
		journal [][]entry
		want    string
	}{
		{"nothing missed", coverage.Options{}, [][]entry{minutes("SPY@example.org", 0, 9)},
			"SPY@example.org: evaluated 2026-11-10 14:00 – 2026-11-10 14:09 UTC"},
		{"a downtime, all of it caught up", coverage.Options{}, [][]entry{minutes("SPY@example.org", -9, 2), down(31, 2), {{31, bars("SPY@example.org", 3, 31)}}, minutes("SPY@example.org", 32, 40)},
			"SPY@example.org: evaluated 2026-11-10 13:51 – 2026-11-10 14:40 UTC; not evaluated 2026-11-10 14:02–14:31 (lifeboat was not running; 29 of 29 bars caught up)"},
		{"of which some is lost", coverage.Options{}, [][]entry{minutes("SPY", -9, 2), down(31, 2), {{31, bars("SPY", 21, 31)}}, minutes("SPY", 32, 40)},
			"SPY: evaluated 2026-11-10 13:51 – 2026-11-10 14:40 UTC; not evaluated 2026-11-10 14:02–14:31 (lifeboat was not running; 11 of 29 bars caught up)"},
		{"and of a source that tells only what is now", coverage.Options{}, [][]entry{{{0, bars("SPY", 0, 0)}, {1, bars("SPY", 1, 1)}, {4, bars("SPY", 4, 4)}}, down(31, 4), {{33, bars("SPY", 33, 33)}}},
			"SPY: evaluated 2026-11-10 14:00 – 2026-11-10 14:33 UTC; not evaluated 2026-11-10 14:04–14:33 (lifeboat was not running)"},
		{"without a pace nobody knows how many", coverage.Options{}, [][]entry{{{0, bars("X", 0, 0)}}, down(31, 1), {{31, readings(good("X", minute(3)), good("X", minute(20)), good("X", minute(30)))}}},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:31 UTC; not evaluated 2026-11-10 14:01–14:31 (lifeboat was not running; 2 values caught up)"},
		{"blocks have a cadence", coverage.Options{Cadence: func(lifeboat.Series, string) time.Duration { return 12 * time.Second }},
			[][]entry{{{0, bars("POOL@chain", 0, 0)}}, down(2, 0), {{3, bars("POOL@chain", 3, 3)}}},
			"POOL@chain: evaluated 2026-11-10 14:00 – 2026-11-10 14:03 UTC; not evaluated 2026-11-10 14:00:00–14:03:00 (lifeboat was not running; 1 of 15 bars caught up)"},
		{"what was read after the last sign of life was read", coverage.Options{}, [][]entry{minutes("X", 0, 5), down(31, 3), {{31, bars("X", 31, 31)}}},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:31 UTC; not evaluated 2026-11-10 14:05–14:31 (lifeboat was not running; 1 of 26 bars caught up)"},
		{"still down", coverage.Options{}, [][]entry{minutes("X", 0, 5), down(31, 7), down(40, 33)},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:05 UTC; not evaluated since 2026-11-10 14:07 (lifeboat was not running)"},
		{"the source was silent", coverage.Options{}, [][]entry{minutes("X@a", 0, 5), gap(16, "X", lifeboat.GapOpened, minute(5)), minutes("X@a", 20, 20), gap(20, "X", lifeboat.GapClosed, minute(5))},
			"X@a: evaluated 2026-11-10 14:00 – 2026-11-10 14:20 UTC; not evaluated 2026-11-10 14:05–14:20 (the source was silent; 1 of 15 bars caught up)"},
		{"of two silent ones, one is back", coverage.Options{}, [][]entry{minutes("X@a", 0, 1), minutes("X@b", 1, 2), gap(16, "X", lifeboat.GapOpened, minute(2)), minutes("X@a", 20, 21), gap(20, "X", lifeboat.GapClosed, minute(2))},
			"X@a: evaluated 2026-11-10 14:00 – 2026-11-10 14:21 UTC; not evaluated 2026-11-10 14:01–14:20 (the source was silent)\n" +
				"X@b: evaluated 2026-11-10 14:01 – 2026-11-10 14:02 UTC; not evaluated since 2026-11-10 14:02 (the source was silent)"},
		{"one source of two", coverage.Options{}, [][]entry{minutes("X@a", 0, 1), minutes("X@b", 1, 2), gap(16, "X@b", lifeboat.GapOpened, minute(2))},
			"X@a: evaluated 2026-11-10 14:00 – 2026-11-10 14:01 UTC\n" +
				"X@b: evaluated 2026-11-10 14:01 – 2026-11-10 14:02 UTC; not evaluated since 2026-11-10 14:02 (the source was silent)"},
		{"silence that no trigger reads", coverage.Options{Silent: func(lifeboat.Series, string) time.Duration { return 5 * time.Minute }}, [][]entry{minutes("X", 0, 5), minutes("X", 30, 31)},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:31 UTC; not evaluated 2026-11-10 14:05–14:30 (the source was silent; 1 of 25 bars caught up)"},
		{"a night is no hole", coverage.Options{Open: night}, [][]entry{minutes("X", 0, 5), down(59, 7), minutes("X", 60, 61)},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 15:01 UTC"},
		{"silent before it could ever speak", coverage.Options{}, [][]entry{{{0, lifeboat.PlanLoaded{}}}, gap(10, "VIX", lifeboat.GapOpened, time.Time{}), minutes("VIX@cboe", 12, 13)},
			"VIX@cboe: evaluated 2026-11-10 14:00 – 2026-11-10 14:13 UTC; not evaluated 2026-11-10 14:00–14:12 (the source was silent)"},
		{"suspect values", coverage.Options{}, [][]entry{minutes("X", 0, 5), {{6, readings(suspect("X"))}, {7, readings(suspect("X"))}}, minutes("X", 8, 9)},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:09 UTC; not evaluated 2026-11-10 14:06:00–14:08:00 (its values were suspect: 2)"},
		{"a bad row among good ones", coverage.Options{}, [][]entry{minutes("X", 0, 5), {{6, readings(suspect("X"), good("X", minute(6)))}}},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:06 UTC"},
		{"nothing but suspect values", coverage.Options{}, [][]entry{{{6, readings(suspect("X"))}, {7, readings(suspect("X"))}}},
			"X: never evaluated; not evaluated since 2026-11-10 14:06 (its values were suspect: 2)"},
		{"away while it was silent", coverage.Options{}, [][]entry{minutes("X", 0, 2), gap(7, "X", lifeboat.GapOpened, minute(2)), down(20, 10), minutes("X", 30, 30)},
			"X: evaluated 2026-11-10 14:00 – 2026-11-10 14:30 UTC; not evaluated 2026-11-10 14:02–14:10 (the source was silent), 2026-11-10 14:10–14:20 (lifeboat was not running), 2026-11-10 14:20–14:30 (the source was silent)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(folded(c.options, c.journal...)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestShort(t *testing.T) {
	l := folded(coverage.Options{}, minutes("X", -9, 2), minutes("Y", 2, 2), []entry{{31, lifeboat.Resumed{Since: minute(2)}}, {31, bars("X", 3, 31)}})
	for _, c := range []struct {
		since int
		want  string
	}{
		{0, "not evaluated at times: 2 series, the longest Y since 2026-11-10 14:02 (lifeboat was not running)"},
		{32, "not evaluated: Y since 2026-11-10 14:02 (lifeboat was not running)"},
	} {
		if got := l.Short(minute(c.since), minute(40)); got != c.want {
			t.Errorf("since %d: %q, want %q", c.since, got, c.want)
		}
	}
	if got := folded(coverage.Options{}, minutes("X", 0, 9)).Short(minute(0), minute(9)); got != "" {
		t.Errorf("nothing was missed, and %q is told", got)
	}
}

// TestWhatTheFeedsAreToldToCatchUp is the own time of the last reading, whatever became of it.
func TestWhatTheFeedsAreToldToCatchUp(t *testing.T) {
	late := suspect("X@a")
	late.At = minute(4)
	l := folded(coverage.Options{}, minutes("X@a", 0, 3), []entry{{5, readings(late)}, {6, readings(good("Y", time.Time{}))}})
	got := map[string]time.Time{}
	l.Spoke(func(s lifeboat.Series, source string, last time.Time) { got[string(s)+"@"+source] = last })
	if len(got) != 2 || !got["X@a"].Equal(minute(4)) || !got["Y@"].Equal(minute(6)) {
		t.Errorf("%v", got)
	}
}

// TestHolesAndCoveredStretchesTile holds the ledger to a model that marks every minute: random journals, of which each
// minute between the first and the last reading is either evaluated or in exactly one hole.
func TestHolesAndCoveredStretchesTile(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		journal := randomJournal(random, 200)
		l := folded(coverage.Options{}, journal)
		for _, s := range l.Series() {
			tiles(t, seed, s)
			if s.Earlier.Holes > 0 {
				continue // the model knows no sums
			}
			bad, first, last := model(journal, string(s.Series))
			for m := first; m < last; m++ {
				middle, covered := minute(m).Add(30*time.Second), false
				for _, span := range s.Evaluated() {
					covered = covered || middle.After(span.From) && middle.Before(span.To)
				}
				if covered == bad[m] {
					t.Fatalf("seed %d, %s: minute %d is evaluated: %v\n%s\n%v", seed, s.Series, m, covered, s.Tell(), journal)
				}
			}
		}
	}
}

func tiles(t *testing.T, seed uint64, s coverage.Series) {
	t.Helper()
	spans := s.Evaluated()
	for _, h := range s.Holes {
		if h.To.IsZero() {
			h.To = s.To
			if h.From.After(s.To) {
				h.To = h.From
			}
		}
		spans = append(spans, coverage.Span{From: h.From, To: h.To})
	}
	at := s.From
	if s.Earlier.Until.After(at) {
		at = s.Earlier.Until
	}
	for range spans {
		for _, span := range spans {
			if span.From.Equal(at) && span.To.After(at) {
				at = span.To
			}
		}
	}
	end := s.To
	if n := len(s.Holes); n > 0 && s.Holes[n-1].To.IsZero() {
		end = s.Holes[n-1].From
	}
	if at.Before(end) {
		t.Fatalf("seed %d: from %s on nothing is told: %s", seed, at, s.Tell())
	}
	var sum time.Duration
	for _, span := range s.Evaluated() {
		if !span.From.Before(span.To) {
			t.Fatalf("seed %d: %v", seed, span)
		}
		sum += span.To.Sub(span.From)
	}
	if s.Earlier.Holes == 0 && s.Missed(end)+sum != end.Sub(s.From) {
		t.Fatalf("seed %d: %s evaluated and %s missed are not %s: %s", seed, sum, s.Missed(end), end.Sub(s.From), s.Tell())
	}
}

// randomJournal of two series, a minute an entry at least.
func randomJournal(random *rand.Rand, length int) (journal []entry) {
	last := map[string]int{}
	before := 0
	for m := 1; m <= length; m++ {
		s := []string{"A", "B"}[random.IntN(2)]
		switch random.IntN(12) {
		case 0:
			journal = append(journal, entry{m, readings(suspect(s))})
		case 1:
			if at, known := last[s]; known {
				journal = append(journal, entry{m, lifeboat.Gap{Series: lifeboat.Series(s), State: lifeboat.GapOpened, Since: minute(at)}})
			}
		case 2:
			since := before
			m += random.IntN(9)
			journal = append(journal, entry{m, lifeboat.Resumed{Since: minute(since)}})
		case 3, 4:
		default:
			journal = append(journal, entry{m, readings(good(s, time.Time{}))})
			last[s] = m
		}
		if len(journal) > 0 {
			before = journal[len(journal)-1].minute
		}
	}
	return journal
}

// model marks the minutes of a series that were not evaluated.
func model(journal []entry, s string) (bad map[int]bool, first, last int) {
	bad, first = map[int]bool{}, -1
	lastGood, badFrom := 0, -1 // -1: nothing is bad now
	mark := func(from int) {
		if badFrom < 0 || from < badFrom {
			badFrom = from
		}
	}
	for _, e := range journal {
		switch v := e.event.(type) {
		case lifeboat.Instant:
			if string(v.Readings[0].Series) != s {
				continue
			}
			if first < 0 {
				first, lastGood = e.minute, e.minute
			}
			if v.Readings[0].Quality != lifeboat.Good {
				mark(e.minute)
				continue
			}
			for m := badFrom; badFrom >= 0 && m < e.minute; m++ {
				bad[m] = true
			}
			lastGood, badFrom, last = e.minute, -1, e.minute
		case lifeboat.Gap:
			if string(v.Series) == s && first >= 0 && badFrom < 0 {
				mark(lastGood)
			}
		case lifeboat.Resumed:
			if first >= 0 && badFrom < 0 {
				mark(max(lastGood, int(v.Since.Sub(start)/time.Minute)))
			}
		}
	}
	return bad, first, last
}

// TestMemoryIsBounded: of very many holes the last are kept one by one, and no time is lost.
func TestMemoryIsBounded(t *testing.T) {
	var journal []entry
	for m := 0; m < 2000; m += 2 {
		journal = append(journal, entry{m, readings(good("X", time.Time{}))}, entry{m + 1, readings(suspect("X"))})
	}
	l := folded(coverage.Options{}, journal)
	s := l.Series()[0]
	if len(s.Holes) != coverage.HolesMax || s.Earlier.Holes != 1000-coverage.HolesMax {
		t.Errorf("%d holes are kept, %d in the sum", len(s.Holes), s.Earlier.Holes)
	}
	if got := s.Missed(minute(2000)); got != 1000*time.Minute {
		t.Errorf("missed %s", got)
	}
	if told := s.Tell(); !strings.HasSuffix(told, ", and 995 times before") {
		t.Errorf("%s", told)
	}
}

// FuzzTiles lets a fuzzer choose the journal's dice.
func FuzzTiles(f *testing.F) {
	f.Add(uint64(1), uint16(50))
	f.Fuzz(func(t *testing.T, seed uint64, length uint16) {
		journal := randomJournal(rand.New(rand.NewPCG(seed, 5)), int(length%3000))
		for _, s := range folded(coverage.Options{}, journal).Series() {
			tiles(t, seed, s)
		}
	})
}
