package trigger_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/risk"
	"lifeboat/session"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
	"lifeboat/watch/state"
	"lifeboat/watch/trigger"
)

// How many worlds the tests below look at, and from which on. A few are enough to notice a slip; two hundred take minutes.
var (
	worlds     = flag.Int("worlds", 3, "random worlds to compare in")
	firstWorld = flag.Uint64("world", 0, "the seed before the first of them")
)

// A world is a tape of a few days, and the language evaluated on it without any cleverness: what was read so far is
// looked through from the beginning for every value, and every truth is told for every second. It is written from
// docs/rules.md and shares with the engine only the calendars, the book and the quantile.
type world struct {
	r        *rand.Rand
	begin    time.Time
	seconds  int
	calendar *session.Calendar // of the portfolio and of "for 3d"
	own      map[string]*session.Calendar
	sources  map[lifeboat.Series][]string
	stale    map[string]time.Duration // :: series@source
	events   []happening
	feeds    map[string]*line
	worth    []worth
	changes  []int
	numbers  map[string][]figure
}

// A happening is an instant of readings, or a fill.
type happening struct {
	second int
	in     lifeboat.Instant
	fill   []lifeboat.Event // and no readings
}

// A line is what a series was: who said what, and what they agreed on.
type line struct {
	calendar *session.Calendar
	said     []said
	points   []point
}

type said struct {
	source string
	at     time.Time // at the source
	taken  time.Time
	value  float64
}

type point struct {
	at, taken time.Time
	value     float64
	day       time.Time
}

type figure struct {
	value float64
	known bool
}

func (w *world) at(second int) time.Time { return w.begin.Add(time.Duration(second) * time.Second) }

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 11))
	w := &world{r: r, calendar: session.AllDay(), own: map[string]*session.Calendar{}, feeds: map[string]*line{},
		sources: map[lifeboat.Series][]string{"X": {"a", "b"}, "Y": {""}, "Z": {"a", "b", "c"}, "X.volume": {""}}, stale: map[string]time.Duration{}}
	begins := []time.Time{
		time.Date(2024, 3, 7, 13, 0, 0, 0, time.UTC),    // the clocks go forward in New York on the tenth
		time.Date(2024, 11, 27, 16, 30, 0, 0, time.UTC), // Thanksgiving, and an early close after it
		time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC),
	}
	w.begin = begins[r.IntN(len(begins))]
	w.seconds = (3 + r.IntN(5)) * 24 * 3600
	if r.IntN(2) == 0 {
		w.calendar = session.NYSE()
	}
	for _, s := range []string{"X", "Y", "Z"} {
		w.own[s] = session.AllDay()
		if r.IntN(2) == 0 {
			w.own[s] = session.NYSE()
		}
	}
	for _, s := range []lifeboat.Series{"X", "X.volume", "Y", "Z"} {
		for _, source := range w.sources[s] {
			w.stale[string(s)+"@"+source] = time.Duration(1+r.IntN(6)) * 30 * time.Minute
		}
	}
	w.tape()
	return w
}

// tape is a nervous market with silences, late and doubled readings and fills.
func (w *world) tape() {
	price := map[string]float64{"X": 100, "Y": 50, "Z": 1}
	step := 5 + w.r.IntN(30) // minutes
	quiet := map[string]int{}
	w.numbers = map[string][]figure{}
	fills := 0
	for minute := w.r.IntN(40); minute*60 < w.seconds; minute += 1 + w.r.IntN(2*step) {
		if w.r.IntN(6) == 0 { // the whole second of a session's boundary, or a whole hour
			minute = (minute + 59) / 60 * 60
		}
		second := minute * 60
		if second >= w.seconds {
			break
		}
		h := happening{second: second}
		h.in.At = w.at(second)
		for _, name := range []string{"X", "Y", "Z"} {
			price[name] *= math.Exp(0.02 * w.r.NormFloat64())
			for _, source := range w.sources[lifeboat.Series(name)] {
				who := name + "@" + source
				if quiet[who] > second || w.r.IntN(3) == 0 {
					continue
				}
				if w.r.IntN(25) == 0 {
					quiet[who] = second + w.r.IntN(2*24*3600)
				}
				for range 1 + w.r.IntN(8)/7 {
					reading := lifeboat.Reading{Series: lifeboat.Series(name), Source: source, Value: math.Round(price[name]*math.Exp(0.003*w.r.NormFloat64())*1000) / 1000}
					switch w.r.IntN(12) {
					case 0:
						reading.At = h.in.At.Add(-time.Duration(w.r.IntN(40)) * time.Minute)
					case 1:
						reading.Quality = lifeboat.Suspect
					case 2:
						reading.Value = math.Round(price[name]*10) / 10
					}
					h.in.Readings = append(h.in.Readings, reading)
				}
			}
		}
		if w.r.IntN(2) == 0 {
			h.in.Readings = append(h.in.Readings, lifeboat.Reading{Series: "X.volume", Value: float64(w.r.IntN(1000))})
		}
		w.r.Shuffle(len(h.in.Readings), func(i, j int) { h.in.Readings[i], h.in.Readings[j] = h.in.Readings[j], h.in.Readings[i] })
		if w.r.IntN(15) == 0 && len(w.events) > 0 {
			fills++
			key := lifeboat.Key(fmt.Sprint("order ", fills))
			side := []lifeboat.Side{lifeboat.Buy, lifeboat.Sell}[w.r.IntN(2)]
			quantity := decimal.NewFromInt(int64(1 + w.r.IntN(8)))
			w.events = append(w.events, happening{second: second - 30, fill: []lifeboat.Event{
				lifeboat.Intent{Key: key, Act: lifeboat.PlaceOrder, Order: &lifeboat.Order{ID: key, Account: "a", Symbol: []string{"X", "Y"}[w.r.IntN(2)], Side: side, Quantity: quantity}},
				lifeboat.Receipt{Key: key, Status: lifeboat.Filled, Filled: quantity, Price: decimal.NewFromInt(75)}}})
		}
		if len(h.in.Readings) > 0 {
			w.events = append(w.events, h)
		}
	}
	w.lines()
	w.follow()
}

