package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/session"
)

// Kinds of findings.
const (
	Damaged   = "damaged"   // a file is not what the manifest says
	Gap       = "gap"       // no value for longer than the usual step
	Reused    = "reused"    // a halt and then values of another scale: perhaps another asset
	Jump      = "jump"      // from one value to the next by a factor, without a halt: a split that was not adjusted, or an error
	Wick      = "wick"      // a high, a low or a single close far from everything beside it
	Stuck     = "stuck"     // the same value for much longer than it ever lasts otherwise
	Suspended = "suspended" // bars without volume that do not move
	Outside   = "outside"   // open or close outside low..high
	Ends      = "ends"      // the series ends before most others of its source
	Mixing    = "mixed"     // raw and adjusted values under one name
)

// Limits between what markets do and what deserves a look.
const (
	wickFactor   = 1.5 // beyond the open, the close, and the closes before and after
	splitFactor  = 1.8 // of daily stock prices, when it is also nearly a whole number
	splitNear    = 0.03
	stuckMin     = 48 // values
	stuckTimes   = 20 // as long as it lasts on average
	suspendedMin = 3  // bars, and at least an hour
	endsMin      = 30 // steps, and at least a week
)

// Finding is something in the store that a drill or a backtest could stumble over. Several of one kind in one series
// are one finding.
type Finding struct {
	Series string    `json:"series"` // with its source
	Kind   string    `json:"kind"`
	Count  int       `json:"count"`
	First  time.Time `json:"first,omitzero"`
	What   string    `json:"what"` // a sentence without the series
}

func (f Finding) String() string { return fmt.Sprintf("%s: %s: %s", f.Series, f.Kind, f.What) }

// Check reads every file and looks at every series. Findings come in the order of the series.
func (s *Store) Check(ctx context.Context) ([]Finding, error) {
	var found []Finding
	seen := map[string]bool{}
	ends := s.ends()
	for _, series := range s.manifest.Series {
		symbol, _ := series.Name.Column()
		if key := symbol + "@" + series.Source; seen[key] {
			continue
		} else {
			seen[key] = true
		}
		b, damage, err := s.barsOf(ctx, lifeboat.Series(symbol), series.Source)
		if err != nil {
			return found, err
		}
		found = append(found, damage...)
		if why := s.Mixed(lifeboat.Series(symbol), b.series.Adjusted); why != "" && len(damage) == 0 {
			found = append(found, Finding{Series: b.series.String(), Kind: Mixing, Count: 1, What: why})
		}
		if len(b.close.Times) > 0 {
			found = append(found, b.look(ends[series.Source])...)
		}
	}
	return found, nil
}

// ends says of each source when its series usually end, the median of its symbols.
func (s *Store) ends() map[string]time.Time {
	all := map[string][]time.Time{}
	for _, series := range s.manifest.Series {
		if _, column := series.Name.Column(); column == "" {
			all[series.Source] = append(all[series.Source], series.To)
		}
	}
	usual := map[string]time.Time{}
	for source, ends := range all {
		slices.SortFunc(ends, time.Time.Compare)
		usual[source] = ends[len(ends)/2]
	}
	return usual
}

// bars are all columns of one symbol from one source.
type bars struct {
	series                          Series
	close, open, high, low, volumes Columns
	cal                             *session.Calendar
}

// barsOf reads them; a file that cannot be read is a finding, and its series is not looked at.
func (s *Store) barsOf(ctx context.Context, symbol lifeboat.Series, source string) (b bars, damage []Finding, err error) {
	for _, part := range []struct {
		name string
		into *Columns
	}{{"", &b.close}, {".open", &b.open}, {".high", &b.high}, {".low", &b.low}, {".volume", &b.volumes}} {
		at := slices.IndexFunc(s.manifest.Series, func(o Series) bool { return o.Name == symbol+lifeboat.Series(part.name) && o.Source == source })
		if at < 0 {
			continue
		}
		series := s.manifest.Series[at]
		if part.name == "" || b.series.Name == "" {
			b.series, b.cal = series, series.Sessions()
		}
		if *part.into, err = s.Columns(ctx, series.Name, source, time.Time{}, time.Time{}); err != nil {
			var p *lifeboat.Problem
			if !errors.As(err, &p) || p.Reason != "history-damaged" {
				return b, damage, err
			}
			damage = append(damage, Finding{Series: series.String(), Kind: Damaged, Count: 1, What: p.What})
		}
	}
	if len(damage) > 0 {
		b.close = Columns{}
	}
	return b, damage, nil
}

