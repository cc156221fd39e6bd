package trigger

import (
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/watch/rule"
	"lifeboat/watch/signal"
)

// A channel is what may fall silent: a series, or one of its sources where a trigger counts them.
type channel struct {
	series lifeboat.Series
	source string
}

// name of the channel in a gap: "USDE", or "USDE@binance".
func (c channel) name() lifeboat.Series {
	if c.source == "" {
		return c.series
	}
	return c.series + lifeboat.Series("@"+c.source)
}

// gap is an open one.
type gap struct {
	name     lifeboat.Series
	since    time.Time
	triggers []string // as they were told when it opened
}

// listChannels collects what the conditions read, in the order of the plan.
func (w *Watch) listChannels() {
	add := func(c channel) {
		if !slices.Contains(w.channels, c) {
			w.channels = append(w.channels, c)
		}
	}
	for _, tr := range w.triggers {
		for _, s := range tr.series {
			add(channel{series: s})
		}
		if len(tr.sources) == 0 {
			continue
		}
		for _, s := range tr.condition.Series() {
			if sources := w.engine.Sources(s); len(sources) > 1 {
				for _, source := range sources {
					add(channel{s, source})
				}
			}
		}
	}
	w.ofCondition = len(w.channels)
	w.portfolio = slices.ContainsFunc(w.triggers, func(tr *watched) bool { return tr.portfolio })
}

// watchedChannels are those of the conditions and, when one of them reads the portfolio, of all that is held.
func (w *Watch) watchedChannels() []channel {
	if !w.portfolio {
		return w.channels
	}
	if version := w.engine.BookVersion(); version != w.ofBook {
		w.ofBook = version
		w.channels = w.channels[:w.ofCondition]
		for _, s := range w.engine.Held() {
			if !slices.Contains(w.channels, channel{series: s}) {
				w.channels = append(w.channels, channel{series: s})
			}
		}
	}
	return w.channels
}

// read notes what the trigger needs fresh, for its all-clear too. Its context is not among it: that may be blind.
func (tr *watched) read() {
	for _, c := range []*rule.Cond{tr.condition, tr.clear} {
		if c == nil {
			continue
		}
		tr.portfolio = tr.portfolio || c.Portfolio()
		for _, s := range c.Series() {
			if !slices.Contains(tr.series, s) {
				tr.series = append(tr.series, s)
			}
		}
	}
}

// gapNews opens a gap for each channel that went silent and closes those that speak again, or that nobody reads any
// more because what they price was sold.
func (w *Watch) gapNews(at time.Time) []lifeboat.Event {
	var events []lifeboat.Event
	channels := w.watchedChannels()
	for _, g := range w.open {
		i := slices.IndexFunc(channels, func(c channel) bool { return c.name() == g.name })
		if i < 0 || !w.silent(channels[i], at) {
			events = append(events, lifeboat.Gap{Series: g.name, State: lifeboat.GapClosed, Since: g.since, Triggers: g.triggers})
		}
	}
	for _, c := range channels {
		if !w.isOpen(c) && w.silent(c, at) {
			since := w.engine.LastSeen(c.series, c.source)
			events = append(events, lifeboat.Gap{Series: c.name(), State: lifeboat.GapOpened, Since: since, Triggers: w.blinded(c, at)})
		}
	}
	if len(events) == 0 {
		w.gapNow, w.falls, w.gapDue = false, w.engine.Falls(), w.nextMissed()
	}
	return events
}

// nextMissed is when the next channel is reported of which some source never spoke; zero when none will be. That one
// that spoke falls silent is the engine's to tell.
func (w *Watch) nextMissed() time.Time {
	var first time.Time
	for _, c := range w.watchedChannels() {
		if w.isOpen(c) || !w.engine.Unheard(c.series) {
			continue
		}
		if t := w.engine.StaleAt(c.series, c.source, w.from); !t.IsZero() {
			first = sooner(first, later(t, w.from))
		}
	}
	return first
}

func (w *Watch) silent(c channel, at time.Time) bool {
	stale := w.engine.StaleAt(c.series, c.source, w.from)
	return !stale.IsZero() && !at.Before(stale)
}

func (w *Watch) isOpen(c channel) bool {
	return slices.ContainsFunc(w.open, func(g gap) bool { return g.name == c.name() })
}

// heard reports that a channel whose gap is open speaks again.
func (w *Watch) heard(at time.Time) bool {
	return slices.ContainsFunc(w.open, func(g gap) bool {
		series, source, _ := strings.Cut(string(g.name), "@")
		return !w.silent(channel{lifeboat.Series(series), source}, at)
	})
}

// note takes over that a gap opened or closed.
func (w *Watch) note(g lifeboat.Gap) {
	w.open = slices.DeleteFunc(w.open, func(o gap) bool { return o.name == g.Series })
	if g.State == lifeboat.GapOpened {
		w.open = append(w.open, gap{g.Series, g.Since, g.Triggers})
	}
}

// blinded names the triggers that cannot do without a silent channel: those that read the series, those that read a
// portfolio too much of which has no fresh price, or a part of it of which they now know nothing, and those that have
// fewer sources left than they want.
func (w *Watch) blinded(c channel, at time.Time) []string {
	_, priced := w.engine.PortfolioValue(at)
	var names []string
	for _, tr := range w.triggers {
		if tr.needs(c, w.engine, priced, at, w.from) {
			names = append(names, tr.Name)
		}
	}
	return names
}

func (tr *watched) needs(c channel, engine *signal.Engine, priced bool, at, from time.Time) bool {
	reads := slices.Contains(tr.series, c.series)
	if c.source == "" {
		blind := !priced || tr.truth == unknown || tr.clearTruth == unknown
		return reads || tr.portfolio && blind && slices.Contains(engine.Held(), c.series)
	}
	if !reads || len(tr.sources) == 0 {
		return false
	}
	fresh := 0
	for _, source := range engine.Sources(c.series) {
		if stale := engine.StaleAt(c.series, source, from); stale.IsZero() || at.Before(stale) {
			fresh++
		}
	}
	return fresh < tr.Sources
}
