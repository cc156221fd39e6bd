// Package coinbasetest is a stand-in of Coinbase's Advanced Trade API for tests without the internet. We wrote it, from the
// create-order page of docs.cdp.coinbase.com as of 2026 and from the requests, answers and tokens of Coinbase's own Python
// client (github.com/coinbase/coinbase-advanced-py, June 2026).
//
// It is strict where those are: each private call needs a token of its own, signed with ES256, for this method, host and path,
// not older than two minutes, with a nonce that was not used before; bodies and parameters that it does not know are refused; an
// order under a client id that is taken is not created, and the one that has it is answered. An order that is refused leaves no
// trace. Withdrawals are in withdrawals.go. How large its pages may be, and what it does with a parameter that it does not know, is not documented: the stand-in
// refuses. Prices and fills are those of exchangetest; a purchase that is to be filled at once is cancelled with what is left.
package coinbasetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/exchangetest"
)

// What the stand-in accepts.
const (
	Key     = "organizations/2c9dd4b2/apiKeys/77d5e1ab"
	Product = "BTC-USD"
	Step    = "0.00000001"
	Tick    = "0.01"
	Page    = 100 // orders on a page
)

// Server is the stand-in of one account.
type Server struct {
	*exchangetest.Book
	Secret string         // the private key that belongs to Key, in PEM
	Clock  lifeboat.Clock // the venue's own; the book's when nil

	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	Flags  map[string]any // of the product, in place of the usual
	Gone   bool           // the product does not exist any more
	nonces map[string]bool

	NoTransfers bool   // the key may not transfer
	Refuses     string // why every withdrawal is refused
	sends       []map[string]any
	hidden      bool
}

// New opens an account with what venuetest expects.
func New() *Server {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	return &Server{Book: exchangetest.NewBook("BTC", "USD"), Secret: secret, key: key, nonces: map[string]bool{}}
}

func (s *Server) now() time.Time {
	if s.Clock != nil {
		return s.Clock.Now()
	}
	return s.Book.Clock.Now()
}

// refusal is an answer that is no success.
type refusal struct {
	status         int
	error, message string
}

