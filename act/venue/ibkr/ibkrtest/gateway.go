// Package ibkrtest is a stand-in for the Client Portal gateway of Interactive Brokers, for tests: its paths, shapes and
// oddities over a simulated account that matches the orders.
//
// We wrote it ourselves. It rests on the public documentation of the Client Portal Web API v1 (endpoints, order tickets,
// order replies, pacing limits), on the broker's reference of its REST API (models of live orders, order status, trades), and
// on answers that public clients recorded; it was never held against the real gateway. Where the documents are silent it does
// the harsher thing: the list of orders is empty until it was asked for afresh and old until it is asked for afresh again,
// positions are those of before until they are invalidated, another order makes an open question void, a number where a text
// should be or a field that the documents do not have is refused, and going faster than ten requests in a second, or
// five seconds for the lists, is answered with 429.
//
// Its clock is the caller's. It knows shares and funds, market and limit orders; the rest is not there.
package ibkrtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// Options of a gateway.
type Options struct {
	Number    string       // of the account there: DU1234567
	Paper     paper.Config // the account that matches; its ledger is the gateway's
	Contracts []Contract   // all that is listed
	Clock     lifeboat.Clock
	// Questions are asked one after the other before an order is taken; none when nil.
	Questions func(t Ticket) []Question
}

// Contract is one listing.
type Contract struct {
	Conid                                  int64
	Ticker, Exchange, Name, Currency, Step string
	US                                     bool
}

// Ticket is an order as it arrived.
type Ticket struct {
	Key, Side, Kind string
	Conid           int64
	Quantity, Price decimal.Decimal
}

// Question about an order.
type Question struct{ ID, Text string }

// Gateway is the stand-in; it is an http.Handler below /v1/api.
type Gateway struct {
	o     Options
	paper *paper.Venue
	mux   *http.ServeMux

	fillMu sync.Mutex // guards the two below: fills come from the market's side too
	told   map[lifeboat.Key]lifeboat.Receipt
	fills  []fill

	mu         sync.Mutex // guards all below
	login      bool
	brokerage  bool
	competing  bool
	last       time.Time // request
	recent     []time.Time
	asked      map[string]time.Time // :: slow path → when it was last asked for
	trading    bool                 // /iserver/accounts was called in this session
	portfolio  bool                 // /portfolio/accounts was
	selected   string
	quoted     map[int64]bool // a snapshot was asked for
	orders     []*order
	registered map[string]time.Time // :: cOID → when
	pending    *pending
	list       []map[string]any // of orders, as it was last read afresh
	begun      bool             // the list was begun
	ready      bool             // and read
	held       []lifeboat.Position
	cached     bool
	prices     map[string]decimal.Decimal
	posts      int // of orders
	threw      bool
}

type order struct {
	id       int64
	key      string
	inner    lifeboat.Key
	contract Contract
	ticket   Ticket
	at       time.Time
	gone     bool // it ended in an earlier session
	held     bool // inactive
}

type pending struct {
	ticket Ticket
	left   []Question
	id     string
}

type fill struct {
	inner       lifeboat.Key
	at          time.Time
	size, price decimal.Decimal
	fee         decimal.Decimal
}

// New makes a gateway into which somebody has just logged in.
func New(o Options) (*Gateway, error) {
	g := &Gateway{o: o, told: map[lifeboat.Key]lifeboat.Receipt{}, asked: map[string]time.Time{}, registered: map[string]time.Time{},
		quoted: map[int64]bool{}, prices: map[string]decimal.Decimal{}, login: true, brokerage: true, last: o.Clock.Now()}
	o.Paper.Ledger = ledger{g}
	var err error
	if g.paper, err = paper.New(o.Paper); err != nil {
		return nil, err
	}
	g.o = o
	g.routes()
	return g, nil
}

// Paper is the account behind it.
func (g *Gateway) Paper() *paper.Venue { return g.paper }

// Show moves the market.
func (g *Gateway) Show(in lifeboat.Instant) error {
	g.mu.Lock()
	for _, r := range in.Readings {
		if symbol, column := r.Series.Column(); column == "" {
			g.prices[symbol] = decimal.NewFromFloat(r.Value)
		}
	}
	g.mu.Unlock()
	return g.paper.Show(in)
}

// Logout ends the login: a person has to come. Login is that person.
func (g *Gateway) Logout() { g.end(false) }

// Restart is the broker's nightly one: the login counts on, the brokerage session does not, and orders that have ended
// are not listed any more.
func (g *Gateway) Restart() { g.end(true) }

