package history

import (
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/prose"
	"lifeboat/session"
)

// Options of [Store.Import]. The zero value finds out what it can and says what it took for granted.
type Options struct {
	Series   lifeboat.Series   // what the file's one series is called; as the file or its name says when empty
	Source   string            // who says so, when a series has several sources
	Column   string            // the one column that is read of a table with several
	Unit     string            // such as USD, percent; kept, not used
	Form     string            // one of [Forms]; found from the content when empty
	Adjusted string            // raw or adjusted
	Calendar *session.Calendar // 24/7 when any row lies where New York does not trade, else nyse
	Interval time.Duration     // how long a bar lasts; the usual step between rows
	Stamp    string            // start or end: which end of its bar a row's time is
	Keep     string            // first or last: which of two rows of one time stands when they contradict each other
	From, To time.Time         // what was known before or after is left out
	Level    bool              // values may be zero or negative: yields, spreads
	Split    bool              // rows behind a halt and a jump become another series, NAME-2
	Same     bool              // rows behind a halt and a jump belong to the series all the same
}

func (o *Options) check() error {
	for _, choice := range []struct{ flag, said, one, other string }{
		{"--adjusted", o.Adjusted, "raw", "adjusted"}, {"--stamp", o.Stamp, "start", "end"}, {"--keep", o.Keep, "first", "last"},
	} {
		if choice.said != "" && choice.said != choice.one && choice.said != choice.other {
			return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("%s is %s or %s, not %q", choice.flag, choice.one, choice.other, choice.said),
				Next: "lifeboat history import --help"}
		}
	}
	if o.Split && o.Same {
		return &lifeboat.Problem{Reason: "usage", What: "--split and --same contradict each other", Next: "lifeboat history import --help"}
	}
	return nil
}

// Report of one import. Counts are of rows, unless they say otherwise.
type Report struct {
	File        string            `json:"file"`
	Form        string            `json:"form"`
	Series      []lifeboat.Series `json:"series"`
	Source      string            `json:"source,omitempty"`
	Adjusted    bool              `json:"adjusted"`
	Calendar    string            `json:"calendar"`
	Cadence     string            `json:"cadence"`
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Read        int               `json:"read"` // with a date that can be one
	Rows        int               `json:"rows"` // that are new in the store
	Duplicates  int               `json:"duplicates"`
	BackFilled  int               `json:"back_filled"` // new, and older than the latest that the store had
	OutOfOrder  int               `json:"out_of_order"`
	Blank       int               `json:"blank"` // a date and nothing else, as on a holiday
	Quarantined int               `json:"quarantined"`
	LeftOut     int               `json:"left_out"` // outside --from and --to, or behind a halt and a jump
	Gaps        int               `json:"gaps"`
	LongestGap  string            `json:"longest_gap,omitempty"`
	Bad         []string          `json:"bad,omitempty"` // the first 50 quarantined
	Notes       []string          `json:"notes,omitempty"`
	Files       int               `json:"files"` // written
	Bytes       int64             `json:"bytes"`

	longest time.Duration // of the gaps
}

// Import a file of history; name stands in messages, and names the series where nothing else does. What cannot be right
// is left out, counted and listed; what would put two things under one name is refused. Nothing counts before
// everything is written.
func (s *Store) Import(ctx context.Context, name string, r io.Reader, o Options) (Report, error) {
	report := Report{File: name}
	if err := o.check(); err != nil {
		return report, err
	}
	text, sum, err := unpack(name, r)
	if err != nil {
		return report, err
	}
	sh := &sheet{file: name, options: &o, told: &told{}}
	if err := sh.read(text); err != nil {
		return report, err
	}
	report.Form, report.Read = sh.form, len(sh.rows)
	t, err := sh.settle(&report)
	if err != nil {
		return report, err
	}
	parts, err := t.parts()
	if err != nil {
		return report, err
	}
	release, err := s.lock()
	if err != nil {
		return report, err
	}
	defer release()
	if err := s.take(ctx, parts, Origin{File: filepath.Base(name), Form: sh.form, SHA256: sum}); err != nil {
		return report, err
	}
	report.Quarantined, report.Bad, report.Notes = sh.badCount, sh.bad, sh.noted
	return report, nil
}

