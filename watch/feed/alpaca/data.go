package alpaca

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Data are the calls to Alpaca's market data. Numbers stay as they were written.
type Data struct {
	config Config
	budget *budget
}

func newData(c Config) Data { return Data{config: c, budget: &budget{perMinute: c.PerMinute}} }

// Trade of a share.
type Trade struct {
	At         time.Time   `json:"t"`
	Price      json.Number `json:"p"`
	Size       json.Number `json:"s"`
	Exchange   string      `json:"x"`
	Conditions []string    `json:"c"`
	ID         json.Number `json:"i"`
	Tape       string      `json:"z"`
}

// Quote is the best bid and the best ask; 0 where nobody quotes.
type Quote struct {
	At          time.Time   `json:"t"`
	Bid         json.Number `json:"bp"`
	BidSize     json.Number `json:"bs"`
	BidExchange string      `json:"bx"`
	Ask         json.Number `json:"ap"`
	AskSize     json.Number `json:"as"`
	AskExchange string      `json:"ax"`
	Conditions  []string    `json:"c"`
	Tape        string      `json:"z"`
}

// Bar of a minute or a day; At is its beginning.
type Bar struct {
	At      time.Time   `json:"t"`
	Open    json.Number `json:"o"`
	High    json.Number `json:"h"`
	Low     json.Number `json:"l"`
	Close   json.Number `json:"c"`
	Volume  json.Number `json:"v"`
	Trades  json.Number `json:"n"`
	Average json.Number `json:"vw"` // weighted by volume
}

// Range of a history.
type Range struct {
	Symbols    []string
	From, To   time.Time // both included; now when To is zero
	Timeframe  string    // of bars: 1Min, 5Min, 1Hour, 1Day
	Adjustment string    // of bars: raw, split, dividend, all; raw when empty
}

const (
	atOnce   = 100   // symbols of one request
	pageMax  = 10000 // values of one answer
	pagesMax = 200   // answers of one history
)

// LatestTrades of symbols, :: symbol → its last trade. A symbol that Alpaca does not know is left out.
func (d *Data) LatestTrades(ctx context.Context, symbols []string) (map[string]Trade, error) {
	return latest[Trade](ctx, d, "trades", symbols)
}

// LatestQuotes of symbols, as LatestTrades.
func (d *Data) LatestQuotes(ctx context.Context, symbols []string) (map[string]Quote, error) {
	return latest[Quote](ctx, d, "quotes", symbols)
}

// LatestBars of a minute, as LatestTrades.
func (d *Data) LatestBars(ctx context.Context, symbols []string) (map[string]Bar, error) {
	return latest[Bar](ctx, d, "bars", symbols)
}

// Trades of a range, oldest first.
func (d *Data) Trades(ctx context.Context, r Range) (map[string][]Trade, error) {
	return history[Trade](ctx, d, "trades", r)
}

// Quotes of a range, oldest first.
func (d *Data) Quotes(ctx context.Context, r Range) (map[string][]Quote, error) {
	return history[Quote](ctx, d, "quotes", r)
}

// Bars of a range, oldest first.
func (d *Data) Bars(ctx context.Context, r Range) (map[string][]Bar, error) {
	return history[Bar](ctx, d, "bars", r)
}

func latest[T any](ctx context.Context, d *Data, what string, symbols []string) (map[string]T, error) {
	all := map[string]T{}
	for part := range slices.Chunk(symbols, atOnce) {
		query := url.Values{"symbols": {strings.Join(part, ",")}, "feed": {d.config.Feed}}
		var answer map[string]json.RawMessage
		if err := d.get(ctx, "read latest "+what, "/v2/stocks/"+what+"/latest", query, &answer); err != nil {
			return nil, err
		}
		var said map[string]T
		if err := json.Unmarshal(answer[what], &said); err != nil {
			return nil, d.fault("read latest "+what, "the answer holds no "+what)
		}
		for symbol, one := range said {
			if slices.Contains(part, symbol) {
				all[symbol] = one
			}
		}
	}
	return all, nil
}

