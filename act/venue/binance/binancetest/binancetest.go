// Package binancetest is a stand-in of Binance's spot API for tests without the internet. We wrote it, from Binance's own
// documents (github.com/binance/binance-spot-api-docs of July 2026: rest-api.md, errors.md, enums.md, filters.md) and, for
// withdrawals, from the parameters and answers that go-binance 2.8.7 documents, and from developers.binance.com/docs/wallet of 2026.
// A withdrawal leaves the balance as it is.
//
// It is strict where the documents are: every signed call needs its key, its timestamp within the window and a signature over
// what stands before it; unknown, missing and doubled parameters are refused with their codes; a client id is unique among
// open orders only, and the id of a filled order is taken a second time. An order that is refused leaves no trace. Prices and
// fills are those of exchangetest. It does not model trade groups, order lists, the percent-price filter or delays.
package binancetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/exchangetest"
)

// What the stand-in accepts.
const (
	Key    = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
	Secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
	Pair   = "BTCUSDT"
	Step   = "0.00001"
	Tick   = "0.01"
)

// Server is the stand-in of one account.
type Server struct {
	*exchangetest.Book
	Clock lifeboat.Clock // the venue's own; the book's when nil

	mu          sync.Mutex
	Status      string // of the pair; TRADING when empty
	Gone        bool   // the pair does not exist any more
	Calls       []string
	withdrawals []map[string]any

	NoWithdrawals bool   // the key may not withdraw
	White         string // the address that is on the account's list
	closed        string // why no BTC is let out; "" while it is
	charge        string // for a withdrawal of BTC
	hidden        bool   // what is asked for is taken, and not in the history yet
}

// New opens an account with what venuetest expects.
func New() *Server { return &Server{Book: exchangetest.NewBook("BTC", "USDT")} }

func (s *Server) now() time.Time {
	if s.Clock != nil {
		return s.Clock.Now()
	}
	return s.Book.Clock.Now()
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	code   int
	text   string
}

var (
	badSymbol = &refusal{400, -1121, "Invalid symbol."}
	noOrder   = &refusal{400, -2013, "Order does not exist."}
)

// An endpoint says which parameters it knows, and which it must have.
type endpoint struct {
	weight   int
	open     bool // needs no signature
	must, by string
	answer   func(*Server, url.Values) (any, *refusal)
}

var endpoints = map[string]endpoint{
	"GET /api/v3/time":                      {1, true, "", "", (*Server).time},
	"GET /api/v3/exchangeInfo":              {20, true, "", "symbol", (*Server).info},
	"GET /api/v3/ticker/price":              {2, true, "", "symbol", (*Server).price},
	"GET /api/v3/account":                   {20, false, "", "omitZeroBalances", (*Server).account},
	"GET /api/v3/openOrders":                {80, false, "", "symbol", (*Server).openOrders},
	"GET /api/v3/allOrders":                 {20, false, "symbol", "orderId startTime endTime limit", (*Server).allOrders},
	"GET /api/v3/myTrades":                  {5, false, "symbol", "orderId fromId limit", (*Server).trades},
	"GET /api/v3/order":                     {4, false, "symbol", "orderId origClientOrderId", (*Server).order},
	"DELETE /api/v3/order":                  {1, false, "symbol", "orderId origClientOrderId newClientOrderId", (*Server).cancel},
	"POST /api/v3/order":                    {1, false, "symbol side type", "timeInForce quantity price newClientOrderId newOrderRespType", (*Server).place},
	"POST /sapi/v1/capital/withdraw/apply":  {1, false, "coin address amount", "withdrawOrderId network addressTag walletType", (*Server).withdraw},
	"GET /sapi/v1/capital/withdraw/history": {1, false, "", "withdrawOrderId", (*Server).history},

	"GET /sapi/v1/capital/config/getall":         {10, false, "", "", (*Server).coins},
	"GET /sapi/v1/capital/withdraw/address/list": {10, false, "", "", (*Server).addresses},
	"GET /sapi/v1/account/apiRestrictions":       {1, false, "", "", (*Server).rights},
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.Method + " " + r.URL.Path
	e, known := endpoints[name]
	body, err := io.ReadAll(r.Body)
	if err != nil || !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.Calls = append(s.Calls, name)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Mbx-Used-Weight-1m", strconv.Itoa(e.weight))
	answer, refused := s.call(e, r, string(body))
	if refused != nil {
		w.WriteHeader(refused.status)
		answer = map[string]any{"code": refused.code, "msg": refused.text}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) call(e endpoint, r *http.Request, body string) (any, *refusal) {
	if body != "" && r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return nil, &refusal{400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."}
	}
	payload := r.URL.RawQuery + body
	values, err := url.ParseQuery(payload)
	if err != nil {
		return nil, &refusal{400, -1100, "Illegal characters found in a parameter."}
	}
	known := strings.Fields(e.must + " " + e.by)
	if !e.open {
		if refused := s.entitled(r, payload, values); refused != nil {
			return nil, refused
		}
		known = append(known, "timestamp", "recvWindow", "signature")
	}
	for name, value := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, &refusal{400, -1104, "Not all sent parameters were read; read '" + strconv.Itoa(len(values)-1) + "' parameter(s) but was sent '" + strconv.Itoa(len(values)) + "'."}
		case len(value) != 1:
			return nil, &refusal{400, -1101, "Duplicate values for a parameter detected."}
		case value[0] == "":
			return nil, &refusal{400, -1105, "Parameter '" + name + "' was empty."}
		}
	}
	for _, name := range strings.Fields(e.must) {
		if !values.Has(name) {
			return nil, &refusal{400, -1102, "Mandatory parameter '" + name + "' was not sent, was empty/null, or malformed."}
		}
	}
	if symbol := values.Get("symbol"); values.Has("symbol") && (symbol != Pair || s.Gone) {
		return nil, badSymbol
	}
	return e.answer(s, values)
}