const brokerage = "/api/v3/brokerage"

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ours := strings.CutPrefix(r.URL.Path, brokerage)
	wallet, app := isApp(r.URL.Path)
	if !ours && !app {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if path != "/time" {
		if err := s.entitled(r); err != nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
	}
	var answer any
	var refused *refusal
	if app {
		answer, refused = s.app(r, wallet, body)
	} else {
		answer, refused = s.answer(r, path, body)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case refused != nil && app:
		w.WriteHeader(refused.status)
		answer = map[string]any{"errors": []any{map[string]any{"id": refused.error, "message": refused.message}}}
	case app && r.Method == http.MethodPost:
		w.WriteHeader(http.StatusCreated)
	case refused != nil:
		w.WriteHeader(refused.status)
		answer = map[string]any{"error": refused.error, "error_details": refused.message, "message": refused.message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// entitled checks the token as Coinbase's client makes it.
func (s *Server) entitled(r *http.Request) error {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return errors.New("no token")
	}
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return &s.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(s.now), jwt.WithExpirationRequired(), jwt.WithIssuer("cdp"), jwt.WithSubject(Key))
	if err != nil {
		return err
	}
	nonce, _ := token.Header["nonce"].(string)
	before, _ := claims["nbf"].(float64)
	ends, _ := claims["exp"].(float64)
	switch {
	case token.Header["kid"] != Key || nonce == "" || s.nonces[nonce]:
		return errors.New("no key, or a nonce that was used")
	case before == 0 || ends-before > 120:
		return errors.New("a token for too long")
	case claims["uri"] != r.Method+" "+r.Host+r.URL.Path:
		return errors.New("a token for another call")
	}
	s.nonces[nonce] = true
	return nil
}

func (s *Server) answer(r *http.Request, path string, body []byte) (any, *refusal) {
	allowed := map[string][]string{"/orders/historical/batch": {"limit", "start_date", "order_status", "cursor"}, "/accounts": {"limit", "cursor"}, "/best_bid_ask": {"product_ids"}}[path]
	for name := range r.URL.Query() {
		if !slices.Contains(allowed, name) {
			return nil, &refusal{400, "INVALID_ARGUMENT", "unknown parameter " + name}
		}
	}
	switch call := r.Method + " " + path; {
	case call == "GET /time":
		return map[string]any{"iso": s.now().Format(time.RFC3339Nano), "epochSeconds": strconv.FormatInt(s.now().Unix(), 10), "epochMillis": strconv.FormatInt(s.now().UnixMilli(), 10)}, nil
	case call == "GET /key_permissions":
		return map[string]any{"can_view": true, "can_trade": true, "can_transfer": !s.NoTransfers, "portfolio_uuid": "x", "portfolio_type": "DEFAULT"}, nil
	case call == "GET /accounts":
		return s.accounts(r)
	case call == "GET /best_bid_ask":
		level := func(price string) []any { return []any{map[string]any{"price": price, "size": "1"}} }
		return map[string]any{"pricebooks": []any{map[string]any{"product_id": Product, "bids": level(s.Last()), "asks": level(s.Last()), "time": s.now().Format(time.RFC3339Nano)}}}, nil
	case r.Method == "GET" && strings.HasPrefix(path, "/products/"):
		return s.product(strings.TrimPrefix(path, "/products/"))
	case call == "GET /orders/historical/batch":
		return s.list(r)
	case r.Method == "GET" && strings.HasPrefix(path, "/orders/historical/"):
		for _, o := range s.listed() {
			if number(o) == strings.TrimPrefix(path, "/orders/historical/") {
				return map[string]any{"order": tell(o)}, nil
			}
		}
		return nil, &refusal{404, "NOT_FOUND", "order not found"}
	case call == "POST /orders":
		return s.create(body)
	case call == "POST /orders/batch_cancel":
		return s.cancel(body)
	}
	return nil, &refusal{404, "NOT_FOUND", "no such call"}
}

func (s *Server) accounts(r *http.Request) (any, *refusal) {
	assets := []string{"BTC", "USD"}
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	asset := assets[from]
	free, hold := s.Balance(asset)
	money := func(d decimal.Decimal) any { return map[string]any{"value": d.String(), "currency": asset} }
	account := map[string]any{"uuid": asset, "name": asset + " Wallet", "currency": asset, "available_balance": money(free), "hold": money(hold), "active": true, "ready": true, "type": "ACCOUNT_TYPE_CRYPTO", "deleted_at": nil}
	more := from+1 < len(assets) // one on a page, so that pages are turned
	cursor := ""
	if more {
		cursor = strconv.Itoa(from + 1)
	}
	return map[string]any{"accounts": []any{account}, "has_next": more, "cursor": cursor, "size": 1}, nil
}

func (s *Server) product(id string) (any, *refusal) {
	if id != Product || s.Gone {
		return nil, &refusal{404, "NOT_FOUND", "valid product_id is required"}
	}
	p := map[string]any{"product_id": Product, "price": s.Last(), "base_increment": Step, "quote_increment": Tick, "price_increment": Tick, "base_min_size": Step, "base_max_size": "3400",
		"quote_min_size": "1", "quote_max_size": "150000000", "base_name": "Bitcoin", "quote_name": "US Dollar", "watched": false, "is_disabled": false, "new": false, "status": "online",
		"cancel_only": false, "limit_only": false, "post_only": false, "trading_disabled": false, "auction_mode": false, "view_only": false, "product_type": "SPOT", "base_currency_id": "BTC", "quote_currency_id": "USD"}
	for name, value := range s.Flags {
		p[name] = value
	}
	return p, nil
}

func (s *Server) listed() []exchangetest.Order {
	return slices.DeleteFunc(s.Orders(), func(o exchangetest.Order) bool { return o.Archived })
}

func number(o exchangetest.Order) string {
	return fmt.Sprintf("%08d-0000-4000-8000-000000000000", o.ID)
}

func tell(o exchangetest.Order) map[string]any {
	status := map[lifeboat.ReceiptStatus]string{lifeboat.Accepted: "OPEN", lifeboat.PartialFill: "OPEN", lifeboat.Filled: "FILLED", lifeboat.Canceled: "CANCELLED"}[o.Receipt.Status]
	last := any(nil)
	if !o.Receipt.FilledAt.IsZero() {
		last = o.Receipt.FilledAt.Format(time.RFC3339Nano)
	}
	return map[string]any{"order_id": number(o), "product_id": Product, "user_id": "u", "order_configuration": configuration(o.Terms), "side": strings.ToUpper(string(o.Terms.Side)),
		"client_order_id": o.Client, "status": status, "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": o.At.Format(time.RFC3339Nano), "filled_size": o.Receipt.Filled.String(),
		"average_filled_price": o.Average().String(), "fee": "", "number_of_fills": strconv.Itoa(len(o.Trades)), "filled_value": o.Value().String(), "pending_cancel": false,
		"size_in_quote": false, "total_fees": o.Receipt.Fee.String(), "settled": o.Receipt.Status.Final(), "last_fill_time": last, "reject_reason": "REJECT_REASON_UNSPECIFIED", "reject_message": "", "cancel_message": ""}
}

func configuration(o lifeboat.Order) map[string]any {
	switch {
	case o.Type == lifeboat.Market:
		return map[string]any{"market_market_ioc": map[string]any{"base_size": o.Quantity.String()}}
	case o.Arrival.IsPositive(): // marks an order that was to be filled at once
		return map[string]any{"sor_limit_ioc": map[string]any{"base_size": o.Quantity.String(), "limit_price": o.Limit.String()}}
	}
	return map[string]any{"limit_limit_gtc": map[string]any{"base_size": o.Quantity.String(), "limit_price": o.Limit.String(), "post_only": false}}
}

func (s *Server) list(r *http.Request) (any, *refusal) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > Page {
		return nil, &refusal{400, "INVALID_ARGUMENT", "limit"}
	}
	var since time.Time
	if q.Has("start_date") {
		if since, err = time.Parse(time.RFC3339, q.Get("start_date")); err != nil {
			return nil, &refusal{400, "INVALID_ARGUMENT", "start_date"}
		}
	}
	if status := q.Get("order_status"); status != "" && status != "OPEN" {
		return nil, &refusal{400, "INVALID_ARGUMENT", "order_status"}
	}
	found := []any{}
	for _, o := range slices.Backward(s.listed()) { // newest first
		if !o.At.Before(since) && (!q.Has("order_status") || !o.Receipt.Status.Final()) {
			found = append(found, tell(o))
		}
	}
	from, _ := strconv.Atoi(q.Get("cursor"))
	from = min(from, len(found))
	to := min(from+limit, len(found))
	answer := map[string]any{"orders": found[from:to], "has_next": to < len(found), "cursor": "", "sequence": "0"}
	if to < len(found) {
		answer["cursor"] = strconv.Itoa(to)
	}
	return answer, nil
}

