package coinbasetest

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

const (
	networkFee = "0.0001" // taken on top of what is sent
	short      = 2        // transactions on a page, so that pages are turned
)

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// app answers the calls of the Coinbase App (v2) to a wallet, by the pages Send Crypto, Transactions and Error Messages of
// docs.cdp.coinbase.com. A withdrawal leaves the balance as it is.
func (s *Server) app(r *http.Request, path string, body []byte) (any, *refusal) {
	if path != "/accounts/BTC/transactions" {
		return nil, &refusal{404, "not_found", "Not found"}
	}
	if r.Method == http.MethodPost {
		return s.sendMoney(body)
	}
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"limit", "order", "starting_after"}, name) {
			return nil, &refusal{400, "param_invalid", "unknown parameter " + name}
		}
	}
	if n, err := strconv.Atoi(q.Get("limit")); err != nil || n < 1 || n > 100 || q.Get("order") != "desc" {
		return nil, &refusal{400, "invalid_request", "limit"}
	}
	all := []map[string]any{}
	if !s.hidden {
		all = slices.Clone(s.sends)
	}
	all = append([]map[string]any{{"id": "4117f7d6-5694-5b36-bc8f-847509850ea4", "type": "buy", "status": "completed", "amount": amountOf("486.34313725"),
		"native_amount": map[string]any{"amount": "4863.43", "currency": "USD"}, "description": nil, "created_at": s.now().Add(-time.Hour).Format(time.RFC3339), "resource": "transaction"}}, all...)
	slices.Reverse(all)
	if after := q.Get("starting_after"); after != "" {
		all = all[1+slices.IndexFunc(all, func(t map[string]any) bool { return t["id"] == after }):]
	}
	next := any(nil)
	if len(all) > short {
		all, next = all[:short], "/v2/accounts/BTC/transactions?starting_after="+all[short-1]["id"].(string)
	}
	return map[string]any{"pagination": map[string]any{"ending_before": nil, "starting_after": nil, "limit": 25, "order": "desc", "previous_uri": nil, "next_uri": next}, "data": all}, nil
}

func amountOf(text string) map[string]any { return map[string]any{"amount": text, "currency": "BTC"} }

// sendMoney holds a request to the documented parameters. A previous transaction under the idem is answered, and none made.
func (s *Server) sendMoney(body []byte) (any, *refusal) {
	var b struct {
		Type     string `json:"type"`
		To       string `json:"to"`
		Amount   string `json:"amount"`
		Currency string `json:"currency"`
		Idem     string `json:"idem"`
		Tag      string `json:"destination_tag"`
		Network  string `json:"network"`
	}
	if err := strictly(body, &b); err != nil || b.Type != "send" || b.To == "" {
		return nil, &refusal{400, "param_required", "Missing parameter"}
	}
	amount, err := decimal.NewFromString(b.Amount)
	free, _ := s.Balance("BTC")
	switch {
	case s.NoTransfers:
		return nil, &refusal{403, "invalid_scope", "Invalid scope"}
	case s.Refuses != "":
		return nil, &refusal{400, "validation_error", s.Refuses}
	case !uuid4.MatchString(b.Idem):
		return nil, &refusal{400, "validation_error", "Idem must be a valid UUID"}
	case b.Currency != "BTC" || b.Network != "bitcoin":
		return nil, &refusal{400, "validation_error", "Network is not supported for the currency"}
	case err != nil || !amount.IsPositive() || amount.Exponent() < -8:
		return nil, &refusal{400, "validation_error", "Amount is invalid"}
	}
	for _, t := range s.sends {
		if t["idem"] == b.Idem {
			return map[string]any{"data": t}, nil
		}
	}
	left := amount.Add(decimal.RequireFromString(networkFee))
	if left.GreaterThan(free) {
		return nil, &refusal{400, "validation_error", "You don't have that much."}
	}
	id := fmt.Sprintf("3c04e35e-8e5a-5ff1-9155-%012d", len(s.sends))
	t := map[string]any{"id": id, "type": "send", "status": "pending", "idem": b.Idem, "amount": amountOf("-" + left.StringFixed(8)), "native_amount": map[string]any{"amount": "-1.00", "currency": "USD"},
		"description": nil, "created_at": s.now().UTC().Format(time.RFC3339), "resource": "transaction", "resource_path": "/v2/accounts/BTC/transactions/" + id,
		"network": map[string]any{"status": "pending", "transaction_fee": amountOf(networkFee), "transaction_amount": amountOf(amount.String())},
		"to":      map[string]any{"resource": "bitcoin_address", "address": b.To}}
	s.sends = append(s.sends, t)
	return map[string]any{"data": t}, nil
}

// Hide lets the list of transactions lag behind what was taken.
func (s *Server) Hide(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = on
}

// Send lets all that was taken end with a status: completed, canceled.
func (s *Server) Send(status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.sends {
		t["status"] = status
		if status == "completed" {
			network := t["network"].(map[string]any)
			network["status"], network["hash"], network["network_name"] = "confirmed", "463397c87bed", "bitcoin"
		}
	}
}

// Sent is how many withdrawals were taken in.
func (s *Server) Sent() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sends)
}

// isApp tells the calls of the Coinbase App from those of Advanced Trade, whose errors have another form.
func isApp(path string) (string, bool) { return strings.CutPrefix(path, "/v2") }