// Compete lets the same user log in elsewhere, or leave there.
func (g *Gateway) Compete(elsewhere bool) {
	g.end(true)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.competing = elsewhere
}

// Login lets a person log in.
func (g *Gateway) Login() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.login, g.brokerage, g.competing, g.last = true, true, false, g.o.Clock.Now()
}

// Posts is how many requests to place an order arrived, whatever came of them.
func (g *Gateway) Posts() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.posts
}

// Hold makes an open order inactive, as the broker does with one that it cannot let through; there is nothing to cancel then.
func (g *Gateway) Hold(key lifeboat.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.orders {
		o.held = o.held || o.key == string(key)
	}
}

// Threw reports that a session was asked for which would have thrown out whoever has one elsewhere.
func (g *Gateway) Threw() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.threw
}

func (g *Gateway) end(login bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.login, g.brokerage = login, false
	g.forgetSession()
}

func (g *Gateway) forgetSession() {
	g.trading, g.portfolio, g.selected, g.begun, g.ready, g.pending = false, false, "", false, false, nil
	for _, o := range g.orders {
		if r, err := g.paper.Ask(context.Background(), time.Time{}, o.inner); err == nil && r.Status.Final() {
			o.gone = true
		}
	}
}

// ledger turns what the account writes into executions.
type ledger struct{ g *Gateway }

func (ledger) Read() ([]paper.Entry, error) { return nil, nil }

func (l ledger) Append(e paper.Entry) error {
	g := l.g
	g.fillMu.Lock()
	defer g.fillMu.Unlock()
	before := g.told[e.Receipt.Key]
	g.told[e.Receipt.Key] = e.Receipt
	if size := e.Receipt.Filled.Sub(before.Filled); size.IsPositive() {
		cost := e.Receipt.Filled.Mul(e.Receipt.Price).Sub(before.Filled.Mul(before.Price))
		g.fills = append(g.fills, fill{e.Receipt.Key, e.At, size, cost.DivRound(size, 12), e.Receipt.Fee.Sub(before.Fee)})
	}
	return nil
}

// ServeHTTP keeps the pace and the session before it answers.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the request was cut off: the real one never hears of it either
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.o.Clock.Now()
	path, below := strings.CutPrefix(r.URL.Path, "/v1/api")
	switch {
	case !below:
		http.NotFound(w, r)
		return
	case r.Header.Get("User-Agent") == "":
		refuse(w, http.StatusForbidden, "Access Denied")
		return
	case g.tooFast(now, path):
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if g.brokerage && now.Sub(g.last) > 5*time.Minute {
		g.brokerage = false
		g.forgetSession()
	}
	g.last = now
	inner := r.Clone(r.Context())
	inner.URL.Path, inner.Body = path, io.NopCloser(bytes.NewReader(body))
	free := path == "/tickle" || strings.HasPrefix(path, "/iserver/auth/")
	switch {
	case !g.login:
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(path, "/iserver/") && !g.brokerage && !free:
		refuse(w, http.StatusBadRequest, "Bad Request: no bridge")
	case len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		refuse(w, http.StatusUnsupportedMediaType, "Unsupported Media Type")
	default:
		g.mux.ServeHTTP(w, inner)
	}
}

func (g *Gateway) tooFast(now time.Time, path string) bool {
	g.recent = append(slices.DeleteFunc(g.recent, func(at time.Time) bool { return now.Sub(at) >= time.Second }), now)
	if len(g.recent) > 10 {
		return true
	}
	gap := map[string]time.Duration{"/iserver/account/orders": 5 * time.Second, "/iserver/account/trades": 5 * time.Second, "/portfolio/accounts": 5 * time.Second, "/tickle": time.Second}[path]
	at, asked := g.asked[path]
	g.asked[path] = now
	return asked && gap > 0 && now.Sub(at) < gap
}

