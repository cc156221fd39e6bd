package coinbase_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/coinbase"
	"lifeboat/act/venue/coinbase/coinbasetest"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/act/venue/venuetest"
)

var _ venue.Withdrawer = (*coinbase.Venue)(nil)

const sends = "POST /v2/accounts/BTC/transactions"

var home = venue.Address{Symbol: "BTC", Network: "bitcoin", Address: "bc1qmine"}

// away is an account from which money may leave, and what stands between it and Coinbase.
func away(t *testing.T) venuetest.WithdrawalHarness {
	s := coinbasetest.New()
	spoiled := &exchangetest.Spoiled{Handler: s, Call: sends}
	server := httptest.NewServer(spoiled)
	t.Cleanup(server.Close)
	s.Show("50", 1000)
	return venuetest.WithdrawalHarness{
		Venue: join(t, connection(s, server.URL)), Account: exchangetest.Account, To: home, Amount: decimal.NewFromInt(1), TooMuch: decimal.NewFromInt(1000),
		Made:        s.Sent,
		Send:        func() { s.Send("completed") },
		LoseRequest: func() { spoiled.Status, spoiled.Body, spoiled.After, spoiled.Times = 504, "<html>", false, 1 },
		LoseAnswer:  func() { spoiled.Status, spoiled.Body, spoiled.After, spoiled.Times = 504, "<html>", true, 1 },
		Later:       func() { s.Book.Clock.Add(6 * time.Minute) },
		Reopen:      func() venue.Withdrawer { return join(t, connection(s, server.URL)) },
	}
}

// Money leaves to the owner's own addresses only, once per key whatever becomes of the answer.
func TestWithdrawals(t *testing.T) { venuetest.RunWithdrawals(t, away) }

// A cut at every byte of a request to withdraw, and of its response, leaves exactly one withdrawal.
func TestWithdrawalCutEverywhere(t *testing.T) {
	request, response := exchangetest.CutWithdrawals(t, sends+" ", home, func(t *testing.T, wire func(server string) *http.Client) (venue.Withdrawer, func(), func() int) {
		s := coinbasetest.New()
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		c := connection(s, server.URL)
		c.Client, c.PerMinute = wire(server.Listener.Addr().String()), 1e9
		s.Show("50", 1000)
		return join(t, c), func() { s.Book.Clock.Add(6 * time.Minute) }, s.Sent
	})
	if request < 300 || response < 300 {
		t.Errorf("the wire was cut in %d bytes of requests and %d of responses only", request, response)
	}
	t.Logf("cut at %d bytes of the request and %d of the response", request, response)
}

// What Coinbase refuses is told with what it wants, and nothing has left.
func TestRefusedWithdrawals(t *testing.T) {
	for name, tc := range map[string]struct {
		answer exchangetest.Spoiled
		says   string
	}{
		"a second factor": {exchangetest.Spoiled{Status: 402, Body: `{"errors":[{"id":"two_factor_required","message":"Two-step verification code required"}]}`}, "lifeboat cannot give: send it by hand"},
		"the travel rule": {exchangetest.Spoiled{Status: 400, Body: `{"errors":[{"id":"validation_error","message":"Travel rule data is missing"}]}`}, "as the travel rule of your country asks"},
		"who you are":     {exchangetest.Spoiled{Status: 400, Body: `{"errors":[{"id":"identity_verification_required","message":"Identity verification is required"}]}`}, "it wants to know more of you first"},
		"the key":         {exchangetest.Spoiled{Status: 403, Body: `{"errors":[{"id":"invalid_scope","message":"Invalid scope"}]}`}, "may not transfer"},
		"the address":     {exchangetest.Spoiled{Status: 400, Body: `{"errors":[{"id":"validation_error","message":"Please enter a valid email or bitcoin address"}]}`}, "a valid email or bitcoin address (validation_error)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := coinbasetest.New()
			tc.answer.Handler, tc.answer.Call, tc.answer.Times = s, sends, 1
			server := httptest.NewServer(&tc.answer)
			t.Cleanup(server.Close)
			s.Show("50", 1000)
			v := join(t, connection(s, server.URL))
			v.Own([]venue.Address{home})
			r, err := v.Withdraw(t.Context(), "lb-refused", venue.Withdrawal{Address: home, Amount: decimal.NewFromInt(1)})
			if err != nil || r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, tc.says) || s.Sent() != 0 {
				t.Errorf("%+v, %v, %d sent", r, err, s.Sent())
			}
		})
	}
}

// Answers that cannot be believed leave the end open; one that was taken is never asked for a second time meanwhile.
func TestBadAnswersToAWithdrawal(t *testing.T) {
	for name, body := range map[string]string{
		"a page":              "<html>welcome</html>",
		"nothing":             "",
		"no number":           `{"data":{"status":"pending"}}`,
		"a number that leads": `{"data":{"id":"../../x","status":"pending"}}`,
		"two signs":           `{"data":{"id":"7","status":"pending","amount":{"amount":"--1","currency":"BTC"}}}`,
		"an unknown state":    `{"data":{"id":"7","type":"send","status":"levitating","amount":{"amount":"-1","currency":"BTC"},"to":{"address":"bc1qmine"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := coinbasetest.New()
			server := httptest.NewServer(&exchangetest.Spoiled{Handler: s, Call: sends, Status: 201, Body: body, After: true, Times: 1})
			t.Cleanup(server.Close)
			s.Show("50", 1000)
			v := join(t, connection(s, server.URL))
			v.Own([]venue.Address{home})
			w := venue.Withdrawal{Address: home, Amount: decimal.NewFromInt(1)}
			if r, err := v.Withdraw(t.Context(), "lb-bad", w); err == nil {
				t.Errorf("it is believed: %+v", r)
			}
			s.Hide(true)
			if _, err := v.Withdraw(t.Context(), "lb-bad", w); err == nil || s.Sent() != 1 {
				t.Errorf("asked for again: %v, %d sent", err, s.Sent())
			}
			s.Hide(false)
			if r, err := v.AskWithdrawal(t.Context(), "lb-bad", w); err != nil || r.Status != lifeboat.Accepted || s.Sent() != 1 {
				t.Errorf("%+v, %v, %d sent", r, err, s.Sent())
			}
			s.Send("canceled")
			if r, err := v.AskWithdrawal(t.Context(), "lb-bad", w); err != nil || r.Status != lifeboat.NotPerformed || !strings.Contains(r.Why, "canceled") {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}
