package exchangetest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
)

// CutWithdrawals asks for withdrawals over wires that break at every byte of the request, and then of the response to it, and
// finds out what became of each as a desk does: there is one for each key. It returns how many bytes there were. Open joins a
// fresh account through the wire; later lets a miss become a proof, made counts what the exchange has taken in.
func CutWithdrawals(t *testing.T, marked string, to venue.Address, open func(t *testing.T, wire func(server string) *http.Client) (v venue.Withdrawer, later func(), made func() int)) (request, response int) {
	t.Helper()
	for whole := false; !whole; {
		whole = cutWithdrawals(t, marked, to, open, func(i int) Cut { return Cut{Request: request + i, Response: -1} }, &request)
	}
	for whole := false; !whole; {
		whole = cutWithdrawals(t, marked, to, open, func(i int) Cut { return Cut{Request: -1, Response: response + i} }, &response)
	}
	return request, response
}

// cutWithdrawals cuts some bytes further on an account of its own, and says whether the last cut lay behind the end.
func cutWithdrawals(t *testing.T, marked string, to venue.Address, open func(*testing.T, func(string) *http.Client) (venue.Withdrawer, func(), func() int), where func(int) Cut, done *int) bool {
	t.Helper()
	var wire *Wire
	v, later, made := open(t, func(server string) *http.Client {
		wire = NewWire(t, server, marked)
		return wire.Client()
	})
	v.Own([]venue.Address{to})
	w := venue.Withdrawal{Address: to, Amount: decimal.NewFromInt(1)}
	later()
	const cuts = 25
	for i := range cuts {
		key := lifeboat.NewKey("cut", where(i).Request, where(i).Response)
		wire.Next(where(i))
		_, err := v.Withdraw(t.Context(), key, w)
		whole := err == nil
		for range 5 {
			if err == nil {
				break
			}
			_, err = v.AskWithdrawal(t.Context(), key, w)
			switch {
			case errors.Is(err, lifeboat.ErrAbsent):
				_, err = v.Withdraw(t.Context(), key, w)
			case err != nil:
				later()
			}
		}
		if err != nil || made() != i+1 {
			t.Fatalf("cut at %+v: %v, %d withdrawals instead of %d", where(i), err, made(), i+1)
		}
		if whole {
			*done += i
			return true
		}
	}
	*done += cuts
	return false
}