func history[T any](ctx context.Context, d *Data, what string, r Range) (map[string][]T, error) {
	step := "read history of " + what
	all := map[string][]T{}
	for part := range slices.Chunk(r.Symbols, atOnce) {
		query := url.Values{"symbols": {strings.Join(part, ",")}, "feed": {d.config.Feed}, "limit": {strconv.Itoa(pageMax)}, "sort": {"asc"}}
		for name, value := range map[string]string{"timeframe": r.Timeframe, "adjustment": r.Adjustment, "start": stamp(r.From), "end": stamp(r.To)} {
			if value != "" {
				query.Set(name, value)
			}
		}
		for page := 0; ; page++ {
			var answer map[string]json.RawMessage
			if err := d.get(ctx, step, "/v2/stocks/"+what, query, &answer); err != nil {
				return nil, err
			}
			var said map[string][]T
			var next *string
			if err := errors.Join(json.Unmarshal(answer[what], &said), optional(answer["next_page_token"], &next)); err != nil {
				return nil, d.fault(step, "the answer holds no "+what)
			}
			for symbol, values := range said {
				if slices.Contains(part, symbol) {
					all[symbol] = append(all[symbol], values...)
				}
			}
			if next == nil || *next == "" {
				break
			}
			if *next == query.Get("page_token") || page+1 >= pagesMax {
				return nil, d.fault(step, "the pages never come to an end")
			}
			query.Set("page_token", *next)
		}
	}
	return all, nil
}

func optional(text json.RawMessage, into any) error {
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, into)
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

const (
	answerIn  = 10 * time.Second
	answerMax = 16 << 20 // bytes
)

// get asks once. No error holds the address, a key, or more than a sentence of what the server said.
func (d *Data) get(ctx context.Context, step, path string, query url.Values, out any) error {
	if wait := d.budget.take(d.config.Clock.Now()); wait > 0 {
		return d.fault(step, fmt.Sprintf("its budget of requests is used up for %s", wait.Round(time.Second)))
	}
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.config.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return d.fault(step, "the address cannot be asked")
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "lifeboat")
	request.Header.Set("APCA-API-KEY-ID", d.config.Key)
	request.Header.Set("APCA-API-SECRET-KEY", d.config.Secret)
	response, err := d.client().Do(request)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return d.fault(step, "it did not answer in time")
		}
		return d.fault(step, "it cannot be reached")
	}
	defer response.Body.Close()
	id := response.Header.Get("X-Request-ID")
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	switch {
	case err != nil:
		return d.fault(step, "the answer breaks off"+named(id))
	case len(body) > answerMax:
		return d.fault(step, "the answer is longer than any that makes sense"+named(id))
	case response.StatusCode != http.StatusOK:
		return d.refusal(step, response, body)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if decoder.Decode(out) != nil {
		return d.fault(step, "the answer is not the JSON that it should be"+named(id))
	}
	return nil
}

func (d *Data) refusal(step string, response *http.Response, body []byte) error {
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &said)
	what := fmt.Sprintf("it answers %d", response.StatusCode)
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		what = "the keys are refused, or the subscription does not cover this"
	case http.StatusTooManyRequests:
		wait := 10
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			wait = min(max(seconds, 1), 3600)
		}
		d.budget.rest(d.config.Clock.Now().Add(time.Duration(wait) * time.Second))
		what = fmt.Sprintf("it was asked too often; it is asked again in %d s", wait)
	}
	if said.Message != "" {
		what += ": " + said.Message
	}
	return d.fault(step, what+named(response.Header.Get("X-Request-ID")))
}

func named(requestID string) string {
	if requestID == "" {
		return ""
	}
	return " [request " + requestID[:min(len(requestID), 64)] + "]"
}

// fault of a step, without keys and in one line.
func (d *Data) fault(step, what string) error {
	what = strings.Join(strings.Fields(d.config.Scrub(strings.ToValidUTF8(what, ""))), " ")
	if told := []rune(what); len(told) > 300 {
		what = string(told[:300]) + "…"
	}
	return fmt.Errorf("market data of Alpaca: %s: %s", step, what)
}

// client follows no redirect: the keys are meant for one host alone.
func (d *Data) client() *http.Client {
	own := http.Client{}
	if d.config.Client != nil {
		own = *d.config.Client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// budget of requests in a minute, counted from the first of them, and a rest that the server asked for.
type budget struct {
	mu        sync.Mutex
	perMinute int
	began     time.Time
	used      int
	quiet     time.Time
}

// take one request, or say how long to wait.
func (b *budget) take(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait := b.quiet.Sub(now); wait > 0 {
		return wait
	}
	if passed := now.Sub(b.began); passed < 0 || passed >= time.Minute {
		b.began, b.used = now, 0
	}
	if b.used >= b.perMinute {
		return b.began.Add(time.Minute).Sub(now)
	}
	b.used++
	return 0
}

func (b *budget) rest(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.quiet) {
		b.quiet = until
	}
}

// streaming is the client without a time-out of its own, which would end a stream.
func (d *Data) streaming() *http.Client {
	own := d.client()
	own.Timeout = 0
	return own
}