// take the parts into the store: all of them, or none.
func (s *Store) take(ctx context.Context, parts []*settled, origin Origin) error {
	now, err := readManifest(s.dir) // another import may have been since
	if err != nil {
		return err
	}
	before := s.manifest
	s.manifest = now
	s.manifest.Series = slices.Clone(now.Series)
	for _, part := range parts {
		if err := s.add(ctx, part, origin); err != nil {
			s.manifest = before
			return err
		}
	}
	if err := s.manifest.check(); err != nil {
		s.manifest = before
		return refused(parts[0].file, "", "the store would be too large: "+err.Error())
	}
	if err := s.manifest.write(s.dir); err != nil {
		s.manifest = before
		return err
	}
	if err := s.sweep(); err != nil {
		return notWritten(s.dir, err)
	}
	return nil
}

// add every column of a part.
func (s *Store) add(ctx context.Context, t *settled, origin Origin) error {
	report := t.report
	adjusted, err := s.whether(t)
	if err != nil {
		return err
	}
	report.Source, report.Adjusted, report.Calendar, report.Cadence = t.columns[0].source, adjusted, t.calendar.Name(), t.cadence.String()
	for i, c := range t.columns {
		track := t.track(i)
		if len(track.Times) == 0 {
			t.note("%s has no value and is left out", c.series())
			continue
		}
		series := Series{Name: c.series(), Source: c.source, Unit: t.options.Unit, Adjusted: adjusted, Level: c.level,
			Calendar: t.calendar.Name(), Daily: t.daily, Cadence: t.cadence, Span: spanOf(t.cadence)}
		counts := &tally{}
		if err := s.addTrack(ctx, series, track, t, origin, counts); err != nil {
			return err
		}
		report.Series = append(report.Series, c.series())
		report.Files, report.Bytes = report.Files+counts.files, report.Bytes+counts.bytes
		if i == t.primary() {
			report.Rows, report.BackFilled = report.Rows+counts.added, report.BackFilled+counts.backFilled
			report.Duplicates += counts.identical
			report.gaps(t.calendar, t.cadence, track.Times)
		}
	}
	return nil
}

// gaps of what was imported, and the first and last time.
func (r *Report) gaps(c *session.Calendar, cadence time.Duration, times []int64) {
	first, last := time.Unix(0, times[0]).UTC(), time.Unix(0, times[len(times)-1]).UTC()
	if r.From.IsZero() || first.Before(r.From) {
		r.From = first
	}
	if last.After(r.To) {
		r.To = last
	}
	for i := 1; i < len(times); i++ {
		step := marketTime(c, times[i-1], times[i])
		if step <= cadence*3/2 {
			continue
		}
		r.Gaps++
		if step > r.longest {
			r.longest = step
			r.LongestGap = fmt.Sprintf("%s after %s", prose.Span(time.Duration(times[i]-times[i-1])), time.Unix(0, times[i-1]).UTC().Format(time.RFC3339))
		}
	}
}

// primary is the column that stands for its row: the first close, else the first column.
func (t *settled) primary() int {
	return max(0, slices.IndexFunc(t.columns, func(c column) bool { return c.bar == "close" }))
}

// whether the prices are adjusted: as the owner says, as the file shows, else as the store has them already. Mixing is
// refused.
func (s *Store) whether(t *settled) (adjusted bool, err error) {
	name := t.columns[0].series()
	mixedNow := s.Mixed(name, true) != ""
	known := s.known(name)
	prices := t.track(t.primary()).Values
	switch {
	case t.options.Adjusted != "":
		adjusted = t.options.Adjusted == "adjusted"
	case t.adjusted != nil:
		adjusted = *t.adjusted
	case t.evidence != "":
		adjusted = true
		t.note("taken for adjusted prices: %s; if they are not, say --adjusted raw", t.evidence)
	case t.daily && t.calendar == session.NYSE() && t.bars && computed(prices):
		adjusted = true
		t.note("taken for adjusted prices, because most have more decimals than an exchange quotes; if they are not, say --adjusted raw")
	case known:
		adjusted = !mixedNow
	}
	for _, c := range t.columns {
		if why := s.Mixed(c.series(), adjusted); why != "" {
			symbol := c.symbol
			return false, &lifeboat.Problem{Reason: "history-refused", What: fmt.Sprintf("%s is not imported: %s", t.file, why),
				Money: "nothing of it was stored", Next: fmt.Sprintf("import it under another name, --series %s-%s, or say --adjusted %s if that is what it holds", symbol, worded(adjusted), worded(!adjusted))}
		}
	}
	return adjusted, nil
}

