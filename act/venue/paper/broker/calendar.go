package broker

import (
	"net/http"
	"sync"
	"time"

	"lifeboat/act/venue/paper"
	"lifeboat/session"
)

// newYork is the zone in which Alpaca tells the time.
var newYork = sync.OnceValue(func() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic("zone data is compiled in by package session, and still: " + err.Error())
	}
	return zone
})

func extended(c *session.Calendar, s session.Session) (open, close time.Time) {
	return paper.ExtendedHours(c, s)
}

func (b *Broker) getClock(*http.Request) (int, any, error) {
	now, c, zone := b.Now(), b.cfg.Calendar, newYork()
	next, closes := c.Next(now), c.Of(now).Close
	if !c.IsOpen(now) {
		closes = next.Close
	}
	return http.StatusOK, map[string]any{
		"timestamp": now.In(zone), "is_open": c.IsOpen(now), "next_open": next.Open.In(zone), "next_close": closes.In(zone),
	}, nil
}

// getMarketClocks answers the clock of the newer SDKs, which knows the phase of a day.
func (b *Broker) getMarketClocks(*http.Request) (int, any, error) {
	now, c, zone := b.Now(), b.cfg.Calendar, newYork()
	next, s := c.Next(now), c.Of(now)
	_, today := c.On(now.In(zone))
	_, late := extended(c, s)
	early, _ := extended(c, next)
	phase, until := "closed", early
	switch {
	case c.IsOpen(now):
		phase, until = "core", s.Close
	case now.Before(late):
		phase, until = "post", late
	case !now.Before(early):
		phase, until = "pre", next.Open
	}
	closes := s.Close
	if !c.IsOpen(now) {
		closes = next.Close
	}
	return http.StatusOK, map[string]any{"clocks": []any{map[string]any{
		"market":    map[string]any{"mic": "XNYS", "acronym": "NYSE", "bic": "XNYSUS33", "name": "New York Stock Exchange", "timezone": "America/New_York"},
		"timestamp": now.In(zone), "is_market_day": today, "next_market_open": next.Open.In(zone), "next_market_close": closes.In(zone),
		"phase": phase, "phase_until": until.In(zone),
	}}}, nil
}

type dayAnswer struct {
	Date           string `json:"date"`
	Open           string `json:"open"`
	Close          string `json:"close"`
	SessionOpen    string `json:"session_open"`
	SessionClose   string `json:"session_close"`
	SettlementDate string `json:"settlement_date"`
}

// daysMax is how many sessions one answer may hold: about ten years.
const daysMax = 2600

func (b *Broker) getCalendar(r *http.Request) (int, any, error) {
	c, zone := b.cfg.Calendar, newYork()
	start, err := instant(r.URL.Query(), "start")
	if err != nil {
		return 0, nil, err
	}
	end, err := instant(r.URL.Query(), "end")
	if err != nil {
		return 0, nil, err
	}
	now := b.Now().In(zone)
	if start.IsZero() {
		start = time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if end.IsZero() {
		end = time.Date(now.Year(), 12, 31, 0, 0, 0, 0, time.UTC)
	}
	days := []dayAnswer{}
	for day := dateOf(start); !day.After(end) && len(days) < daysMax && day.Sub(start) < 20*366*24*time.Hour; day = day.AddDate(0, 0, 1) {
		s, trades := c.On(day)
		if !trades {
			continue
		}
		early, late := extended(c, s)
		in := func(t time.Time, form string) string { return t.In(zone).Format(form) }
		days = append(days, dayAnswer{Date: day.Format(time.DateOnly), Open: in(s.Open, "15:04"), Close: in(s.Close, "15:04"),
			SessionOpen: in(early, "1504"), SessionClose: in(late, "1504"), SettlementDate: c.Next(s.Close).Day.Format(time.DateOnly)})
	}
	return http.StatusOK, days, nil
}

func dateOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}
