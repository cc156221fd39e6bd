package ibkr_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/ibkr"
	"lifeboat/act/venue/ibkr/ibkrtest"
)

// scripted is a clock whose sleeps are counted: something may happen at one of them, and after so many it is over.
type scripted struct {
	*ibkrtest.Clock
	at     map[int]func()
	slept  int
	limit  int
	cancel context.CancelFunc
}

func (s *scripted) context(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	s.cancel = cancel
	return ctx
}

func (s *scripted) Sleep(ctx context.Context, until time.Time) error {
	if until.Sub(s.Now()) < 30*time.Second {
		return s.Clock.Sleep(ctx, until) // only waiting for its turn
	}
	s.slept++
	if happens := s.at[s.slept]; happens != nil {
		happens()
	}
	if s.slept == s.limit {
		s.cancel()
	}
	return s.Clock.Sleep(ctx, until)
}

// Whatever comes back instead of an answer ends in an error that names the venue and the step, never in a proof or a
// receipt, and nothing is lost: once the gateway is itself again, there is one order.
func TestBadAnswers(t *testing.T) {
	page := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	torn := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4096")
		_, _ = w.Write([]byte(`{"orders":[{"orderId":`))
	}
	answers := map[string]http.HandlerFunc{
		"500":            page(500, "application/json", `{"error":"internal error","statusCode":500}`),
		"502 with HTML":  page(502, "text/html", `<html>Bad Gateway</html>`),
		"503":            page(503, "application/json", `{"error":"timeout","statusCode":503}`),
		"429":            page(429, "application/json", ``),
		"HTML":           page(200, "text/html", `<html>Welcome</html>`),
		"empty":          page(200, "application/json", ``),
		"another shape":  page(200, "application/json", `{"orders":7,"secdef":7,"accounts":7,"order_id":{},"authenticated":"x","buyingpower":7}`),
		"a number":       page(200, "application/json", `17`),
		"torn":           torn,
		"nested too far": page(200, "application/json", strings.Repeat("[", 100_000)),
	}
	paths := []string{"/iserver/auth/status", "/iserver/accounts", "/portfolio/accounts", "/trsrv/stocks", "/trsrv/secdef", "/iserver/account/DU1234567/orders",
		"/iserver/account/orders", "/iserver/account/trades", "/portfolio/DU1234567/positions/0", "/portfolio/DU1234567/ledger", "/portfolio/DU1234567/summary"}
	for name, bad := range answers {
		for _, path := range paths {
			t.Run(name+strings.ReplaceAll(path, "/", " "), func(t *testing.T) {
				b := ibkrtest.Open(t, nil)
				spoilt := true
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if spoilt && strings.TrimPrefix(r.URL.Path, "/v1/api") == path {
						bad(w, r)
						return
					}
					b.Gateway.ServeHTTP(w, r)
				}))
				defer server.Close()
				v := connect(t, b, server.URL+"/v1/api", nil)
				at := b.Quote("50", 1000)
				o := sell("one", 1, "60")
				failed := 0
				for _, err := range spoiltSteps(t, v, at, o, b) {
					if err == nil {
						continue
					}
					failed++
					if !strings.HasPrefix(err.Error(), "Interactive Brokers: ") || strings.ContainsAny(err.Error(), "<{\n") {
						t.Errorf("it says %v", err)
					}
				}
				if failed == 0 {
					t.Errorf("nobody noticed")
				}
				spoilt = false
				var r lifeboat.Receipt
				err := errors.New("not asked yet")
				for n := 0; n < 3 && err != nil; n++ { // as the flow does, at its next rounds
					at = b.Clock.Pass(2 * time.Minute)
					if r, err = v.Ask(t.Context(), at, o.ID); errors.Is(err, lifeboat.ErrAbsent) {
						r, err = v.Place(t.Context(), at, o)
					}
				}
				if err != nil || r.Status != lifeboat.Accepted || len(b.Gateway.Paper().Orders()) != 1 {
					t.Errorf("in the end: %+v, %v, %d orders", r, err, len(b.Gateway.Paper().Orders()))
				}
			})
		}
	}
}

func spoiltSteps(t *testing.T, v *ibkr.Venue, at time.Time, o lifeboat.Order, b *ibkrtest.Bench) []error {
	_, placed := v.Place(t.Context(), at, o)
	b.Clock.Pass(time.Minute)
	_, asked := v.Ask(t.Context(), at, "lb-other")
	if errors.Is(asked, lifeboat.ErrAbsent) {
		asked = nil
	}
	b.Clock.Pass(time.Minute)
	_, stated := v.State(t.Context(), at)
	return []error{placed, asked, stated}
}

// Figures that cannot be true are refused with the place where they stand, and no proof is made of them.
func TestImpossibleFigures(t *testing.T) {
	order := `"orderId":17,"acct":"DU1234567","conid":756733,"ticker":"SPY","side":"SELL","status":"Submitted","origOrderType":"LIMIT","price":"60","order_ref":"lb-x"`
	for name, tc := range map[string]struct{ path, body, want string }{
		"a fill below nothing":     {"/iserver/account/orders", `{"snapshot":true,"orders":[{` + order + `,"totalSize":5,"filledQuantity":-1}]}`, "below zero"},
		"more than all filled":     {"/iserver/account/orders", `{"snapshot":true,"orders":[{` + order + `,"totalSize":5,"filledQuantity":6}]}`, "filled 6 of 5"},
		"an order without number":  {"/iserver/account/orders", `{"snapshot":true,"orders":[{"order_ref":"lb-x"}]}`, "no number"},
		"a status of no meaning":   {"/iserver/account/orders", `{"snapshot":true,"orders":[{` + strings.Replace(order, "Submitted", "Enchanted", 1) + `,"totalSize":5,"filledQuantity":0}]}`, "Enchanted"},
		"two orders under a key":   {"/iserver/account/orders", `{"snapshot":true,"orders":[{` + order + `,"totalSize":5},{` + order + `,"totalSize":5}]}`, "2 orders under the key"},
		"a quantity without end":   {"/iserver/account/orders", `{"snapshot":true,"orders":[{` + order + `,"totalSize":1e999999999}]}`, "JSON"},
		"a list that never begins": {"/iserver/account/orders", `{"snapshot":false,"orders":[]}`, "not ready"},
		"a price below zero":       {"/iserver/account/trades", `[{"execution_id":"a.01","order_ref":"lb-x","conid":756733,"size":1,"price":"-5","trade_time_r":1584367200000}]`, "cannot be right"},
		"an execution of nothing":  {"/iserver/account/trades", `[{"execution_id":"a.01","order_ref":"lb-x","conid":756733,"size":0,"price":"5","trade_time_r":1584367200000}]`, "cannot be right"},
		"an execution of no time":  {"/iserver/account/trades", `[{"execution_id":"a.01","order_ref":"lb-x","conid":756733,"size":1,"price":"5","trade_time_r":0}]`, "cannot be right"},
	} {
		t.Run(name, func(t *testing.T) {
			b := ibkrtest.Open(t, nil)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, tc.path) {
					_, _ = w.Write([]byte(tc.body))
					return
				}
				b.Gateway.ServeHTTP(w, r)
			}))
			defer server.Close()
			v := connect(t, b, server.URL+"/v1/api", nil)
			at := b.Quote("50", 1000)
			_, err := v.Ask(t.Context(), at, "lb-x")
			if err == nil || errors.Is(err, lifeboat.ErrAbsent) || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "Interactive Brokers: ask for order") {
				t.Errorf("it says %v", err)
			}
		})
	}
}