// look at one symbol.
func (b *bars) look(end time.Time) []Finding {
	var found []Finding
	for _, f := range []Finding{b.gaps(), b.reused(), b.jumps(), b.wicks(), b.stuck(), b.suspended(), b.outside(), b.ends(end)} {
		if f.Count > 0 {
			f.Series = b.series.String()
			found = append(found, f)
		}
	}
	return found
}

func at(nanos int64) time.Time { return time.Unix(0, nanos).UTC() }

func stamp(nanos int64) string { return at(nanos).Format(time.RFC3339) }

func (f *Finding) saw(nanos int64) {
	if f.Count++; f.Count == 1 {
		f.First = at(nanos)
	}
}

func (b *bars) gaps() Finding {
	f := Finding{Kind: Gap}
	var longest, lacking time.Duration
	from, to := int64(0), int64(0)
	t := b.close.Times
	for i := 1; i < len(t); i++ {
		step := marketTime(b.cal, t[i-1], t[i])
		if step <= b.series.Cadence*3/2 {
			continue
		}
		f.saw(t[i-1])
		lacking += step - b.series.Cadence
		if step > longest {
			longest, from, to = step, t[i-1], t[i]
		}
	}
	f.What = fmt.Sprintf("%s in a series with a value every %s, %s missing, the longest from %s to %s; signals say no data there",
		prose.Count(f.Count, "gap"), Pace(b.series.Cadence, b.series.Calendar), prose.Count(max(1, int(math.Round(float64(lacking)/float64(max(b.series.Cadence, 1))))), "value"), stamp(from), stamp(to))
	return f
}

func (b *bars) reused() Finding {
	f := Finding{Kind: Reused}
	t, v := b.close.Times, b.close.Values
	for i := 1; i < len(t) && !b.series.Level; i++ {
		if halted(b.cal, b.series.Cadence, t[i-1], t[i]) && jumped(v[i-1], v[i]) {
			f.saw(t[i])
			f.What = fmt.Sprintf("it stops at %s with %s and goes on at %s with %s: that may be another asset; import the rows after under another name with --from %s, and those before with --to %s",
				stamp(t[i-1]), short(v[i-1]), stamp(t[i]), short(v[i]), stamp(t[i]), stamp(t[i-1]))
		}
	}
	return f
}

// jumps without a halt. Daily prices of stocks that jump by nearly a whole number are called a split.
func (b *bars) jumps() Finding {
	f := Finding{Kind: Jump}
	var told []string
	t, v := b.close.Times, b.close.Values
	stock := b.cal == session.NYSE() && !b.series.Level && !b.series.Adjusted
	for i := 1; i < len(t); i++ {
		if v[i-1] <= 0 || v[i] <= 0 || b.series.Level || halted(b.cal, b.series.Cadence, t[i-1], t[i]) {
			continue
		}
		factor := max(v[i]/v[i-1], v[i-1]/v[i])
		whole := math.Round(factor)
		split := stock && factor >= splitFactor && math.Abs(factor/whole-1) < splitNear && at(t[i-1]).YearDay() != at(t[i]).YearDay()
		if factor < jumpFactor && !split {
			continue
		}
		f.saw(t[i])
		if split {
			told = append(told, fmt.Sprintf("%s to %s at %s (a split of %g that was not adjusted?)", short(v[i-1]), short(v[i]), stamp(t[i]), whole))
		} else {
			told = append(told, fmt.Sprintf("%s to %s at %s", short(v[i-1]), short(v[i]), stamp(t[i])))
		}
	}
	f.What = few(told)
	return f
}