// create holds an order to the documented form.
func (s *Server) create(body []byte) (any, *refusal) {
	var b struct {
		Client  string `json:"client_order_id"`
		Product string `json:"product_id"`
		Side    string `json:"side"`
		Terms   map[string]struct {
			Size     string `json:"base_size"`
			Limit    string `json:"limit_price"`
			PostOnly bool   `json:"post_only"`
		} `json:"order_configuration"`
	}
	if err := strictly(body, &b); err != nil || b.Client == "" || len(b.Terms) != 1 {
		return nil, &refusal{400, "INVALID_ARGUMENT", "the body is not a new order"}
	}
	for _, o := range slices.Backward(s.listed()) {
		if o.Client == b.Client {
			return done(o), nil
		}
	}
	o := lifeboat.Order{Side: lifeboat.Side(strings.ToLower(b.Side)), Type: lifeboat.Limit}
	atOnce := false
	for kind, t := range b.Terms {
		size, err := decimal.NewFromString(t.Size)
		limit, err2 := decimal.NewFromString(t.Limit)
		if kind == "market_market_ioc" {
			o.Type, limit, err2 = lifeboat.Market, decimal.Zero, nil
		}
		atOnce = kind == "sor_limit_ioc"
		switch {
		case kind != "market_market_ioc" && kind != "limit_limit_gtc" && !atOnce:
			return failed("UNSUPPORTED_ORDER_CONFIGURATION"), nil
		case b.Side != "BUY" && b.Side != "SELL":
			return failed("INVALID_SIDE"), nil
		case b.Product != Product || s.Gone:
			return failed("INVALID_PRODUCT_ID"), nil
		case err != nil || !size.IsPositive() || !size.Mod(decimal.RequireFromString(Step)).IsZero():
			return failed("INVALID_SIZE_PRECISION"), nil
		case err2 != nil || !limit.Mod(decimal.RequireFromString(Tick)).IsZero():
			return failed("INVALID_PRICE_PRECISION"), nil
		}
		o.Quantity, o.Limit = size, limit
	}
	if atOnce {
		o.Arrival = o.Limit
	}
	placed, why := s.Place(b.Client, o)
	if why != "" {
		return failed("INSUFFICIENT_FUND"), nil
	}
	if atOnce {
		s.Cancel(placed.ID)
	}
	return done(placed), nil
}

func done(o exchangetest.Order) map[string]any {
	return map[string]any{"success": true, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": number(o), "order_configuration": configuration(o.Terms),
		"success_response": map[string]any{"order_id": number(o), "product_id": Product, "side": strings.ToUpper(string(o.Terms.Side)), "client_order_id": o.Client}}
}

func failed(reason string) map[string]any {
	return map[string]any{"success": false, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "",
		"error_response": map[string]any{"error": reason, "message": "it cannot be", "error_details": "", "preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON", "new_order_failure_reason": reason}}
}

func (s *Server) cancel(body []byte) (any, *refusal) {
	var b struct {
		IDs []string `json:"order_ids"`
	}
	if err := strictly(body, &b); err != nil || len(b.IDs) == 0 {
		return nil, &refusal{400, "INVALID_ARGUMENT", "the body is no list of orders"}
	}
	var results []any
	for _, id := range b.IDs {
		result := map[string]any{"success": false, "failure_reason": "UNKNOWN_CANCEL_ORDER", "order_id": id}
		for _, o := range s.listed() {
			if number(o) == id {
				if _, canceled := s.Cancel(o.ID); canceled {
					result["success"], result["failure_reason"] = true, "UNKNOWN_CANCEL_FAILURE_REASON"
				}
			}
		}
		results = append(results, result)
	}
	return map[string]any{"results": results}, nil
}

func strictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one body")
	}
	return nil
}
