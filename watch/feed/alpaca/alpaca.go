// Package alpaca reads prices of shares and funds from Alpaca's market data: [Source.Poll] asks for what is new,
// [Source.Run] hears it as it happens, and both give readings from the source "alpaca" at the time that Alpaca says they were
// true. [Data] reads histories of bars, quotes and trades.
//
// A plain series, SPY, is the last trade, or the middle between bid and ask where the configuration says so; SPY.open,
// .high, .low and .volume are columns of bars that have ended, a day's by default: a bar that is still running is left for
// later. What is not newer than what was read before is no news. A stream that broke off is opened again, and what
// was missed is asked for, so that a gap shows as late readings and never as none.
//
// It does not judge prices beyond what no price can be: how old one may be, and whether it is plausible, is the guard's. The
// stream tells at most one reading of a series a second, the newest. Pairs of currencies and options are not read.
package alpaca

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat"
)

// Addresses of Alpaca's market data.
const (
	Live       = "https://data.alpaca.markets"
	LiveStream = "wss://stream.data.alpaca.markets"
)

// Name under which readings come.
const Name = "alpaca"

// Config of one source.
type Config struct {
	URL       string // Live when empty
	StreamURL string // LiveStream when both are empty, and URL when only this is
	Key       string
	Secret    string
	Feed      string            // iex, sip or delayed_sip; iex when empty, which every account has
	Series    []lifeboat.Series // SPY, SPY.volume: what is read, in this order
	Symbols   map[string]string // :: plan's symbol → Alpaca's, where they differ
	Price     string            // trade or quote; trade when empty
	Bars      string            // 1Min or 1Day; 1Day when empty
	Every     time.Duration     // between polls; a minute when 0
	PerMinute int               // requests that the subscription allows; 200 when 0
	Client    *http.Client
	Clock     lifeboat.Clock
	Log       *slog.Logger
	Scrub     func(string) string
}

// Source of readings. Its methods are safe for concurrent use.
type Source struct {
	Data
	series map[string]lifeboat.Series   // :: Alpaca's symbol → the plain series, where it is wanted
	bars   map[string][]lifeboat.Series // :: Alpaca's symbol → the columns that are wanted

	mu       sync.Mutex // guards all below
	last     map[lifeboat.Series]time.Time
	due      time.Time
	failures int
	silent   map[string]bool // :: symbol → Alpaca said nothing of it, and that was told
}

const (
	everyMin   = time.Minute // between polls when the configuration does not say
	backoffMax = 5 * time.Minute
	aheadMax   = 5 * time.Minute // by which Alpaca's clock may lead ours
)

// New prepares a source and calls nobody.
func New(c Config) (*Source, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("open Alpaca's market data: %w", err)
	}
	s := &Source{Data: newData(c), series: map[string]lifeboat.Series{}, bars: map[string][]lifeboat.Series{},
		last: map[lifeboat.Series]time.Time{}, silent: map[string]bool{}}
	for _, series := range c.Series {
		symbol, column := series.Column()
		theirs := cmp.Or(c.Symbols[symbol], symbol)
		if column == "" {
			s.series[theirs] = series
		} else {
			s.bars[theirs] = append(s.bars[theirs], series)
		}
	}
	return s, nil
}

// complete fills in what was left out and refuses what cannot be meant.
func (c *Config) complete() error {
	if c.StreamURL == "" {
		if c.StreamURL = c.URL; c.URL == "" {
			c.StreamURL = LiveStream
		}
	}
	c.URL, c.Feed = cmp.Or(c.URL, Live), cmp.Or(c.Feed, "iex")
	c.Price, c.Bars = cmp.Or(c.Price, "trade"), cmp.Or(c.Bars, "1Day")
	c.Every = max(c.Every, 0)
	if c.Every == 0 {
		c.Every = everyMin
	}
	if c.PerMinute <= 0 {
		c.PerMinute = 200
	}
	for _, address := range []*string{&c.URL, &c.StreamURL} {
		*address = strings.TrimRight(*address, "/")
		if why := unsafe(*address); why != "" {
			return errors.New(why)
		}
	}
	switch {
	case c.Key == "" || c.Secret == "":
		return errors.New("the key or its secret is missing")
	case c.Clock == nil:
		return errors.New("it needs a clock")
	case c.Price != "trade" && c.Price != "quote":
		return fmt.Errorf("a price is of a trade or a quote, not %q", c.Price)
	case c.Bars != "1Min" && c.Bars != "1Day":
		return fmt.Errorf("bars are of 1Min or 1Day, not %q", c.Bars)
	case !slices.Contains([]string{"iex", "sip", "delayed_sip"}, c.Feed):
		return fmt.Errorf("the feed is iex, sip or delayed_sip, not %q", c.Feed)
	case len(c.Series) > seriesMax:
		return fmt.Errorf("%d series are more than the %d that one source reads", len(c.Series), seriesMax)
	}
	scrub, replacer := c.Scrub, strings.NewReplacer(c.Secret, "[secret]", c.Key, "[key]")
	c.Scrub = func(text string) string {
		if scrub != nil {
			text = scrub(text)
		}
		return replacer.Replace(text)
	}
	return nil
}

const seriesMax = 2000