// known reports a series whose symbol the store holds.
func (s *Store) known(name lifeboat.Series) bool {
	symbol, _ := name.Column()
	return slices.ContainsFunc(s.manifest.Series, func(have Series) bool {
		other, _ := have.Name.Column()
		return other == symbol
	})
}

// tally of one column's import.
type tally struct {
	added, identical, contradicting, backFilled int
	files                                       int
	bytes                                       int64
}

// addTrack lays one column over what the store has of it.
func (s *Store) addTrack(ctx context.Context, series Series, track Columns, t *settled, origin Origin, counts *tally) error {
	at := slices.IndexFunc(s.manifest.Series, func(have Series) bool { return have.Name == series.Name && have.Source == series.Source })
	if at >= 0 {
		have := s.manifest.Series[at]
		if err := s.fits(ctx, have, series, track, t); err != nil {
			return err
		}
		have.Files = slices.Clone(have.Files)
		series = have
	}
	origins := series.Origins
	series.Origins = append(slices.Clone(origins), origin) // the files name it
	for _, part := range byPeriod(series.Span, track) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.addPeriod(&series, part, t, counts); err != nil {
			return err
		}
	}
	if counts.added == 0 && counts.files == 0 {
		return nil
	}
	origin.Rows, origin.Quarantined = counts.added, t.bad
	series.Origins = append(slices.Clone(origins), origin)
	series.Origins = series.Origins[max(0, len(series.Origins)-originsMax):]
	series.sum()
	if at < 0 {
		s.manifest.Series = append(s.manifest.Series, series)
	} else {
		s.manifest.Series[at] = series
	}
	return nil
}

// sum up the files.
func (s *Series) sum() {
	slices.SortFunc(s.Files, func(a, b File) int { return a.From.Compare(b.From) })
	s.Rows, s.Decimals = 0, 0
	for _, f := range s.Files {
		s.Rows += f.Rows
		if f.Decimals == doubles || s.Decimals == doubles {
			s.Decimals = doubles
		} else {
			s.Decimals = max(s.Decimals, f.Decimals)
		}
	}
	s.From, s.To = s.Files[0].From, s.Files[len(s.Files)-1].To
}

// fits refuses what would put two things under one name: another pace, another asset, another adjustment.
func (s *Store) fits(ctx context.Context, have, series Series, track Columns, t *settled) error {
	ratio := float64(have.Cadence) / float64(series.Cadence)
	const paceMax, few = 1.9, 10
	if have.Daily != series.Daily || have.Rows > few && len(track.Times) > few && (ratio > paceMax || ratio < 1/paceMax) {
		return t.refuse("", fmt.Sprintf("%s holds values every %s, and these come every %s: give them a source or a name of their own, such as --source %s",
			have, Pace(have.Cadence, have.Calendar), Pace(series.Cadence, series.Calendar), strings.ReplaceAll(prose.Span(series.Cadence), " ", "")))
	}
	if _, column := have.Name.Column(); column != "" || t.options.Same {
		return nil
	}
	return s.continues(ctx, have, track, t)
}

