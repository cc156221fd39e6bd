package broker

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/act/venue/paper"
)

type quoteAnswer struct {
	At          time.Time   `json:"t"`
	AskExchange string      `json:"ax"`
	AskPrice    exactNumber `json:"ap"`
	AskSize     uint32      `json:"as"`
	BidExchange string      `json:"bx"`
	BidPrice    exactNumber `json:"bp"`
	BidSize     uint32      `json:"bs"`
	Conditions  []string    `json:"c"`
	Tape        string      `json:"z"`
}

type tradeAnswer struct {
	At         time.Time   `json:"t"`
	Exchange   string      `json:"x"`
	Price      exactNumber `json:"p"`
	Size       uint32      `json:"s"`
	Conditions []string    `json:"c"`
	ID         int64       `json:"i"`
	Tape       string      `json:"z"`
}

// exactNumber is a decimal as a JSON number.
type exactNumber decimal.Decimal

func (n exactNumber) MarshalJSON() ([]byte, error) { return []byte(decimal.Decimal(n).String()), nil }

// sizeShown is the size of every quote: the market's depth is not simulated, what fills is bounded by volume.
const sizeShown = 100

func quoteOf(m paper.Market) quoteAnswer {
	return quoteAnswer{At: m.At, AskExchange: "V", AskPrice: exactNumber(m.Ask), AskSize: sizeShown, BidExchange: "V", BidPrice: exactNumber(m.Bid), BidSize: sizeShown, Conditions: []string{"R"}, Tape: "B"}
}

func tradeOf(m paper.Market) tradeAnswer {
	return tradeAnswer{At: m.At, Exchange: "V", Price: exactNumber(m.Price), Size: sizeShown, Conditions: []string{"@"}, ID: m.At.UnixNano(), Tape: "B"}
}

// asked are the symbols of a request, by path or by query; one that is not known is left out, as Alpaca does.
func asked(r *http.Request) (symbols []string, single bool, err error) {
	if one := r.PathValue("symbol"); one != "" {
		return []string{strings.ToUpper(one)}, true, nil
	}
	list := r.URL.Query().Get("symbols")
	if list == "" {
		return nil, false, &problem{status: http.StatusBadRequest, message: "symbols is required"}
	}
	return strings.Split(strings.ToUpper(list), ","), false, nil
}

// latest answers with the last of something for each symbol.
func latest[T any](b *Broker, r *http.Request, plural, singular string, of func(symbol string, m paper.Market) (T, bool)) (int, any, error) {
	symbols, single, err := asked(r)
	if err != nil {
		return 0, nil, err
	}
	found := map[string]T{}
	for _, symbol := range symbols {
		if err := b.refresh(symbol); err != nil {
			return 0, nil, err
		}
		if m, ok := b.core.Market(symbol); ok {
			if one, ok := of(symbol, m); ok {
				found[symbol] = one
			}
		}
	}
	if !single {
		return http.StatusOK, map[string]any{plural: found}, nil
	}
	one, ok := found[symbols[0]]
	if !ok {
		return 0, nil, &problem{status: http.StatusNotFound, message: "no " + singular + " found for " + symbols[0]}
	}
	return http.StatusOK, map[string]any{"symbol": symbols[0], singular: one}, nil
}

func (b *Broker) getLatestQuotes(r *http.Request) (int, any, error) {
	return latest(b, r, "quotes", "quote", func(_ string, m paper.Market) (quoteAnswer, bool) { return quoteOf(m), true })
}

func (b *Broker) getLatestTrades(r *http.Request) (int, any, error) {
	return latest(b, r, "trades", "trade", func(_ string, m paper.Market) (tradeAnswer, bool) { return tradeOf(m), true })
}

func (b *Broker) getLatestBars(r *http.Request) (int, any, error) {
	return latest(b, r, "bars", "bar", func(symbol string, _ paper.Market) (barAnswer, bool) { return b.lastBar(symbol, time.Minute) })
}

func (b *Broker) lastBar(symbol string, step time.Duration) (barAnswer, bool) {
	all := b.bars.between(symbol, step, time.Time{}, time.Time{})
	if len(all) == 0 {
		return barAnswer{}, false
	}
	return all[len(all)-1].answer(), true
}

type snapshotAnswer struct {
	LatestTrade  tradeAnswer `json:"latestTrade"`
	LatestQuote  quoteAnswer `json:"latestQuote"`
	MinuteBar    *barAnswer  `json:"minuteBar"`
	DailyBar     *barAnswer  `json:"dailyBar"`
	PrevDailyBar *barAnswer  `json:"prevDailyBar"`
}

