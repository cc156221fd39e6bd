package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"
)

// Faults are what is wrong with the broker. Those with a number happen to as many of the next requests and are then over,
// the others stand until they are set anew. Only requests that begin with On count, such as "POST /v2/orders"; all when it
// is "". Streams are not disturbed, except by an outage.
type Faults struct {
	On string `json:"on,omitempty"`
	// Latency of every answer.
	Latency Span `json:"latency,omitzero"`
	// Outage answers 503 to everything.
	Outage bool `json:"outage,omitempty"`
	// Fail answers 500 without doing anything.
	Fail int `json:"fail,omitempty"`
	// Throttle answers 429 with Retry-After without doing anything.
	Throttle int `json:"throttle,omitempty"`
	// LoseRequest cuts the connection before anything is done, LoseAnswer after all of it is done.
	LoseRequest int `json:"lose_request,omitempty"`
	LoseAnswer  int `json:"lose_answer,omitempty"`
	// CutAnswer sends the answer's first CutAfter bytes of the body and cuts the connection; all is done.
	CutAnswer int `json:"cut_answer,omitempty"`
	CutAfter  int `json:"cut_after,omitempty"`
	// Page answers 200 with a page of HTML after all is done, as a proxy in between may.
	Page int `json:"page,omitempty"`
	// StaleQuotes stops the market's news: quotes keep their last price and time.
	StaleQuotes bool `json:"stale_quotes,omitempty"`
	// CashOff is added to the cash that the account is said to have.
	CashOff decimal.Decimal `json:"cash_off,omitzero"`
	// RequestsPerMinute above which a key is told to wait; what the broker was opened with when 0.
	RequestsPerMinute int `json:"requests_per_minute,omitempty"`
}

// Span of time that is written as 200ms.
type Span time.Duration

func (s Span) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).String()) }

func (s *Span) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("a span of time is text such as 200ms")
	}
	d, err := time.ParseDuration(text)
	*s = Span(d)
	return err
}

// latencyMax bounds what a request can be made to wait.
const latencyMax = 5 * time.Minute

type breakage struct {
	mu  sync.Mutex
	now Faults
}

// Inject sets what is wrong from now on; the zero value mends everything.
func (b *Broker) Inject(f Faults) error {
	switch {
	case f.Latency < 0 || time.Duration(f.Latency) > latencyMax:
		return fmt.Errorf("a latency is at most %s", latencyMax)
	case min(f.Fail, f.Throttle, f.LoseRequest, f.LoseAnswer, f.CutAnswer, f.CutAfter, f.Page, f.RequestsPerMinute) < 0:
		return fmt.Errorf("a number of requests cannot be negative")
	}
	b.faults.mu.Lock()
	b.faults.now = f
	b.faults.mu.Unlock()
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	b.time.stale = f.StaleQuotes
	return nil
}

// Faults that are left.
func (b *Broker) Faults() Faults {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	return b.faults.now
}

func (b *Broker) wrongCash() decimal.Decimal { return b.Faults().CashOff }

func (b *Broker) requestsPerMinute() int {
	if n := b.Faults().RequestsPerMinute; n > 0 {
		return n
	}
	return b.cfg.RequestsPerMinute
}

// strike takes one request's share of the faults: at most one of those with a number.
func (b *Broker) strike(r *http.Request) (f Faults) {
	b.faults.mu.Lock()
	defer b.faults.mu.Unlock()
	now := &b.faults.now
	if !strings.HasPrefix(r.Method+" "+r.URL.Path, now.On) {
		return Faults{}
	}
	f.Latency, f.Outage, f.CutAfter = now.Latency, now.Outage, now.CutAfter
	for _, one := range []struct{ left, here *int }{{&now.Fail, &f.Fail}, {&now.Throttle, &f.Throttle}, {&now.LoseRequest, &f.LoseRequest},
		{&now.LoseAnswer, &f.LoseAnswer}, {&now.CutAnswer, &f.CutAnswer}, {&now.Page, &f.Page}} {
		if *one.left > 0 {
			*one.left--
			*one.here = 1
			break
		}
	}
	return f
}

// disturbed serves a request with the faults that are set.
func (b *Broker) disturbed(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter)) {
	f := b.strike(r)
	if f.Latency > 0 {
		if b.cfg.Clock.Sleep(r.Context(), b.cfg.Clock.Now().Add(time.Duration(f.Latency))) != nil {
			return
		}
	}
	switch {
	case f.Outage:
		say(w, http.StatusServiceUnavailable, map[string]string{"message": "service unavailable"})
	case f.Fail > 0:
		say(w, http.StatusInternalServerError, map[string]any{"code": 50010000, "message": "internal server error occurred"})
	case f.Throttle > 0:
		hurry(w, time.Second)
	case f.LoseRequest > 0:
		panic(http.ErrAbortHandler) // net/http cuts the connection and says nothing
	case f.LoseAnswer+f.CutAnswer+f.Page > 0:
		answer := &kept{header: w.Header(), status: http.StatusOK}
		serve(answer)
		answer.spoil(w, f)
	default:
		serve(w)
	}
}

// kept is an answer that was not sent.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(p []byte) (int, error) { return k.body.Write(p) }

func (k *kept) spoil(w http.ResponseWriter, f Faults) {
	switch {
	case f.Page > 0:
		w.Header().Set("Content-Type", "text/html")
		w.Header().Del("Content-Length")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("<!doctype html><title>Sign in to the network</title>"))
	case f.CutAnswer > 0:
		w.Header().Set("Content-Length", strconv.Itoa(k.body.Len()))
		w.WriteHeader(k.status)
		_, _ = w.Write(k.body.Bytes()[:min(f.CutAfter, k.body.Len())])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		panic(http.ErrAbortHandler)
	}
}