// continues refuses rows that follow a stored series behind a halt and a jump.
func (s *Store) continues(ctx context.Context, have Series, track Columns, t *settled) error {
	first := time.Unix(0, track.Times[0]).UTC()
	if !first.After(have.To) {
		return nil
	}
	stored, err := s.Columns(ctx, have.Name, have.Source, have.To, have.To)
	if err != nil || len(stored.Values) == 0 {
		return err
	}
	if halted(t.calendar, have.Cadence, have.To.UnixNano(), track.Times[0]) && jumped(stored.Values[0], track.Values[0]) {
		return t.refuse("", fmt.Sprintf("%s ends at %s with %s, and these rows begin at %s with %s: that may be another asset; import them under another name with --series, or say --same if it is not",
			have, have.To.Format(time.RFC3339), short(stored.Values[0]), first.Format(time.RFC3339), short(track.Values[0])))
	}
	return nil
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// byPeriod cuts a track into what goes to one file each.
func byPeriod(span string, c Columns) []Columns {
	var parts []Columns
	for i := 0; i < len(c.Times); {
		end := periodEnd(span, c.Times[i])
		j := i + 1
		for j < len(c.Times) && c.Times[j] < end {
			j++
		}
		parts = append(parts, Columns{c.Times[i:j], c.Values[i:j]})
		i = j
	}
	return parts
}

// periodEnd is when the period of a time is over.
func periodEnd(span string, nanos int64) int64 {
	t := time.Unix(0, nanos).UTC()
	switch span {
	case "month":
		return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	case "year":
		return time.Date(t.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	}
	return time.Date(t.Year()/10*10+10, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
}

// addPeriod writes the file of one period anew, unless it says nothing new.
func (s *Store) addPeriod(series *Series, part Columns, t *settled, counts *tally) error {
	name := period(series.Span, part.Times[0])
	at := slices.IndexFunc(series.Files, func(f File) bool { return period(series.Span, f.From.UnixNano()) == name })
	var had Columns
	if at >= 0 {
		if err := s.load(series.Files[at], &had); err != nil {
			return err
		}
	}
	merged, changed, err := t.merge(*series, had, part, counts)
	if err != nil || !changed {
		return err
	}
	if len(merged.Times) > fileRowsMax {
		return t.refuse("", fmt.Sprintf("%s would have more than %d values in %s: lifeboat stores nothing finer than seconds", *series, fileRowsMax, name))
	}
	file, err := s.writeFile(*series, name, merged)
	if err != nil {
		return err
	}
	counts.files, counts.bytes = counts.files+1, counts.bytes+file.Bytes
	if at >= 0 {
		series.Files[at] = file
	} else {
		series.Files = append(series.Files, file)
	}
	return nil
}

func (s *Store) writeFile(series Series, period string, c Columns) (File, error) {
	decimals := decimalsOf(c.Values)
	content, err := encode(series, c, decimals)
	if err != nil {
		return File{}, err
	}
	sum := digest(content)
	f := File{Path: pathOf(series, period, sum), SHA256: sum, Bytes: int64(len(content)), Rows: len(c.Times), Decimals: decimals,
		From: time.Unix(0, c.Times[0]).UTC(), To: time.Unix(0, c.Times[len(c.Times)-1]).UTC()}
	if err := place(s.dir, f.Path, content); err != nil {
		return File{}, notWritten(s.dir, err)
	}
	return f, nil
}

// merge what a file had with what comes. A stored value stands against a new one that contradicts it, unless the owner
// says --keep last. Adjusted prices all change with each dividend, so that new ones beside old ones would be a jump
// that never was: there the whole series is replaced or nothing.
func (t *settled) merge(series Series, had, part Columns, counts *tally) (merged Columns, changed bool, err error) {
	before := *counts
	n := len(had.Times) + len(part.Times)
	merged = Columns{make([]int64, 0, n), make([]float64, 0, n)}
	give := func(at int64, v float64) {
		merged.Times, merged.Values = append(merged.Times, at), append(merged.Values, v)
	}
	for i, j := 0, 0; i < len(had.Times) || j < len(part.Times); {
		switch {
		case j == len(part.Times) || i < len(had.Times) && had.Times[i] < part.Times[j]:
			give(had.Times[i], had.Values[i])
			i++
		case i == len(had.Times) || part.Times[j] < had.Times[i]:
			give(part.Times[j], part.Values[j])
			counts.added++
			if part.Times[j] < series.To.UnixNano() && !series.To.IsZero() {
				counts.backFilled++
			}
			j++
		default:
			v := had.Values[i]
			if v == part.Values[j] {
				counts.identical++
			} else if v, err = t.choose(series, had.Times[i], v, part.Values[j]); err != nil {
				return merged, false, err
			} else if counts.contradicting++; v == part.Values[j] {
				changed = true
			}
			give(had.Times[i], v)
			i, j = i+1, j+1
		}
	}
	return merged, changed || counts.added > before.added, nil
}

// choose between a stored value and a new one of the same time.
func (t *settled) choose(series Series, at int64, stored, new float64) (float64, error) {
	when := time.Unix(0, at).UTC().Format(time.RFC3339)
	if series.Adjusted && math.Abs(stored-new) > 1e-9*math.Abs(stored) {
		covers := len(t.known) > 0 && min(t.opened[0], t.known[0]) <= series.From.UnixNano() && t.known[len(t.known)-1] >= series.To.UnixNano()
		if t.options.Keep != "last" || !covers {
			return 0, t.refuse("", fmt.Sprintf("%s is adjusted, and its stored value of %s is %s where this file says %s: adjusted prices all change with each dividend, so import the whole series again with --keep last",
				series, when, short(stored), short(new)))
		}
	}
	if t.options.Keep == "last" {
		return new, nil
	}
	t.quarantine(t.file, short(new), fmt.Sprintf("contradicts what is stored of %s at %s, which is %s and stands; --keep last replaces it", series, when, short(stored)))
	return stored, nil
}