// lines of what the sources agreed on, instant by instant.
func (w *world) lines() {
	for s := range w.sources {
		symbol, _ := s.Column()
		w.feeds[string(s)] = &line{calendar: w.own[symbol]}
	}
	for _, h := range w.events {
		touched := map[string]map[string]bool{}
		settle := func(name string, at time.Time) {
			l := w.feeds[name]
			var when time.Time
			for source := range touched[name] {
				if last, _ := l.last(source, h.in.At); last.at.After(when) {
					when = last.at
				}
			}
			delete(touched, name)
			v, known := w.agreed(name, at, h.in.At)
			if when.IsZero() || !known {
				return
			}
			if n := len(l.points); n > 0 && when.Before(l.points[n-1].at) {
				when = l.points[n-1].at
			}
			l.points = append(l.points, point{at: when, taken: h.in.At, value: v})
		}
		for _, r := range h.in.Readings {
			l, name := w.feeds[string(r.Series)], string(r.Series)
			if r.Quality != lifeboat.Good {
				continue
			}
			when := r.At
			if when.IsZero() {
				when = h.in.At
			}
			last, spoke := l.last(r.Source, h.in.At)
			if spoke && when.Before(last.at) {
				continue
			}
			if name == "X.volume" {
				l.said = append(l.said, said{r.Source, when, h.in.At, r.Value})
				l.points = append(l.points, point{at: when, taken: h.in.At, value: r.Value})
				continue
			}
			if touched[name][r.Source] {
				settle(name, last.at)
			}
			if touched[name] == nil {
				touched[name] = map[string]bool{}
			}
			touched[name][r.Source] = true
			l.said = append(l.said, said{r.Source, when, h.in.At, r.Value})
		}
		for name := range touched {
			settle(name, h.in.At)
		}
	}
	for _, l := range w.feeds {
		var day time.Time
		for i := range l.points {
			if of := l.calendar.Of(l.points[i].at).Day; of.After(day) {
				day = of
			}
			l.points[i].day = day
		}
	}
}

// last that a source said by the given time.
func (l *line) last(source string, by time.Time) (last said, spoke bool) {
	for i := len(l.said) - 1; i >= 0; i-- {
		if s := l.said[i]; s.source == source && !s.taken.After(by) {
			return s, true
		}
	}
	return last, false
}

func (w *world) staleAt(name, source string, since time.Time) time.Time {
	return w.feeds[name].calendar.AddOpen(since, w.stale[name+"@"+source]).Add(time.Second)
}

// fresh values of a series' sources, in order, of what was taken by a time.
func (w *world) fresh(name string, at, taken time.Time) []float64 {
	var values []float64
	for _, source := range w.sources[lifeboat.Series(name)] {
		if last, spoke := w.feeds[name].last(source, taken); spoke && at.Before(w.staleAt(name, source, last.at)) {
			values = append(values, last.value)
		}
	}
	slices.Sort(values)
	return values
}

// agreed is the median; of an even number the middle value nearer to the last agreement.
func (w *world) agreed(name string, at, taken time.Time) (float64, bool) {
	values := w.fresh(name, at, taken)
	n := len(values)
	if n == 0 {
		return 0, false
	}
	if n%2 == 1 {
		return values[n/2], true
	}
	low, high := values[n/2-1], values[n/2]
	middle := low + (high-low)/2
	l := w.feeds[name]
	points := l.upTo(taken)
	if len(points) == 0 {
		return middle, true
	}
	last := points[len(points)-1].value
	switch toLow, toHigh := math.Abs(low-last), math.Abs(high-last); {
	case last == middle:
		return middle, true
	case toLow < toHigh:
		return low, true
	case toHigh < toLow:
		return high, true
	}
	return middle, true
}

func (l *line) upTo(at time.Time) []point {
	n := len(l.points)
	for n > 0 && l.points[n-1].taken.After(at) {
		n--
	}
	return l.points[:n]
}

// A worth is the portfolio after a step.
type worth struct {
	second int
	total  float64
	known  bool
	peak   float64
	ends   []float64
	parts  map[string]figure
}

// steps are the seconds at which a value may change: instants, and whatever goes stale.
func (w *world) steps() []int {
	if w.changes != nil {
		return w.changes
	}
	var steps []int
	for _, h := range w.events {
		steps = append(steps, h.second)
	}
	for name, l := range w.feeds {
		for _, s := range l.said {
			if at := int(w.staleAt(name, s.source, s.at).Sub(w.begin) / time.Second); at >= 0 && at < w.seconds {
				steps = append(steps, at)
			}
		}
	}
	slices.Sort(steps)
	w.changes = slices.Compact(steps)
	return w.changes
}

var holds = []lifeboat.Position{{Account: "a", Symbol: "X", Quantity: decimal.NewFromInt(60)}, {Account: "a", Symbol: "Y", Quantity: decimal.NewFromInt(6)},
	{Account: "b", Symbol: "USD", Quantity: decimal.NewFromInt(5000)}}