// few of a list, and how many more there are.
func few(told []string) string {
	const shown = 4
	text := strings.Join(told[:min(shown, len(told))], "; ")
	if more := len(told) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// wicks: a high or low far beyond the bar's own open and close and the closes beside it; without highs and lows, a
// close that is alone.
func (b *bars) wicks() Finding {
	f := Finding{Kind: Wick}
	var told []string
	t, v := b.close.Times, b.close.Values
	for i := range t {
		if b.series.Level {
			break
		}
		around := []float64{v[i]}
		if o, known := valueAt(b.open, t[i]); known {
			around = append(around, o)
		}
		beside := slices.Concat(v[max(0, i-1):i], v[min(i+1, len(v)):min(i+2, len(v))])
		around = append(around, beside...)
		if h, known := valueAt(b.high, t[i]); known && h > wickFactor*slices.Max(around) {
			f.saw(t[i])
			told = append(told, fmt.Sprintf("a high of %s at %s, where nothing beside it is above %s", short(h), stamp(t[i]), short(slices.Max(around))))
		}
		if l, known := valueAt(b.low, t[i]); known && l*wickFactor < slices.Min(around) {
			f.saw(t[i])
			told = append(told, fmt.Sprintf("a low of %s at %s, where nothing beside it is below %s", short(l), stamp(t[i]), short(slices.Min(around))))
		}
		if len(beside) == 2 && (v[i] > wickFactor*slices.Max(beside) || v[i]*wickFactor < slices.Min(beside)) {
			f.saw(t[i])
			told = append(told, fmt.Sprintf("a single close of %s at %s, between %s and %s", short(v[i]), stamp(t[i]), short(beside[0]), short(beside[1])))
		}
	}
	f.What = few(told)
	return f
}

func valueAt(c Columns, nanos int64) (float64, bool) {
	i := sort.Search(len(c.Times), func(i int) bool { return c.Times[i] >= nanos })
	if i == len(c.Times) || c.Times[i] != nanos {
		return 0, false
	}
	return c.Values[i], true
}

// stuck values: a source that repeats itself. What often stands still, such as a policy rate, is none.
func (b *bars) stuck() Finding {
	f := Finding{Kind: Stuck}
	v, t := b.close.Values, b.close.Times
	runs := 1
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] {
			runs++
		}
	}
	limit := max(stuckMin, stuckTimes*len(v)/runs)
	var told []string
	for i := 0; i < len(v); {
		j := i + 1
		for j < len(v) && v[j] == v[i] {
			j++
		}
		if j-i >= limit && runs > 1 {
			f.saw(t[i])
			told = append(told, fmt.Sprintf("%d times %s from %s to %s", j-i, short(v[i]), stamp(t[i]), stamp(t[j-1])))
		}
		i = j
	}
	f.What = few(told)
	return f
}

// suspended stretches: bars with no volume whose price does not move. An exchange fills them in when nobody may trade.
func (b *bars) suspended() Finding {
	f := Finding{Kind: Suspended}
	var told []string
	v, t := b.close.Values, b.close.Times
	dead := func(i int) bool {
		volume, known := valueAt(b.volumes, t[i])
		return known && volume == 0 && (i == 0 || v[i] == v[i-1])
	}
	if traded := slices.ContainsFunc(b.volumes.Values, func(v float64) bool { return v > 0 }); !traded {
		return f // an index has no volume at all
	}
	for i := 0; i < len(t); i++ {
		j := i
		for j < len(t) && dead(j) {
			j++
		}
		if j-i >= suspendedMin && t[j-1]-t[i] >= int64(time.Hour) {
			f.saw(t[i])
			told = append(told, fmt.Sprintf("%d bars without trade from %s to %s", j-i, stamp(t[i]), stamp(t[j-1])))
		}
		i = max(i, j)
	}
	f.What = few(told)
	return f
}

// outside counts bars whose open or close lies outside low..high by more than arithmetic explains: adjusted prices are
// products of doubles.
func (b *bars) outside() Finding {
	f := Finding{Kind: Outside}
	example := ""
	for i, t := range b.close.Times {
		h, hasHigh := valueAt(b.high, t)
		l, hasLow := valueAt(b.low, t)
		o, hasOpen := b.opening(t)
		if !hasHigh || !hasLow {
			continue
		}
		for _, p := range []struct {
			name  string
			v     float64
			known bool
		}{{"close", b.close.Values[i], true}, {"open", o, hasOpen}} {
			if slack := 1e-9 * math.Abs(h); p.known && (p.v > h+slack || p.v < l-slack) {
				f.saw(t)
				if f.Count == 1 {
					example = fmt.Sprintf("%s %s at %s, when the low was %s and the high %s", p.name, short(p.v), stamp(t), short(l), short(h))
				}
				break
			}
		}
	}
	f.What = prose.Count(f.Count, "bar") + " with an open or a close outside low..high, the first: " + example
	return f
}

// opening price of the bar that was complete at a time; of a day's, the latest in the day before that.
func (b *bars) opening(nanos int64) (float64, bool) {
	if !b.series.Daily {
		return valueAt(b.open, nanos)
	}
	i := sort.Search(len(b.open.Times), func(i int) bool { return b.open.Times[i] >= nanos }) - 1
	if i < 0 || b.open.Times[i] < nanos-int64(24*time.Hour) {
		return 0, false
	}
	return b.open.Values[i], true
}

func (b *bars) ends(usual time.Time) Finding {
	f := Finding{Kind: Ends}
	last := b.close.Times[len(b.close.Times)-1]
	const week = 7 * 24 * time.Hour
	silence := usual.Sub(at(last))
	if marketTime(b.cal, last, usual.UnixNano()) > endsMin*b.series.Cadence && silence > week {
		f.saw(last)
		f.What = fmt.Sprintf("it ends at %s, %s before most others of its source: delisted, renamed, or not imported to the end; signals say no data from then on",
			stamp(last), strconv.Itoa(int(silence.Hours()/24))+" days")
	}
	return f
}