// entitled checks key, signature and time as documented.
func (s *Server) entitled(r *http.Request, payload string, values url.Values) *refusal {
	switch r.Header.Get("X-MBX-APIKEY") {
	case Key:
	case "":
		return &refusal{401, -2014, "API-key format invalid."}
	default:
		return &refusal{401, -2015, "Invalid API-key, IP, or permissions for action."}
	}
	signed, signature, _ := strings.Cut(payload, "&signature=")
	mac := hmac.New(sha256.New, []byte(Secret))
	mac.Write([]byte(signed))
	if strings.Contains(signature, "&") || !strings.EqualFold(signature, hex.EncodeToString(mac.Sum(nil))) {
		return &refusal{400, -1022, "Signature for this request is not valid."}
	}
	stamp, err := strconv.ParseInt(values.Get("timestamp"), 10, 64)
	if err != nil {
		return &refusal{400, -1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed."}
	}
	window := int64(5000)
	if values.Has("recvWindow") {
		if window, err = strconv.ParseInt(values.Get("recvWindow"), 10, 64); err != nil || window > 60000 {
			return &refusal{400, -1131, "recvWindow must be less than 60000."}
		}
	}
	now := s.now().UnixMilli()
	switch {
	case stamp >= now+1000:
		return &refusal{400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."}
	case now-stamp > window:
		return &refusal{400, -1021, "Timestamp for this request is outside of the recvWindow."}
	}
	return nil
}

func (s *Server) time(url.Values) (any, *refusal) {
	return map[string]any{"serverTime": s.now().UnixMilli()}, nil
}

func (s *Server) info(url.Values) (any, *refusal) {
	status := s.Status
	if status == "" {
		status = "TRADING"
	}
	return map[string]any{"timezone": "UTC", "serverTime": s.now().UnixMilli(), "rateLimits": []any{}, "exchangeFilters": []any{}, "symbols": []any{map[string]any{
		"symbol": Pair, "status": status, "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT", "quoteAssetPrecision": 8,
		"orderTypes": []string{"LIMIT", "MARKET"}, "isSpotTradingAllowed": true,
		"filters": []any{
			map[string]any{"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000", "tickSize": "0.01000000"},
			map[string]any{"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000", "stepSize": "0.00001000"},
			map[string]any{"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "5000.00000000", "stepSize": "0.00000000"},
			map[string]any{"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": true, "maxNotional": "9000000.00000000", "applyMaxToMarket": false, "avgPriceMins": 5},
		},
	}}}, nil
}

func (s *Server) price(url.Values) (any, *refusal) {
	return map[string]any{"symbol": Pair, "price": "50.00000000"}, nil
}

func (s *Server) account(url.Values) (any, *refusal) {
	var balances []any
	for _, asset := range []string{"BTC", "USDT"} {
		free, locked := s.Balance(asset)
		balances = append(balances, map[string]any{"asset": asset, "free": free.StringFixed(8), "locked": locked.StringFixed(8)})
	}
	return map[string]any{"canTrade": true, "canWithdraw": true, "accountType": "SPOT", "updateTime": s.now().UnixMilli(), "balances": balances}, nil
}

var statuses = map[lifeboat.ReceiptStatus]string{lifeboat.Accepted: "NEW", lifeboat.PartialFill: "PARTIALLY_FILLED", lifeboat.Filled: "FILLED", lifeboat.Canceled: "CANCELED"}

// tell writes an order as Query order does.
func tell(o exchangetest.Order) map[string]any {
	kind, inForce := "MARKET", "GTC"
	if o.Terms.Type == lifeboat.Limit {
		kind = "LIMIT"
	}
	return map[string]any{
		"symbol": Pair, "orderId": o.ID, "orderListId": -1, "clientOrderId": o.Client, "price": o.Terms.Limit.StringFixed(8),
		"origQty": o.Terms.Quantity.StringFixed(8), "executedQty": o.Receipt.Filled.StringFixed(8), "cummulativeQuoteQty": o.Value().String(),
		"status": statuses[o.Receipt.Status], "timeInForce": inForce, "type": kind, "side": strings.ToUpper(string(o.Terms.Side)),
		"stopPrice": "0.00000000", "icebergQty": "0.00000000", "time": o.At.UnixMilli(), "updateTime": o.Moved().UnixMilli(), "isWorking": true,
		"origQuoteOrderQty": "0.00000000", "selfTradePreventionMode": "NONE",
	}
}

func (s *Server) listed() []exchangetest.Order {
	return slices.DeleteFunc(s.Orders(), func(o exchangetest.Order) bool { return o.Archived })
}

func (s *Server) which(v url.Values) (exchangetest.Order, *refusal) {
	if !v.Has("orderId") && !v.Has("origClientOrderId") {
		return exchangetest.Order{}, &refusal{400, -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"}
	}
	for _, o := range slices.Backward(s.listed()) {
		if (!v.Has("orderId") || v.Get("orderId") == strconv.FormatInt(o.ID, 10)) && (!v.Has("origClientOrderId") || v.Get("origClientOrderId") == o.Client) {
			return o, nil
		}
	}
	return exchangetest.Order{}, noOrder
}

func (s *Server) order(v url.Values) (any, *refusal) {
	o, refused := s.which(v)
	if refused != nil {
		return nil, refused
	}
	return tell(o), nil
}

func (s *Server) cancel(v url.Values) (any, *refusal) {
	o, refused := s.which(v)
	if refused == nil {
		if after, canceled := s.Cancel(o.ID); canceled {
			told := tell(after)
			told["origClientOrderId"], told["clientOrderId"] = o.Client, "cancel-"+strconv.FormatInt(o.ID, 10)
			return told, nil
		}
	}
	return nil, &refusal{400, -2011, "Unknown order sent."}
}

func (s *Server) openOrders(url.Values) (any, *refusal) {
	open := []any{}
	for _, o := range s.listed() {
		if !o.Receipt.Status.Final() {
			open = append(open, tell(o))
		}
	}
	return open, nil
}

func (s *Server) allOrders(v url.Values) (any, *refusal) {
	numbers, refused := integers(v, "orderId", "startTime", "endTime", "limit")
	if refused != nil {
		return nil, refused
	}
	if v.Has("startTime") && v.Has("endTime") && numbers["endTime"]-numbers["startTime"] > 24*3600*1000 {
		return nil, &refusal{400, -1127, "More than 24 hours between startTime and endTime."}
	}
	found := []any{}
	for _, o := range s.listed() {
		at := o.At.UnixMilli()
		if v.Has("orderId") && o.ID < numbers["orderId"] || v.Has("startTime") && at < numbers["startTime"] || v.Has("endTime") && at > numbers["endTime"] {
			continue
		}
		found = append(found, tell(o))
	}
	limit := 500
	if v.Has("limit") {
		limit = int(numbers["limit"])
	}
	if limit < 1 || limit > 1000 {
		return nil, &refusal{400, -1130, "Data sent for parameter 'limit' is not valid."}
	}
	if v.Has("orderId") || v.Has("startTime") {
		return found[:min(limit, len(found))], nil
	}
	return found[max(0, len(found)-limit):], nil
}

func (s *Server) trades(v url.Values) (any, *refusal) {
	numbers, refused := integers(v, "orderId", "fromId", "limit")
	if refused != nil {
		return nil, refused
	}
	found := []any{}
	for _, o := range s.listed() {
		for _, t := range o.Trades {
			if v.Has("orderId") && o.ID != numbers["orderId"] || t.ID < numbers["fromId"] || v.Has("limit") && len(found) == int(numbers["limit"]) {
				continue
			}
			found = append(found, map[string]any{"symbol": Pair, "id": t.ID, "orderId": o.ID, "orderListId": -1, "price": t.Value.DivRound(t.Quantity, 8).StringFixed(8),
				"qty": t.Quantity.StringFixed(8), "quoteQty": t.Value.String(), "commission": t.Fee.String(), "commissionAsset": "USDT", "time": t.At.UnixMilli(),
				"isBuyer": o.Terms.Side == lifeboat.Buy, "isMaker": false, "isBestMatch": true})
		}
	}
	return found, nil
}

func integers(v url.Values, names ...string) (map[string]int64, *refusal) {
	numbers := map[string]int64{}
	for _, name := range names {
		if !v.Has(name) {
			continue
		}
		n, err := strconv.ParseInt(v.Get(name), 10, 64)
		if err != nil {
			return nil, &refusal{400, -1100, "Illegal characters found in parameter '" + name + "'; legal range is '^[0-9]{1,20}$'."}
		}
		numbers[name] = n
	}
	return numbers, nil
}

// place holds an order to the documented parameters of its type and to the filters.
func (s *Server) place(v url.Values) (any, *refusal) {
	o, refused := terms(v)
	if refused != nil {
		return nil, refused
	}
	if s.Status != "" && s.Status != "TRADING" {
		return nil, &refusal{400, -2010, "Market is closed."}
	}
	client := v.Get("newClientOrderId")
	for _, other := range s.listed() {
		if other.Client == client && !other.Receipt.Status.Final() {
			return nil, &refusal{400, -2010, "Duplicate order sent."}
		}
	}
	placed, why := s.Place(client, o)
	if why != "" {
		return nil, &refusal{400, -2010, "Account has insufficient balance for requested action."}
	}
	told := tell(placed)
	told["transactTime"] = placed.At.UnixMilli()
	delete(told, "time")
	fills := []any{}
	for _, t := range placed.Trades {
		fills = append(fills, map[string]any{"price": t.Value.DivRound(t.Quantity, 8).StringFixed(8), "qty": t.Quantity.StringFixed(8), "commission": t.Fee.String(), "commissionAsset": "USDT", "tradeId": t.ID})
	}
	if v.Get("newOrderRespType") == "FULL" || !v.Has("newOrderRespType") {
		told["fills"] = fills
	}
	return told, nil
}

func terms(v url.Values) (lifeboat.Order, *refusal) {
	o := lifeboat.Order{Side: lifeboat.Side(strings.ToLower(v.Get("side"))), Type: lifeboat.OrderType(strings.ToLower(v.Get("type")))}
	switch {
	case v.Get("side") != "BUY" && v.Get("side") != "SELL":
		return o, &refusal{400, -1117, "Invalid side."}
	case v.Get("type") != "MARKET" && v.Get("type") != "LIMIT":
		return o, &refusal{400, -1116, "Invalid orderType."}
	case o.Type == lifeboat.Limit && v.Get("timeInForce") != "GTC":
		return o, &refusal{400, -1115, "Invalid timeInForce."}
	case o.Type == lifeboat.Market && (v.Has("timeInForce") || v.Has("price")):
		return o, &refusal{400, -1106, "Parameter 'timeInForce' sent when not required."}
	}
	var err error
	if o.Quantity, err = decimal.NewFromString(v.Get("quantity")); err != nil {
		return o, &refusal{400, -1102, "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."}
	}
	if o.Type == lifeboat.Limit {
		if o.Limit, err = decimal.NewFromString(v.Get("price")); err != nil {
			return o, &refusal{400, -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."}
		}
	}
	for name, filter := range map[string]bool{
		"LOT_SIZE":     !o.Quantity.Mod(decimal.RequireFromString(Step)).IsZero() || !o.Quantity.IsPositive(),
		"PRICE_FILTER": o.Type == lifeboat.Limit && (!o.Limit.Mod(decimal.RequireFromString(Tick)).IsZero() || !o.Limit.IsPositive()),
		"NOTIONAL":     o.Type == lifeboat.Limit && o.Limit.Mul(o.Quantity).LessThan(decimal.NewFromInt(5)),
	} {
		if filter {
			return o, &refusal{400, -1013, "Filter failure: " + name}
		}
	}
	return o, nil
}

// Close lets no BTC out, for a reason, or lets it out again for none.
func (s *Server) Close(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = why
}

// Charge is the fee of a withdrawal from now on; 0.0001 before.
func (s *Server) Charge(fee string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.charge = fee
}

// Hide lets the history lag behind what was taken.
func (s *Server) Hide(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = on
}

func (s *Server) fee() string {
	if s.charge != "" {
		return s.charge
	}
	return "0.0001"
}

// coins as developers.binance.com/docs/wallet/capital describes them, for the one asset that can leave.
func (s *Server) coins(url.Values) (any, *refusal) {
	free, locked := s.Balance("BTC")
	return []any{
		map[string]any{"coin": "BNB", "depositAllEnable": true, "withdrawAllEnable": true, "name": "BNB", "free": "0", "locked": "0", "networkList": []any{}},
		map[string]any{"coin": "BTC", "depositAllEnable": true, "withdrawAllEnable": true, "name": "Bitcoin", "free": free.String(), "locked": locked.String(), "freeze": "0",
			"withdrawing": "0", "ipoing": "0", "ipoable": "0", "storage": "0", "isLegalMoney": false, "trading": true, "networkList": []any{
				map[string]any{"network": "BSC", "coin": "BTC", "withdrawIntegerMultiple": "0.00000001", "isDefault": false, "depositEnable": true, "withdrawEnable": false,
					"depositDesc": "", "withdrawDesc": "The wallet is under maintenance.", "name": "BNB Smart Chain (BEP20)", "withdrawFee": "0.000005", "withdrawMin": "0.00001",
					"withdrawMax": "9999999", "minConfirm": 5, "unLockConfirm": 0, "withdrawTag": false, "estimatedArrivalTime": 1, "busy": false},
				map[string]any{"network": "BTC", "coin": "BTC", "withdrawIntegerMultiple": "0.00000001", "isDefault": true, "depositEnable": true, "withdrawEnable": s.closed == "",
					"depositDesc": "", "withdrawDesc": s.closed, "name": "Bitcoin", "withdrawFee": s.fee(), "withdrawMin": "0.001",
					"withdrawMax": "7500", "minConfirm": 1, "unLockConfirm": 2, "withdrawTag": false, "estimatedArrivalTime": 25, "busy": false},
			}},
	}, nil
}

func (s *Server) addresses(url.Values) (any, *refusal) {
	return []any{map[string]any{"address": s.White, "addressTag": "", "coin": "BTC", "name": "vault", "network": "BTC", "origin": "", "originType": "others", "whiteStatus": true}}, nil
}

func (s *Server) rights(url.Values) (any, *refusal) {
	return map[string]any{"ipRestrict": true, "createTime": 1698645219000, "enableReading": true, "enableSpotAndMarginTrading": true, "enableWithdrawals": !s.NoWithdrawals,
		"enableInternalTransfer": false, "enableMargin": false, "enableFutures": false, "permitsUniversalTransfer": false}, nil
}

func (s *Server) withdraw(v url.Values) (any, *refusal) {
	switch {
	case s.NoWithdrawals:
		return nil, &refusal{401, -2015, "Invalid API-key, IP, or permissions for action."}
	case s.closed != "":
		return nil, &refusal{400, -4019, "The current coin is not open for withdrawal."}
	}
	amount, err := decimal.NewFromString(v.Get("amount"))
	if err != nil || !amount.IsPositive() {
		return nil, &refusal{400, -1100, "Illegal characters found in parameter 'amount'."}
	}
	if free, _ := s.Balance(v.Get("coin")); amount.GreaterThan(free) {
		return nil, &refusal{400, -4026, "The user has insufficient balance available."}
	}
	id := "b6ae22b3aa844210a7041aee7589627c" + strconv.Itoa(len(s.withdrawals))
	s.withdrawals = append(s.withdrawals, map[string]any{"id": id, "amount": amount.String(), "transactionFee": s.fee(), "coin": v.Get("coin"), "status": 4,
		"address": v.Get("address"), "txId": "", "applyTime": s.now().UTC().Format("2006-01-02 15:04:05"), "network": v.Get("network"), "withdrawOrderId": v.Get("withdrawOrderId"), "info": ""})
	return map[string]any{"id": id}, nil
}

func (s *Server) history(v url.Values) (any, *refusal) {
	found := []any{}
	for _, w := range s.withdrawals {
		if s.hidden {
			break
		}
		if !v.Has("withdrawOrderId") || w["withdrawOrderId"] == v.Get("withdrawOrderId") {
			found = append(found, w)
		}
	}
	return found, nil
}

// Withdrawals that were taken in; set changes what the history says of each.
func (s *Server) Withdrawals(set func(map[string]any)) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.withdrawals {
		if set != nil {
			set(w)
		}
	}
	return len(s.withdrawals)
}