func (g *Gateway) routes() {
	g.mux = http.NewServeMux()
	handle := func(pattern string, answer func(w http.ResponseWriter, r *http.Request)) {
		g.mux.HandleFunc(pattern, answer)
	}
	handle("POST /tickle", g.tickle)
	handle("/iserver/auth/status", func(w http.ResponseWriter, r *http.Request) { say(w, g.status()) })
	handle("POST /iserver/auth/ssodh/init", g.revive)
	handle("GET /iserver/accounts", g.accounts)
	handle("POST /iserver/account", g.choose)
	handle("GET /portfolio/accounts", g.portfolioAccounts)
	handle("GET /trsrv/stocks", g.stocks)
	handle("GET /trsrv/secdef", g.definitions)
	handle("GET /iserver/marketdata/snapshot", g.snapshot)
	handle("POST /iserver/account/{account}/orders", g.place)
	handle("POST /iserver/account/{account}/orders/whatif", g.preview)
	handle("POST /iserver/reply/{id}", g.reply)
	handle("GET /iserver/account/orders", g.listOrders)
	handle("GET /iserver/account/order/status/{id}", g.orderStatus)
	handle("DELETE /iserver/account/{account}/order/{id}", g.cancel)
	handle("GET /iserver/account/trades", g.trades)
	handle("GET /portfolio/{account}/positions/{page}", g.positions)
	handle("POST /portfolio/{account}/positions/invalidate", g.invalidate)
	handle("GET /portfolio/{account}/ledger", g.ledger)
	handle("GET /portfolio/{account}/summary", g.summary)
}

func say(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": why, "statusCode": status})
}

func (g *Gateway) status() map[string]any {
	return map[string]any{"authenticated": g.brokerage, "competing": g.competing, "connected": true, "message": "", "MAC": "00:00:00:00:00:00",
		"serverInfo": map[string]any{"serverName": "JifStandIn", "serverVersion": "Build 0"}, "fail": ""}
}

func (g *Gateway) tickle(w http.ResponseWriter, _ *http.Request) {
	say(w, map[string]any{"session": "bb665d0f55b6289d70bc7380089fc96f", "ssoExpires": 460311, "collission": false, "userId": 123456789,
		"hmds": map[string]any{"error": "no bridge"}, "iserver": map[string]any{"authStatus": g.status()}})
}

func (g *Gateway) revive(w http.ResponseWriter, r *http.Request) {
	var told struct {
		Publish *bool `json:"publish"`
		Compete *bool `json:"compete"`
	}
	if !strictly(w, r, &told) {
		return
	}
	if told.Publish == nil || told.Compete == nil || !*told.Publish {
		refuse(w, http.StatusBadRequest, "missing publish or compete")
		return
	}
	g.threw = g.threw || *told.Compete
	if !g.competing || *told.Compete {
		g.brokerage, g.competing = true, false
	}
	say(w, g.status())
}

func strictly(w http.ResponseWriter, r *http.Request, out any) bool {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(out); err != nil {
		refuse(w, http.StatusBadRequest, "Bad Request: "+err.Error())
		return false
	}
	return true
}

func (g *Gateway) accounts(w http.ResponseWriter, _ *http.Request) {
	g.trading = true
	if g.selected == "" {
		g.selected = g.o.Number
	}
	say(w, map[string]any{"accounts": []string{g.o.Number}, "selectedAccount": g.selected, "aliases": map[string]string{g.o.Number: g.o.Number}})
}

func (g *Gateway) choose(w http.ResponseWriter, r *http.Request) {
	var told struct {
		Account string `json:"acctId"`
	}
	if !strictly(w, r, &told) {
		return
	}
	if told.Account != g.o.Number {
		refuse(w, http.StatusBadRequest, "Account not found")
		return
	}
	g.selected = told.Account
	say(w, map[string]any{"set": true, "acctId": told.Account})
}

func (g *Gateway) portfolioAccounts(w http.ResponseWriter, _ *http.Request) {
	g.portfolio = true
	say(w, []map[string]any{{"id": g.o.Number, "accountId": g.o.Number, "accountVan": g.o.Number, "currency": g.o.Paper.Currency, "type": "DEMO",
		"tradingType": "STKNOPT", "faclient": false, "clearingStatus": "O", "desc": g.o.Number}})
}

// mine holds a path to the account and to the calls that have to come first.
func (g *Gateway) mine(w http.ResponseWriter, r *http.Request, first bool) bool {
	switch {
	case r.PathValue("account") != g.o.Number:
		refuse(w, http.StatusBadRequest, "Account not found")
	case !first:
		refuse(w, http.StatusNotFound, "Not Found")
	default:
		return true
	}
	return false
}

func (g *Gateway) stocks(w http.ResponseWriter, r *http.Request) {
	answer := map[string]any{}
	for _, symbol := range strings.Split(r.URL.Query().Get("symbols"), ",") {
		companies := []map[string]any{}
		for _, c := range g.o.Contracts {
			if c.Ticker == symbol {
				companies = append(companies, map[string]any{"name": c.Name, "chineseName": nil, "assetClass": "STK",
					"contracts": []map[string]any{{"conid": c.Conid, "exchange": c.Exchange, "isUS": c.US}}})
			}
		}
		answer[symbol] = companies
	}
	say(w, answer)
}