func (w *world) follow() {
	book := lifeboat.NewBook("USD")
	book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: holds})
	var now worth
	last, events := math.NaN(), w.events
	var day time.Time
	for _, second := range w.steps() {
		at := w.at(second)
		instant := false
		if len(events) > 0 && events[0].second == second {
			for _, e := range events[0].fill {
				book.Apply(at, e)
			}
			instant = events[0].fill == nil
			events = events[1:]
		}
		if instant {
			if of := w.calendar.Of(at).Day; !of.Equal(day) {
				if !day.IsZero() {
					now.ends = append(slices.Clip(now.ends), last)
				}
				day = of
			}
		}
		now.second, now.total, now.known, now.parts = second, 0, true, map[string]figure{}
		stale := 0.0
		for _, symbol := range []string{"X", "Y", "USD"} {
			quantity := book.Quantity("a", symbol).Add(book.Quantity("b", symbol)).InexactFloat64()
			price, fresh := 1.0, true
			if symbol != "USD" {
				price, fresh = w.agreed(symbol, at, at)
				if points := w.feeds[symbol].upTo(at); !fresh && len(points) > 0 {
					price = points[len(points)-1].value
				} else if !fresh {
					now.known = now.known && quantity == 0
				}
			}
			if !fresh {
				stale += math.Abs(quantity * price)
			}
			now.total += quantity * price
			now.parts[symbol] = figure{quantity * price, fresh || quantity == 0}
		}
		now.known = now.known && stale <= 0.05*math.Abs(now.total)
		if instant && now.known {
			last, now.peak = now.total, max(now.peak, now.total)
		}
		w.worth = append(w.worth, now)
	}
}

// A number that conditions compare.
type number struct {
	text string
	of   func(w *world, at time.Time) (float64, bool)
}

func ofLine(name, source string, f func(points []point, level float64) (float64, bool)) func(*world, time.Time) (float64, bool) {
	return func(w *world, at time.Time) (float64, bool) {
		level, known := w.agreed(name, at, at)
		if !known {
			return 0, false
		}
		return f(w.feeds[name].upTo(at), level)
	}
}

// closes of the sessions that are over, highs and lows of all.
func bySession(points []point) (closes, highs, lows []float64) {
	for i, p := range points {
		if i == 0 || !p.day.Equal(points[i-1].day) {
			closes, highs, lows = append(closes, p.value), append(highs, p.value), append(lows, p.value)
			continue
		}
		n := len(closes) - 1
		closes[n], highs[n], lows[n] = p.value, max(highs[n], p.value), min(lows[n], p.value)
	}
	return closes[:len(closes)-1], highs, lows
}

func numbers() []number {
	var all []number
	for _, s := range []string{"X", "Y", "Z"} {
		all = append(all, number{s, ofLine(s, "", func(_ []point, level float64) (float64, bool) { return level, true })})
		all = append(all, number{fmt.Sprintf("spread(%s)", s), func(w *world, at time.Time) (float64, bool) {
			values := w.fresh(s, at, at)
			if len(values) < 2 {
				return 0, false
			}
			return values[len(values)-1]/values[0] - 1, true
		}})
		all = append(all, number{fmt.Sprintf("drawdown(%s)", s), ofLine(s, "", func(points []point, level float64) (float64, bool) {
			peak := 0.0
			for _, p := range points {
				peak = max(peak, p.value)
			}
			return fall(peak, level), true
		})})
		for _, n := range []int{1, 2, 3} {
			all = append(all, inSessions(s, n)...)
		}
		for _, span := range []time.Duration{20 * time.Minute, 5 * time.Hour, 31 * time.Hour} {
			all = append(all, inSpan(s, span)...)
		}
		other := map[string]string{"X": "Y", "Y": "Z", "Z": "X"}[s]
		all = append(all, number{fmt.Sprintf("spread(%s, %s)", s, other), func(w *world, at time.Time) (float64, bool) {
			a, known := w.agreed(s, at, at)
			b, fresh := w.agreed(other, at, at)
			return max(a, b)/min(a, b) - 1, known && fresh
		}})
	}
	spike := func(n int) number {
		return number{fmt.Sprintf("volume_spike(X, %dd)", n), func(w *world, at time.Time) (float64, bool) {
			points := w.feeds["X.volume"].upTo(at)
			if len(w.fresh("X.volume", at, at)) == 0 {
				return 0, false
			}
			var sums []float64
			for i, p := range points {
				if i == 0 || !p.day.Equal(points[i-1].day) {
					sums = append(sums, 0)
				}
				sums[len(sums)-1] += p.value
			}
			if len(sums) <= n {
				return 0, false
			}
			usual := average(sums[len(sums)-1-n : len(sums)-1])
			return sums[len(sums)-1] / usual, usual > 0
		}}
	}
	all = append(all, spike(1), spike(2))
	worthOf := func(text string, f func(n worth) (float64, bool)) number {
		return number{text, func(w *world, at time.Time) (float64, bool) {
			second := int(at.Sub(w.begin) / time.Second)
			i, found := slices.BinarySearchFunc(w.worth, second, func(n worth, s int) int { return n.second - s })
			if !found {
				i--
			}
			if i < 0 {
				return 0, false
			}
			return f(w.worth[i])
		}}
	}
	whole := func(text string, f func(n worth) (float64, bool)) number {
		return worthOf(text, func(n worth) (float64, bool) {
			if !n.known {
				return 0, false
			}
			return f(n)
		})
	}
	back := func(days int) func(n worth) (float64, bool) {
		return func(n worth) (float64, bool) {
			if len(n.ends) < days || math.IsNaN(n.ends[len(n.ends)-days]) {
				return 0, false
			}
			return (n.total - n.ends[len(n.ends)-days]) / n.ends[len(n.ends)-days], true
		}
	}
	return append(all,
		whole("portfolio_value", func(n worth) (float64, bool) { return n.total, true }),
		whole("portfolio_drawdown", func(n worth) (float64, bool) { return fall(n.peak, n.total), true }),
		whole("daily_return", back(1)), whole("portfolio_return(2d)", back(2)),
		whole("weight(Y)", func(n worth) (float64, bool) { return n.parts["Y"].value / n.total, n.parts["Y"].known }),
		worthOf("value(X)", func(n worth) (float64, bool) { return n.parts["X"].value, n.parts["X"].known }),
		whole("cash_weight", func(n worth) (float64, bool) { return n.parts["USD"].value / n.total, true }),
	)
}