func (b *Broker) getSnapshots(r *http.Request) (int, any, error) {
	symbols, single, err := asked(r)
	if err != nil {
		return 0, nil, err
	}
	found := map[string]snapshotAnswer{}
	for _, symbol := range symbols {
		if err := b.refresh(symbol); err != nil {
			return 0, nil, err
		}
		if m, ok := b.core.Market(symbol); ok {
			found[symbol] = b.snapshot(symbol, m)
		}
	}
	if !single {
		return http.StatusOK, found, nil
	}
	one, ok := found[symbols[0]]
	if !ok {
		return 0, nil, &problem{status: http.StatusNotFound, message: "no snapshot found for " + symbols[0]}
	}
	return http.StatusOK, struct {
		Symbol string `json:"symbol"`
		snapshotAnswer
	}{symbols[0], one}, nil
}

func (b *Broker) snapshot(symbol string, m paper.Market) snapshotAnswer {
	s := snapshotAnswer{LatestTrade: tradeOf(m), LatestQuote: quoteOf(m)}
	if one, ok := b.lastBar(symbol, time.Minute); ok {
		s.MinuteBar = &one
	}
	days := b.bars.between(symbol, 24*time.Hour, time.Time{}, time.Time{})
	if n := len(days); n > 0 {
		one := days[n-1].answer()
		if s.DailyBar = &one; n > 1 {
			before := days[n-2].answer()
			s.PrevDailyBar = &before
		}
	}
	return s
}

// pageMax is how many points one page of history may hold.
const pageMax = 10_000

// page answers with a span of history for each symbol, in pages that continue by symbol and number.
func page[T any](b *Broker, r *http.Request, name string, step time.Duration, of func(symbol string, one bar) T) (int, any, error) {
	symbols, single, err := asked(r)
	if err != nil {
		return 0, nil, err
	}
	q := r.URL.Query()
	start, err := instant(q, "start")
	if err != nil {
		return 0, nil, err
	}
	end, err := instant(q, "end")
	if err != nil {
		return 0, nil, err
	}
	if start.IsZero() {
		start = dateOf(b.Now())
	}
	limit, err := count(q, "limit", 1000, pageMax)
	if err != nil {
		return 0, nil, err
	}
	skip, err := pageToken(q)
	if err != nil {
		return 0, nil, err
	}
	found, n := map[string][]T{}, 0
	for _, symbol := range symbols {
		all := b.bars.between(symbol, step, start, end)
		for i := range all {
			one := all[i]
			if q.Get("sort") == "desc" {
				one = all[len(all)-1-i]
			}
			if n++; n > skip && n <= skip+limit {
				found[symbol] = append(found[symbol], of(symbol, one))
			}
		}
	}
	var next *string
	if n > skip+limit {
		token := base64.URLEncoding.EncodeToString([]byte(strconv.Itoa(skip + limit)))
		next = &token
	}
	if single {
		return http.StatusOK, map[string]any{name: found[symbols[0]], "symbol": symbols[0], "next_page_token": next}, nil
	}
	return http.StatusOK, map[string]any{name: found, "next_page_token": next}, nil
}

func pageToken(q url.Values) (int, error) {
	token := q.Get("page_token")
	if token == "" {
		return 0, nil
	}
	text, err := base64.URLEncoding.DecodeString(token)
	if err == nil {
		var n int
		if n, err = strconv.Atoi(string(text)); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, &problem{status: http.StatusBadRequest, message: "invalid page_token"}
}

func (b *Broker) getBars(r *http.Request) (int, any, error) {
	step, err := timeframe(r.URL.Query().Get("timeframe"))
	if err != nil {
		return 0, nil, err
	}
	return page(b, r, "bars", step, func(_ string, one bar) barAnswer { return one.answer() })
}

// timeframe reads a step such as 5Min, 1Hour or 1Day.
func timeframe(s string) (time.Duration, error) {
	for unit, span := range map[string]time.Duration{"Min": time.Minute, "T": time.Minute, "Hour": time.Hour, "H": time.Hour, "Day": 24 * time.Hour, "D": 24 * time.Hour} {
		digits, ok := strings.CutSuffix(s, unit)
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 1 && n <= 59 && (span < 24*time.Hour || n == 1) {
			return time.Duration(n) * span, nil
		}
	}
	return 0, &problem{status: http.StatusBadRequest, message: "invalid timeframe: give 1Min to 59Min, 1Hour to 23Hour or 1Day"}
}

// getQuotes and getTrades list one for each minute in which there was a price: single quotes are not kept.
func (b *Broker) getQuotes(r *http.Request) (int, any, error) {
	return page(b, r, "quotes", time.Minute, func(symbol string, one bar) quoteAnswer { return quoteOf(b.minuteMarket(symbol, one)) })
}

func (b *Broker) getTrades(r *http.Request) (int, any, error) {
	return page(b, r, "trades", time.Minute, func(symbol string, one bar) tradeAnswer { return tradeOf(b.minuteMarket(symbol, one)) })
}

func (b *Broker) minuteMarket(symbol string, one bar) paper.Market {
	half, price := halfSpread(symbol), one.close
	exact := func(f float64) decimal.Decimal { return decimal.NewFromFloat(f).Round(4) }
	return paper.Market{Symbol: symbol, Price: decimal.NewFromFloat(price), Bid: exact(price * (1 - half)), Ask: exact(price * (1 + half)), At: one.at}
}