func (g *Gateway) definitions(w http.ResponseWriter, r *http.Request) {
	found := []map[string]any{}
	for _, conid := range strings.Split(r.URL.Query().Get("conids"), ",") {
		for _, c := range g.o.Contracts {
			if strconv.FormatInt(c.Conid, 10) == conid {
				found = append(found, map[string]any{"conid": c.Conid, "ticker": c.Ticker, "name": c.Name, "currency": c.Currency, "assetClass": "STK",
					"listingExchange": c.Exchange, "incrementRules": []map[string]any{{"lowerEdge": 0.0, "increment": json.Number(c.Step)}}, "isUS": c.US, "type": "COMMON"})
			}
		}
	}
	say(w, map[string]any{"secdef": found})
}

func (g *Gateway) snapshot(w http.ResponseWriter, r *http.Request) {
	conid, _ := strconv.ParseInt(r.URL.Query().Get("conids"), 10, 64)
	g.quoted[conid] = true
	say(w, []map[string]any{{"conid": conid, "conidEx": r.URL.Query().Get("conids")}})
}

// ticketOf reads an order as strictly as the gateway's types are.
func (g *Gateway) ticketOf(w http.ResponseWriter, r *http.Request) (Ticket, bool) {
	body, _ := io.ReadAll(r.Body)
	type wire struct {
		Account  string          `json:"acctId"`
		Conid    json.RawMessage `json:"conid"`
		Class    string          `json:"secType"`
		Key      string          `json:"cOID"`
		Kind     string          `json:"orderType"`
		Price    json.RawMessage `json:"price"`
		Side     string          `json:"side"`
		Ticker   string          `json:"ticker"`
		Lasts    string          `json:"tif"`
		Late     *bool           `json:"outsideRTH"`
		Quantity json.RawMessage `json:"quantity"`
	}
	var told struct {
		Orders []wire `json:"orders"`
	}
	target := any(&told)
	if body = bytes.TrimSpace(body); len(body) > 0 && body[0] == '[' {
		target = &told.Orders
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !strictly(w, r, target) {
		return Ticket{}, false
	}
	if len(told.Orders) != 1 {
		refuse(w, http.StatusBadRequest, "one order at a time")
		return Ticket{}, false
	}
	o := told.Orders[0]
	t := Ticket{Key: o.Key, Side: o.Side, Kind: o.Kind}
	for raw, into := range map[*json.RawMessage]*decimal.Decimal{&o.Price: &t.Price, &o.Quantity: &t.Quantity} {
		if len(*raw) == 0 {
			continue
		}
		d, err := decimal.NewFromString(string(*raw))
		if err != nil {
			refuse(w, http.StatusBadRequest, "java.lang.String cannot be cast to java.lang.Number")
			return Ticket{}, false
		}
		*into = d
	}
	var err error
	if t.Conid, err = strconv.ParseInt(string(o.Conid), 10, 64); err != nil {
		refuse(w, http.StatusBadRequest, "java.lang.String cannot be cast to java.lang.Number")
		return Ticket{}, false
	}
	why := ""
	switch {
	case o.Account != "" && o.Account != g.o.Number:
		why = "Account not found"
	case t.Side != "BUY" && t.Side != "SELL":
		why = "side is not valid"
	case t.Kind != "MKT" && t.Kind != "LMT":
		why = "orderType is not valid"
	case (t.Kind == "LMT") != (len(o.Price) > 0):
		why = "price is missing or does not belong there"
	case o.Lasts != "GTC" && o.Lasts != "DAY":
		why = "tif is not valid"
	case !t.Quantity.IsInteger():
		why = "only whole share values are supported"
	}
	if why != "" {
		refuse(w, http.StatusBadRequest, why)
		return Ticket{}, false
	}
	return t, true
}

func (g *Gateway) contract(conid int64) (Contract, bool) {
	i := slices.IndexFunc(g.o.Contracts, func(c Contract) bool { return c.Conid == conid })
	if i < 0 {
		return Contract{}, false
	}
	return g.o.Contracts[i], true
}

func (g *Gateway) place(w http.ResponseWriter, r *http.Request) {
	g.posts++
	if !g.mine(w, r, g.trading) {
		return
	}
	t, ok := g.ticketOf(w, r)
	if !ok {
		return
	}
	g.pending = nil // an open question is void once another order comes
	if at, known := g.registered[t.Key]; t.Key != "" && known && g.o.Clock.Now().Sub(at) < 24*time.Hour {
		say(w, map[string]any{"error": "Order couldn't be submitted: Local order ID=" + t.Key + " is already registered."})
		return
	}
	if g.o.Questions != nil {
		if asked := g.o.Questions(t); len(asked) > 0 {
			g.pending = &pending{ticket: t, left: asked}
			g.ask(w)
			return
		}
	}
	g.submit(w, t)
}

func (g *Gateway) ask(w http.ResponseWriter) {
	q := g.pending.left[0]
	g.pending.id = fmt.Sprintf("07a13a5a-4a48-44a5-bb25-%012d", g.posts*100+len(g.pending.left))
	ids := []string{q.ID}
	if q.ID == "" {
		ids = nil
	}
	say(w, []map[string]any{{"id": g.pending.id, "message": []string{q.Text}, "isSuppressed": false, "messageIds": ids}})
}

func (g *Gateway) reply(w http.ResponseWriter, r *http.Request) {
	var told struct {
		Confirmed *bool `json:"confirmed"`
	}
	if !strictly(w, r, &told) {
		return
	}
	switch {
	case told.Confirmed == nil:
		refuse(w, http.StatusBadRequest, "confirmed is missing")
	case g.pending == nil || g.pending.id != r.PathValue("id"):
		refuse(w, http.StatusServiceUnavailable, "timeout")
	case !*told.Confirmed:
		g.pending = nil
		say(w, map[string]any{"error": "The order was declined."})
	default:
		if g.pending.left = g.pending.left[1:]; len(g.pending.left) > 0 {
			g.ask(w)
			return
		}
		t := g.pending.ticket
		g.pending = nil
		g.submit(w, t)
	}
}

func (g *Gateway) submit(w http.ResponseWriter, t Ticket) {
	c, listed := g.contract(t.Conid)
	if !listed {
		say(w, map[string]any{"error": "No security definition has been found for the request"})
		return
	}
	now := g.o.Clock.Now()
	o := &order{id: int64(1171486000 + len(g.orders)), key: t.Key, contract: c, ticket: t, at: now}
	o.inner = lifeboat.NewKey("ibkrtest", o.id, g.posts)
	inner := lifeboat.Order{ID: o.inner, Account: g.o.Paper.Account, Symbol: c.Ticker, Side: lifeboat.Side(strings.ToLower(t.Side)), Type: lifeboat.Market, Quantity: t.Quantity}
	if t.Kind == "LMT" {
		inner.Type, inner.Limit = lifeboat.Limit, t.Price
	}
	receipt, err := g.paper.Place(context.Background(), now, inner)
	switch {
	case err != nil:
		refuse(w, http.StatusInternalServerError, "internal error")
		return
	case receipt.Status == lifeboat.OrderRejected:
		say(w, map[string]any{"error": receipt.Why})
		return
	}
	g.orders = append(g.orders, o)
	if t.Key != "" {
		g.registered[t.Key] = now
	}
	say(w, []map[string]any{{"order_id": strconv.FormatInt(o.id, 10), "local_order_id": t.Key, "order_status": statusOf(o, receipt), "encrypt_message": "1"}})
}

func (g *Gateway) preview(w http.ResponseWriter, r *http.Request) {
	if !g.mine(w, r, g.trading) {
		return
	}
	t, ok := g.ticketOf(w, r)
	if !ok {
		return
	}
	c, listed := g.contract(t.Conid)
	switch {
	case !listed:
		refuse(w, http.StatusBadRequest, "No security definition has been found for the request")
		return
	case !g.quoted[t.Conid]:
		refuse(w, http.StatusInternalServerError, "Please query market data first")
		return
	}
	amount := t.Quantity.Mul(g.prices[c.Ticker])
	say(w, map[string]any{
		"amount": map[string]any{"amount": fmt.Sprintf("%s %s (%s Shares)", amount, c.Currency, t.Quantity), "commission": "1 " + c.Currency, "total": fmt.Sprintf("%s %s", amount.Add(decimal.NewFromInt(1)), c.Currency)},
		"equity": map[string]any{"current": "6,000", "change": "-1", "after": "5,999"}, "initial": map[string]any{"current": "0", "change": "0", "after": "0"},
		"maintenance": map[string]any{"current": "0", "change": "0", "after": "0"}, "position": map[string]any{"current": "0", "change": "0", "after": "0"},
		"warn": "21/You are trying to submit an order without having market data for this instrument.", "error": nil,
	})
}