func fall(peak, level float64) float64 { return (max(peak, level) - level) / max(peak, level) }

// average, exact where all values are the same.
func average(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v - values[0]
	}
	return values[0] + sum/float64(len(values))
}

func deviation(values []float64) float64 {
	mean, sum := average(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// window of values, the last of them the level.
func inWindow(text string, window func(points []point, level float64) (values, all []float64, known bool), s, of string) []number {
	make := func(name string, f func(values, all []float64, level float64) (float64, bool)) number {
		return number{fmt.Sprintf("%s(%s, %s)", name, s, of), ofLine(s, "", func(points []point, level float64) (float64, bool) {
			values, all, known := window(points, level)
			if !known {
				return 0, false
			}
			return f(values, all, level)
		})}
	}
	return []number{
		make("ma", func(values, _ []float64, _ float64) (float64, bool) { return average(values), true }),
		make("max", func(_, all []float64, _ float64) (float64, bool) { return slices.Max(all), true }),
		make("min", func(_, all []float64, _ float64) (float64, bool) { return slices.Min(all), true }),
		make("drawdown", func(_, all []float64, level float64) (float64, bool) { return fall(slices.Max(all), level), true }),
		make("stddev", func(values, _ []float64, _ float64) (float64, bool) { return deviation(values), len(values) > 1 }),
		make("zscore", func(values, _ []float64, _ float64) (float64, bool) {
			d := deviation(values)
			return (values[len(values)-1] - average(values)) / d, len(values) > 1 && d > 0
		}),
		number{fmt.Sprintf("quantile(%s, 30%%, %s)", s, of), make("", func(values, _ []float64, _ float64) (float64, bool) {
			if len(values) == 1 {
				return values[0], true
			}
			q, err := risk.Quantile(values, 0.3)
			return q, err == nil
		}).of},
	}
}

func inSessions(s string, n int) []number {
	of := fmt.Sprintf("%dd", n)
	all := inWindow("", func(points []point, level float64) (values, all []float64, known bool) {
		closes, highs, lows := bySession(points)
		if len(closes) < n-1 {
			return nil, nil, false
		}
		values = append(slices.Clone(closes[len(closes)-n+1:]), level)
		return values, slices.Concat(highs[len(highs)-n:], lows[len(lows)-n:]), true
	}, s, of)
	if n == 1 {
		all = all[:4] // the rest wants two
	}
	back := func(name string, f func(from, to float64) float64) number {
		return number{fmt.Sprintf("%s(%s, %s)", name, s, of), ofLine(s, "", func(points []point, level float64) (float64, bool) {
			closes, _, _ := bySession(points)
			if len(closes) < n {
				return 0, false
			}
			return f(closes[len(closes)-n], level), true
		})}
	}
	return append(all, back("return", func(from, to float64) float64 { return (to - from) / from }), back("change", func(from, to float64) float64 { return to - from }))
}

func inSpan(s string, span time.Duration) []number {
	of := fmt.Sprintf("%dm", int(span.Minutes()))
	begin := func(points []point) int { // the first that is inside
		last := points[len(points)-1].at
		n := len(points)
		for n > 0 && points[n-1].at.After(last.Add(-span)) {
			n--
		}
		return n
	}
	all := inWindow("", func(points []point, level float64) (values, all []float64, known bool) {
		if points[len(points)-1].at.Sub(points[0].at) < span {
			return nil, nil, false
		}
		for _, p := range points[begin(points):] {
			values = append(values, p.value)
		}
		return values, values, true
	}, s, of)
	back := func(name string, f func(from, to float64) float64) number {
		return number{fmt.Sprintf("%s(%s, %s)", name, s, of), ofLine(s, "", func(points []point, level float64) (float64, bool) {
			n := begin(points)
			if n == 0 {
				return 0, false
			}
			return f(points[n-1].value, level), true
		})}
	}
	return append(all, back("return", func(from, to float64) float64 { return (to - from) / from }), back("change", func(from, to float64) float64 { return to - from }))
}

var allNumbers = numbers()

func (w *world) figures(n number) []figure {
	if known, done := w.numbers[n.text]; done {
		return known
	}
	var all []figure
	for _, second := range w.steps() {
		v, known := n.of(w, w.at(second))
		all = append(all, figure{v, known})
	}
	w.numbers[n.text] = all
	return all
}

const (
	isNo      = byte(0)
	isUnknown = byte(1)
	isYes     = byte(2)
)

// A condition is text, and its truth at every second.
type condition struct {
	text  string
	truth []byte
}

// about reports that a truth is right but for a fraction of a second: a limit that is passed one nanosecond after a
// whole second, or a session that begins there, is passed in the second after for who counts whole ones.
func (c condition) about(second int, truth byte) bool {
	for s := max(0, second-1); s <= min(second+1, len(c.truth)-1); s++ {
		if c.truth[s] == truth {
			return true
		}
	}
	return false
}

func (w *world) fill(f func(second int) byte) []byte {
	truths := make([]byte, w.seconds)
	for s := range truths {
		truths[s] = f(s)
	}
	return truths
}

// overSteps spreads what is so after each step over the seconds until the next.
func (w *world) overSteps(f func(step int) byte, first byte) []byte {
	truths, steps, step, now := make([]byte, w.seconds), w.steps(), 0, first
	for s := range truths {
		if step < len(steps) && steps[step] == s {
			now = f(step)
			step++
		}
		truths[s] = now
	}
	return truths
}

func truthOf(b bool) byte {
	if b {
		return isYes
	}
	return isNo
}

// limit is one that the figures pass now and then.
func (w *world) limit(figures []figure) (float64, bool) {
	var values []float64
	for _, f := range figures {
		if f.known {
			values = append(values, f.value)
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	v := math.Round(values[w.r.IntN(len(values))]*10000)/10000 + 0.00003
	return v, true
}

func (w *world) comparison() condition {
	n := allNumbers[w.r.IntN(len(allNumbers))]
	figures := w.figures(n)
	sign := []string{"<", "<=", ">", ">="}[w.r.IntN(4)]
	if w.r.IntN(8) == 0 { // of two levels
		m := allNumbers[w.r.IntN(len(allNumbers))]
		names := []string{"X", "Y", "Z"}
		if slices.Contains(names, n.text) && slices.Contains(names, m.text) && n.text != m.text {
			others := w.figures(m)
			ratio := map[string]float64{"X": 100, "Y": 50, "Z": 1}
			k := ratio[n.text] / ratio[m.text]
			return condition{fmt.Sprintf("%s %s %s * %v", n.text, sign, m.text, k), w.overSteps(func(i int) byte {
				if !figures[i].known || !others[i].known {
					return isUnknown
				}
				return truthOf(compare(figures[i].value, sign, others[i].value*k))
			}, isUnknown)}
		}
	}
	limit, some := w.limit(figures)
	if !some {
		limit = 0.5
	}
	if (strings.Contains(n.text, "drawdown") || strings.Contains(n.text, "stddev") || strings.Contains(n.text, "spread") || strings.Contains(n.text, "weight")) && limit < 0 {
		limit = 0.00003
	}
	if w.r.IntN(8) == 0 && slices.Contains([]string{"X", "Y", "Z"}, n.text) {
		sign, limit = []string{"==", "!="}[w.r.IntN(2)], math.Round(limit*1000)/1000
	}
	text := strconv.FormatFloat(limit, 'f', -1, 64)
	return condition{fmt.Sprintf("%s %s %s", n.text, sign, text), w.overSteps(func(i int) byte {
		if !figures[i].known {
			return isUnknown
		}
		return truthOf(compare(figures[i].value, sign, limit))
	}, isUnknown)}
}

func compare(a float64, sign string, b float64) bool {
	switch sign {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "==":
		return a == b
	}
	return a != b
}

func (w *world) ageOrStale() condition {
	s := []string{"X", "Y", "Z"}[w.r.IntN(3)]
	l := w.feeds[s]
	if w.r.IntN(2) == 0 {
		return condition{fmt.Sprintf("stale(%s)", s), w.overSteps(func(i int) byte {
			at := w.at(w.steps()[i])
			return truthOf(len(w.fresh(s, at, at)) == 0)
		}, isUnknown)}
	}
	minutes := 1 + w.r.IntN(300)
	limit := time.Duration(minutes)*time.Minute - time.Second // the engine gives a second of grace
	var when time.Time
	next := 0
	now := isUnknown
	return condition{fmt.Sprintf("age(%s) > %dm59s", s, minutes-1), w.fill(func(second int) byte {
		at := w.at(second)
		moved := false
		for next < len(l.said) && !l.said[next].taken.After(at) {
			moved = true
			if l.said[next].at.After(when) {
				when = l.said[next].at
			}
			next++
		}
		if !when.IsZero() && (moved || second%60 == 0) {
			now = truthOf(l.calendar.OpenTime(when, at) > limit)
		}
		return now
	})}
}

// condition is one that the language takes: it refuses a limit that can never be reached.
func (w *world) condition(depth int) condition {
	for {
		if c := w.anyCondition(depth); rule.CheckCondition(c.text, w.env()) == nil {
			return c
		}
	}
}

func (w *world) anyCondition(depth int) condition {
	if depth == 0 {
		if w.r.IntN(6) == 0 {
			return w.ageOrStale()
		}
		return w.comparison()
	}
	a := w.condition(depth - 1)
	switch w.r.IntN(9) {
	case 0, 1:
		b := w.condition(depth - 1)
		return condition{fmt.Sprintf("(%s) AND (%s)", a.text, b.text), w.fill(func(s int) byte { return min(a.truth[s], b.truth[s]) })}
	case 2, 3:
		b := w.condition(depth - 1)
		return condition{fmt.Sprintf("(%s) OR (%s)", a.text, b.text), w.fill(func(s int) byte { return max(a.truth[s], b.truth[s]) })}
	case 4:
		return condition{fmt.Sprintf("NOT (%s)", a.text), w.fill(func(s int) byte { return 2 - a.truth[s] })}
	case 5:
		b, c := w.condition(depth-1), w.condition(depth-1)
		least := 1 + w.r.IntN(3)
		return condition{fmt.Sprintf("%d of (%s, %s, %s)", least, a.text, b.text, c.text), w.fill(func(s int) byte {
			three := []byte{a.truth[s], b.truth[s], c.truth[s]}
			slices.Sort(three)
			return three[3-least]
		})}
	case 6:
		if w.r.IntN(2) == 0 {
			return w.lastsFor(a)
		}
		return w.lastsSessions(a)
	case 7:
		return w.someOf(a)
	}
	if w.r.IntN(2) == 0 {
		return w.since(a)
	}
	return w.crossing()
}

func (w *world) lastsFor(a condition) condition {
	minutes := 1 + w.r.IntN(400)
	lasted := 0
	return condition{fmt.Sprintf("(%s) for %dm", a.text, minutes), w.fill(func(s int) byte {
		if s > 0 && a.truth[s-1] == isYes && a.truth[s] != isNo { // it was true until this second
			lasted++
		}
		switch {
		case a.truth[s] == isNo:
			lasted = 0
			return isNo
		case a.truth[s] == isUnknown:
			return isUnknown
		}
		return truthOf(lasted >= minutes*60)
	})}
}

func (w *world) lastsSessions(a condition) condition {
	n := 1 + w.r.IntN(3)
	var ends []time.Time
	var of session.Session
	until := time.Time{}
	return condition{fmt.Sprintf("(%s) for %dd", a.text, n), w.fill(func(s int) byte {
		at := w.at(s)
		if !at.Before(until) {
			of = w.calendar.Of(at)
			until = w.calendar.Next(of.Open).Open
		}
		switch a.truth[s] {
		case isNo:
			ends = nil
			return isNo
		case isUnknown:
			return isUnknown
		}
		if !at.Before(of.Close) && (len(ends) == 0 || !ends[len(ends)-1].Equal(of.Close)) {
			ends = append(ends, of.Close)
		}
		return truthOf(len(ends) >= n)
	})}
}

func (w *world) someOf(a condition) condition {
	n := 1 + w.r.IntN(4)
	least := 1 + w.r.IntN(n)
	var past []byte
	for range n - 1 {
		past = append(past, isUnknown)
	}
	day, next := time.Time{}, time.Time{}
	first := w.events[0].second
	return condition{fmt.Sprintf("(%s) for %d of %dd", a.text, least, n), w.fill(func(s int) byte {
		if s < first {
			return isUnknown
		}
		if at := w.at(s); !at.Before(next) {
			of := w.calendar.Of(at)
			if !day.IsZero() && !of.Day.Equal(day) {
				past = append(past, a.truth[s-1])[1:]
			}
			day, next = of.Day, w.calendar.Next(of.Open).Open
		}
		all := append(slices.Clone(past), a.truth[s])
		slices.Sort(all)
		return all[n-least]
	})}
}

func (w *world) since(a condition) condition {
	minutes := 1 + w.r.IntN(900)
	sign := []string{">", "<=", "<", ">="}[w.r.IntN(4)]
	last := -1
	return condition{fmt.Sprintf("since(%s) %s %dm", a.text, sign, minutes), w.fill(func(s int) byte {
		if a.truth[s] == isYes || s > 0 && a.truth[s-1] == isYes {
			last = s
		}
		if last < 0 {
			return isUnknown
		}
		if sign == ">" || sign == "<=" { // one nanosecond after the limit it is above it
			return truthOf(compare(float64(s-last), sign, float64(minutes*60)))
		}
		return truthOf(compare(float64(s-last), sign, float64(minutes*60)))
	})}
}

func (w *world) crossing() condition {
	n := allNumbers[w.r.IntN(len(allNumbers))]
	figures := w.figures(n)
	limit, some := w.limit(figures)
	if !some {
		limit = 0.5
	}
	way := []string{"above", "below"}[w.r.IntN(2)]
	minutes, sessions := 1+w.r.IntN(600), w.r.IntN(3)
	window := fmt.Sprintf("%dm", minutes)
	if sessions > 0 {
		window = fmt.Sprintf("%dd", sessions)
	}
	seen, beyond := false, false
	var until time.Time
	steps, step, known := w.steps(), 0, false
	return condition{fmt.Sprintf("crossed_%s(%s, %s, %s)", way, n.text, strconv.FormatFloat(limit, 'f', -1, 64), window), w.fill(func(s int) byte {
		if step < len(steps) && steps[step] == s {
			f := figures[step]
			step++
			if known = f.known; known {
				now := f.value > limit
				if way == "below" {
					now = f.value < limit
				}
				if seen && now && !beyond {
					until = w.at(s + minutes*60)
					if sessions > 0 {
						of := w.calendar.Of(w.at(s))
						for range sessions {
							of = w.calendar.Next(of.Open)
						}
						if until = of.Open; !w.calendar.Of(until).Day.Equal(of.Day) {
							until = until.Add(time.Nanosecond)
						}
					}
				}
				seen, beyond = true, now
			}
		}
		if !known {
			return isUnknown
		}
		return truthOf(w.at(s).Before(until))
	})}
}

func (w *world) env() rule.Env {
	return rule.Env{Series: []string{"X", "Y", "Z", "X.volume"}, Symbols: []string{"X", "Y"}}
}

func (w *world) board() (*rule.Board, *lifeboat.Book) {
	book := lifeboat.NewBook("USD")
	book.Apply(time.Time{}, lifeboat.PlanLoaded{Positions: holds})
	return w.boardOver(book)
}

func (w *world) boardOver(book *lifeboat.Book) (*rule.Board, *lifeboat.Book) {
	engine := signal.New(signal.Config{Book: book, Calendar: w.calendar, Calendars: w.own, Sources: w.sources,
		StaleAfter: func(s lifeboat.Series, source string) time.Duration { return w.stale[string(s)+"@"+source] }})
	return rule.NewBoard(engine, w.calendar), book
}

// The truth of every condition is that of the naive evaluation, at every second.
func TestTruthIsThatOfTheWholeHistory(t *testing.T) {
	for seed := uint64(1); seed <= uint64(*worlds); seed++ {
		w := newWorld(seed + *firstWorld)
		if len(w.events) == 0 {
			continue
		}
		var conditions []condition
		var conds []*rule.Cond
		board, book := w.board()
		for range 25 {
			c := w.condition(w.r.IntN(3))
			cond, err := board.Compile(c.text, w.env(), "")
			if err != nil {
				t.Logf("%s: %v", c.text, err)
				continue
			}
			conditions, conds = append(conditions, c), append(conds, cond)
		}
		w.compare(t, seed+*firstWorld, board, book, conditions, conds)
	}
}

func (w *world) compare(t *testing.T, seed uint64, board *rule.Board, book *lifeboat.Book, conditions []condition, conds []*rule.Cond) {
	told := 0
	checked := make([]int, len(conds)) // seconds that were compared
	bad := make([]bool, len(conds))
	check := func(until int) {
		for i, c := range conds {
			now := isUnknown
			if truth, known := c.Eval(); known {
				now = truthOf(truth)
			}
			for ; checked[i] < until; checked[i]++ {
				if s := checked[i]; !conditions[i].about(s, now) && !bad[i] && s >= w.events[0].second {
					bad[i] = true
					if told++; told < 6 {
						t.Errorf("seed %d: %s\nis %d at %s, and should be %d (portfolio %s, X %s, Y %s, Z %s)", seed, conditions[i].text, now, w.at(s), conditions[i].truth[s], w.calendar.Name(), w.own["X"].Name(), w.own["Y"].Name(), w.own["Z"].Name())
					}
				}
			}
		}
	}
	secondOf := func(at time.Time) int { return int((at.Sub(w.begin) + time.Second - 1) / time.Second) }
	var evaluated time.Time
	pass := func(to time.Time) (due bool) {
		for board.MayChange(to) {
			next := board.NextChange(evaluated)
			if next.IsZero() || !next.Before(to) {
				return next.Equal(to)
			}
			check(min(w.seconds, secondOf(next)))
			board.Tick(next)
			evaluated = next
		}
		return false
	}
	for _, h := range w.events {
		at := w.at(h.second)
		due := pass(at)
		check(h.second)
		for _, e := range h.fill {
			book.Apply(at, e)
			board.Count(at)
		}
		if h.fill == nil {
			board.Take(at, h.in)
		}
		if evaluated = at; due {
			board.Tick(at)
		}
	}
	pass(w.at(w.seconds))
	check(w.seconds)
}

// A post is a watch in a flow of its own.
type post struct {
	t     *testing.T
	w     *world
	watch *trigger.Watch
	book  *lifeboat.Book
	plans []plan.Trigger
	last  time.Time
	told  []news
}

type news struct {
	at   time.Time
	text string
}

func (w *world) post(t *testing.T, plans []plan.Trigger) *post {
	board, book := w.board()
	watch, err := trigger.New(plans, w.env(), board, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return &post{t: t, w: w, watch: watch, book: book, plans: plans}
}

func (p *post) apply(at time.Time, e lifeboat.Event) {
	p.book.Apply(at, e)
	p.watch.Apply(at, e)
	switch e := e.(type) {
	case lifeboat.Firing:
		p.told = append(p.told, news{at, fmt.Sprint(e.Trigger, " ", e.State, " ", e.Sources)})
	case lifeboat.Gap:
		p.told = append(p.told, news{at, fmt.Sprint(e.Series, " ", e.State, " ", e.Since, " ", e.Triggers)})
	}
}

func (p *post) ask(at time.Time) {
	for round := 0; ; round++ {
		events := p.watch.Next(at)
		if len(events) == 0 {
			break
		}
		if round > 5 {
			p.t.Fatalf("no rest at %s: %v", at, events)
		}
		for _, e := range events {
			p.apply(at, e)
		}
	}
	p.last = at
}

// wait asks at the times that are due, as the daemon does, or at every second.
func (p *post) wait(until time.Time, step time.Duration) {
	if step > 0 {
		if p.last.IsZero() {
			return
		}
		for at := p.last.Truncate(time.Second).Add(step); at.Before(until); at = at.Add(step) {
			p.ask(at)
		}
		return
	}
	for {
		due := p.watch.Due()
		if due.IsZero() || !due.Before(until) {
			return
		}
		if !due.After(p.last) {
			p.t.Fatalf("due at %s when it was asked at %s", due, p.last)
		}
		p.ask(due)
	}
}

func (p *post) restored() {
	if !p.watch.Settled() {
		return
	}
	c := state.Writer()
	p.watch.State(c)
	board, _ := p.w.boardOver(p.book)
	watch, err := trigger.New(p.plans, p.w.env(), board, time.Time{})
	if err != nil {
		p.t.Fatal(err)
	}
	r := state.Reader(slices.Clone(c.Bytes()))
	if watch.State(r); r.Err() != nil {
		p.t.Fatal(r.Err())
	}
	p.watch = watch
}

func (p *post) run(step time.Duration, restore *rand.Rand, plans map[int]lifeboat.PlanLoaded) []news {
	for i, h := range p.w.events {
		at := p.w.at(h.second)
		p.wait(at, step)
		if loaded, is := plans[i]; is {
			p.apply(at, loaded)
			p.ask(at)
		}
		for _, e := range h.fill {
			p.apply(at, e)
			p.ask(at)
		}
		if h.fill != nil {
			continue
		}
		if restore != nil && restore.IntN(10) == 0 {
			p.restored()
		}
		p.apply(at, h.in)
		p.ask(at)
		if i%17 == 3 && plans != nil { // another instant at the same time
			p.apply(at, lifeboat.Instant{At: at, Readings: h.in.Readings[:1]})
			p.ask(at)
		}
		if restore != nil && restore.IntN(10) == 0 {
			p.restored()
		}
	}
	p.wait(p.w.at(p.w.seconds), step)
	return p.told
}

func (w *world) plans(n int) (plans []plan.Trigger, conditions [][3][]byte) {
	some := func(d time.Duration) plan.Duration {
		if w.r.IntN(2) == 0 {
			return 0
		}
		return plan.Duration(time.Duration(w.r.IntN(int(d/time.Minute))) * time.Minute)
	}
	for i := range n {
		c := w.condition(w.r.IntN(3))
		t := plan.Trigger{Name: fmt.Sprint(i), Tier: lifeboat.Watch, Condition: c.text, For: some(9 * time.Hour), ClearFor: some(9 * time.Hour), Cooldown: some(30 * time.Hour)}
		three := [3][]byte{c.truth, nil, nil}
		if w.r.IntN(3) == 0 {
			context := w.condition(w.r.IntN(2))
			t.Context, three[1] = context.text, context.truth
		}
		if w.r.IntN(3) == 0 {
			clear := w.condition(w.r.IntN(2))
			t.Clear, three[2] = clear.text, clear.truth
		}
		if w.r.IntN(4) == 0 {
			t.Sources = 2
		}
		plans, conditions = append(plans, t), append(conditions, three)
	}
	return plans, conditions
}

// A lasting truth, counted in seconds.
type lasting struct{ seconds int }

func (l *lasting) pass(before, now byte) {
	switch {
	case now == isNo:
		l.seconds = -1
	case now == isYes && l.seconds < 0:
		l.seconds = 0
	case before == isYes && l.seconds >= 0:
		l.seconds++
	}
}

// naive is what a trigger tells, second by second.
func (w *world) naive(p plan.Trigger, truths [3][]byte) (told []news) {
	fired, cleared, since := false, false, 0
	holds, clears := lasting{-1}, lasting{-1}
	var wasTrue, wasClear byte
	for s := w.events[0].second; s < w.seconds; s++ {
		condition := truths[0][s]
		truth, clear := condition, 2-condition
		if truths[1] != nil && truths[1][s] == isNo {
			truth = isNo
		}
		if truths[2] != nil {
			clear = min(clear, truths[2][s])
		}
		holds.pass(wasTrue, truth)
		clears.pass(wasClear, clear)
		wasTrue, wasClear = truth, clear
		long := func(d plan.Duration) int { return int(time.Duration(d) / time.Second) }
		switch {
		case !fired && truth == isYes && holds.seconds >= long(p.For) && (!cleared || s >= since+long(p.Cooldown)):
			fired, since = true, s
			told = append(told, news{w.at(s), p.Name + " fired []"})
		case fired && clear == isYes && clears.seconds >= long(p.ClearFor):
			fired, cleared, since = false, true, s
			told = append(told, news{w.at(s), p.Name + " cleared []"})
		}
	}
	return told
}

// Holds, all-clears, cool-downs and contexts are those of a trigger that counts seconds.
func TestFiringsAreThoseOfTheWholeHistory(t *testing.T) {
	for n := range uint64(*worlds) {
		seed := n + 1 + *firstWorld
		w := newWorld(seed)
		if len(w.events) == 0 {
			continue
		}
		plans, truths := w.plans(12)
		told := w.post(t, plans).run(0, nil, nil)
		for i := range plans {
			if plans[i].Sources > 1 {
				continue
			}
			var mine []news
			for _, n := range told {
				if strings.HasPrefix(n.text, plans[i].Name+" fired") || strings.HasPrefix(n.text, plans[i].Name+" cleared") {
					mine = append(mine, n)
				}
			}
			naive := w.naive(plans[i], truths[i])
			if slices.EqualFunc(mine, naive, func(a, b news) bool { return a.text == b.text && a.at.Sub(b.at).Abs() <= 2*time.Second }) {
				continue // but for the fractions of a second that who counts whole ones does not see
			}
			differ(t, seed, "watch, and naive", plans[i:i+1], lines(mine), lines(naive))
		}
		if t.Failed() {
			return
		}
	}
}

func lines(told []news) []string {
	var all []string
	for _, n := range told {
		at := n.at.Truncate(time.Second)
		if at.Before(n.at) {
			at = at.Add(time.Second)
		}
		all = append(all, at.Format(time.DateTime)+" "+n.text)
	}
	slices.Sort(all) // who counts whole seconds sees two as one
	return all
}

func differ(t *testing.T, seed uint64, what string, plans []plan.Trigger, a, b []string) {
	t.Helper()
	if slices.Equal(a, b) {
		return
	}
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	t.Errorf("seed %d: %s: %d news and %d; from %d on\n%q\n%q", seed, what, len(a), len(b), i, a[i:min(len(a), i+3)], b[i:min(len(b), i+3)])
	for _, p := range plans {
		for _, l := range append(a[i:min(len(a), i+1)], b[i:min(len(b), i+1)]...) {
			if strings.Contains(l, " "+p.Name+" ") {
				t.Logf("%+v", p)
			}
		}
	}
}

// A watch that is asked when something is due tells the same as one that is asked at every second, and as one that is
// stopped, saved and restored now and then. The plan changes in between, too.
func TestNewsIsNeverLate(t *testing.T) {
	for n := range uint64(*worlds) {
		seed := n + 1 + *firstWorld
		w := newWorld(seed)
		if len(w.events) == 0 {
			continue
		}
		plans, _ := w.plans(12)
		loaded := map[int]lifeboat.PlanLoaded{}
		for i := range w.events {
			if w.r.IntN(40) == 0 {
				positions := slices.Clone(holds)
				positions[w.r.IntN(3)].Quantity = decimal.NewFromInt(int64(w.r.IntN(100)))
				loaded[i] = lifeboat.PlanLoaded{Positions: positions}
			}
		}
		due := lines(w.post(t, plans).run(0, nil, loaded))
		differ(t, seed, "when due, and every second", plans, due, lines(w.post(t, plans).run(time.Second, nil, loaded)))
		differ(t, seed, "through, and restored", plans, due, lines(w.post(t, plans).run(0, rand.New(rand.NewPCG(seed, 2)), loaded)))
		if t.Failed() {
			return
		}
	}
}
