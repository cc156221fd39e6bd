package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// controlPrefix is where the world of the broker can be changed. Alpaca has no such path.
const controlPrefix = "/lifeboat/"

// routeControl joins the control calls:
//
//	GET  /lifeboat/state                                 the time, the phases, the faults
//	POST /lifeboat/prices  {"SPY": "600.10"}             move prices; they stand until something else moves them
//	POST /lifeboat/readings [{"series":"SPY","value":600}]  readings of a live feed; a symbol fed so is quoted by nothing else
//	POST /lifeboat/time    {"advance": "2h"}             let time pass; everything on the way happens
//	                       {"to": "open"} or "close"     until the next opening or close
//	POST /lifeboat/phase   {"symbol": "SPY", "phase": "halted"}  halted, auction, cancel-only, or "" for trading again;
//	                                                     without a symbol the whole market
//	POST /lifeboat/faults  {…}                           see [Faults]; what is left out is no fault
func (b *Broker) routeControl(m *http.ServeMux) {
	for pattern, c := range map[string]call{
		"GET /lifeboat/state":     b.getState,
		"POST /lifeboat/prices":   b.postPrices,
		"POST /lifeboat/readings": b.postReadings,
		"POST /lifeboat/time":     b.postTime,
		"POST /lifeboat/phase":    b.postPhase,
		"POST /lifeboat/faults":   b.postFaults,
	} {
		m.HandleFunc(pattern, b.answers(c))
	}
}

type stateAnswer struct {
	Time         time.Time   `json:"time"`
	Open         bool        `json:"open"`
	Phase        paper.Phase `json:"phase"`
	BreakerLevel int         `json:"breaker_level"`
	HaltedUntil  *time.Time  `json:"halted_until"`
	Faults       Faults      `json:"faults"`
}

func (b *Broker) getState(*http.Request) (int, any, error) {
	now := b.Now()
	s := stateAnswer{Time: now, Open: b.cfg.Calendar.IsOpen(now), Phase: b.core.PhaseOf("", now), Faults: b.Faults()}
	level, until := b.core.BreakerLevel(now)
	if s.BreakerLevel = level; now.Before(until) {
		s.HaltedUntil = &until
	}
	return http.StatusOK, s, nil
}

// order reads a control call's body; what is wrong with it is said in words.
func order(r *http.Request, into any) error {
	content, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return &problem{status: http.StatusBadRequest, message: "the body cannot be read: " + err.Error()}
	}
	return nil
}

func (b *Broker) postPrices(r *http.Request) (int, any, error) {
	var prices map[string]text
	if err := order(r, &prices); err != nil {
		return 0, nil, err
	}
	for symbol, price := range prices {
		value, err := amount(symbol, price)
		if err != nil || value.IsZero() || symbol == "" {
			return 0, nil, invalid("%q is no price for %q", string(price), symbol)
		}
		if err := b.SetPrice(strings.ToUpper(symbol), value.InexactFloat64()); err != nil {
			return 0, nil, err
		}
	}
	return b.getState(r)
}

func (b *Broker) postReadings(r *http.Request) (int, any, error) {
	var in lifeboat.Instant
	if err := order(r, &in.Readings); err != nil {
		return 0, nil, err
	}
	for _, one := range in.Readings {
		if one.Series == "" || math.IsNaN(one.Value) || math.IsInf(one.Value, 0) {
			return 0, nil, invalid("%q has no value that counts", string(one.Series))
		}
	}
	if err := b.Show(in); err != nil {
		return 0, nil, err
	}
	return b.getState(r)
}

func (b *Broker) postTime(r *http.Request) (int, any, error) {
	var ask struct{ Advance, To string }
	if err := order(r, &ask); err != nil {
		return 0, nil, err
	}
	d, err := b.span(ask.Advance, ask.To)
	if err == nil {
		err = b.Advance(d)
	}
	if err != nil {
		return 0, nil, invalid("%v", err)
	}
	return b.getState(r)
}

// span is how far time is to be moved.
func (b *Broker) span(advance, to string) (time.Duration, error) {
	now, c := b.Now(), b.cfg.Calendar
	switch {
	case advance != "" && to != "":
		return 0, errors.New("give advance or to, not both")
	case to == "open":
		return c.Next(now).Open.Sub(now), nil
	case to == "close" && c.IsOpen(now):
		return c.Of(now).Close.Sub(now), nil
	case to == "close":
		return c.Next(now).Close.Sub(now), nil
	case to != "":
		return 0, fmt.Errorf("to is open or close, not %q", to)
	}
	d, err := time.ParseDuration(advance)
	if err != nil {
		return 0, fmt.Errorf("%q is no span of time, such as 90m or 24h", advance)
	}
	return d, nil
}

func (b *Broker) postPhase(r *http.Request) (int, any, error) {
	var ask struct {
		Symbol string
		Phase  paper.Phase
	}
	if err := order(r, &ask); err != nil {
		return 0, nil, err
	}
	if !ask.Phase.Known() {
		return 0, nil, invalid("phase is halted, auction, cancel-only, or empty")
	}
	b.SetPhase(strings.ToUpper(ask.Symbol), ask.Phase)
	return b.getState(r)
}

// SetPhase of a symbol, or of the whole market when it is "". What waited for the end of a halt or an auction is matched at
// the price that stands.
func (b *Broker) SetPhase(symbol string, p paper.Phase) {
	b.core.SetPhase(symbol, p)
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	if err := b.requote(); err != nil {
		b.cfg.Log.Error("requote", "error", err)
	}
}

func (b *Broker) postFaults(r *http.Request) (int, any, error) {
	var f Faults
	if err := order(r, &f); err != nil {
		return 0, nil, err
	}
	if err := b.Inject(f); err != nil {
		return 0, nil, invalid("%v", err)
	}
	return b.getState(r)
}