// unsafe says why an address cannot be given the keys; "" when it can.
func unsafe(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "":
		return "the address is none that begins with https://"
	case u.Scheme == "https" || u.Scheme == "wss":
		return ""
	case (u.Scheme == "http" || u.Scheme == "ws") && (u.Hostname() == "localhost" || u.Hostname() == "::1" || strings.HasPrefix(u.Hostname(), "127.")):
		return ""
	}
	return "an address without TLS is for servers on this machine; elsewhere the keys would travel in the open"
}

// Seen says what the source told last, before the first Poll: what is not newer is no news.
func (s *Source) Seen(series lifeboat.Series, source string, at time.Time) {
	if source != Name {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.After(s.last[series]) {
		s.last[series] = at
	}
}

// Next is when Poll has something to do; the zero time before the first.
func (s *Source) Next() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due
}

// Poll asks for what is new, when it is due. Each error is a Problem of reason feed-down, told once until it has passed.
func (s *Source) Poll(ctx context.Context, at time.Time) ([]lifeboat.Reading, []error) {
	if s.Next().After(at) {
		return nil, nil
	}
	said, err := s.ask(ctx, at)
	if ctx.Err() != nil && err != nil {
		return nil, nil
	}
	if s.schedule(at, err) {
		return nil, []error{s.problem(fmt.Sprintf("prices are not to be had: %v", err), err)}
	}
	if err != nil {
		return nil, nil
	}
	return s.news(at, said), s.vanished(said)
}

// ask for the newest prices and for the bars that have ended since the last ones.
func (s *Source) ask(ctx context.Context, at time.Time) ([]observation, error) {
	said, err := s.prices(ctx)
	if err != nil {
		return nil, err
	}
	columns, err := s.columns(ctx, at)
	return append(said, columns...), err
}

// prices of the plain series, in the order of their symbols.
func (s *Source) prices(ctx context.Context) ([]observation, error) {
	symbols := slices.Sorted(maps.Keys(s.series))
	var said []observation
	if s.config.Price == "quote" {
		quotes, err := s.LatestQuotes(ctx, symbols)
		for _, symbol := range symbols {
			if q, ok := quotes[symbol]; ok {
				said = append(said, s.ofQuote(symbol, q)...)
			}
		}
		return said, err
	}
	trades, err := s.LatestTrades(ctx, symbols)
	for _, symbol := range symbols {
		if t, ok := trades[symbol]; ok {
			said = append(said, observation{s.series[symbol], string(t.Price), t.At})
		}
	}
	return said, err
}

// columns of the bars that have ended. Without any known before, of the past only the last bar counts.
func (s *Source) columns(ctx context.Context, at time.Time) ([]observation, error) {
	symbols := slices.Sorted(maps.Keys(s.bars))
	if len(symbols) == 0 {
		return nil, nil
	}
	from, heard := s.since(at)
	bars, err := s.Bars(ctx, Range{Symbols: symbols, Timeframe: s.config.Bars, From: from})
	if err != nil {
		return nil, err
	}
	var said []observation
	for _, symbol := range symbols {
		done := slices.DeleteFunc(bars[symbol], func(b Bar) bool { return b.At.IsZero() || s.end(b).After(at) })
		if len(done) > 1 && !heard {
			done = done[len(done)-1:]
		}
		for _, b := range done[max(0, len(done)-barsMax):] {
			said = append(said, s.ofBar(symbol, b)...)
		}
	}
	return said, nil
}

// barsMax of one symbol that one poll makes readings of: of a longer past the newest count.
const barsMax = 500

// since which bars are asked for: a little before the oldest of what each column told last.
func (s *Source) since(at time.Time) (from time.Time, heard bool) {
	const before = 5 * 24 * time.Hour // there is a session in it, whatever the holidays
	s.mu.Lock()
	defer s.mu.Unlock()
	from = at
	for _, columns := range s.bars {
		for _, column := range columns {
			last, ok := s.last[column]
			if !ok {
				return at.Add(-before), false
			}
			if last.Before(from) {
				from = last
			}
		}
	}
	if s.config.Bars == "1Day" {
		return from.Add(-24 * time.Hour), true
	}
	return from.Add(-time.Minute), true
}

// An observation is one value as Alpaca tells it.
type observation struct {
	series lifeboat.Series
	text   string
	at     time.Time
}

// schedule says when the source is due again, and reports whether its failure is news.
func (s *Source) schedule(at time.Time, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.failures, s.due = 0, at.Add(s.config.Every)
		return false
	}
	wait := s.config.Every << min(s.failures, 10)
	s.failures++
	s.due = at.Add(max(s.config.Every, min(wait, backoffMax)))
	return s.failures == 1
}

func (s *Source) problem(what string, err error) error {
	return &lifeboat.Problem{
		Reason: "feed-down", What: what, Err: err,
		Money: "nothing was sent; triggers on these series say 'no data' once their last values are too old",
		Next:  "look at the source; lifeboat keeps asking",
	}
}

// vanished are the symbols of which Alpaca says nothing any more, each told once until it is back.
func (s *Source) vanished(said []observation) []error {
	heard := map[lifeboat.Series]bool{}
	for _, o := range said {
		heard[o.series] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var problems []error
	for _, symbol := range slices.Sorted(maps.Keys(s.series)) {
		quiet := !heard[s.series[symbol]]
		if quiet && !s.silent[symbol] {
			problems = append(problems, s.problem(fmt.Sprintf("Alpaca has no price of %s: the symbol may have changed or left the market", symbol), errNoPrice))
		}
		s.silent[symbol] = quiet
	}
	return problems
}

var errNoPrice = errors.New("the answer leaves it out")
