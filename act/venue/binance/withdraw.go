package binance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Own lists the addresses that withdrawals may go to; there are none before.
func (v *Venue) Own(addresses []venue.Address) { v.own = addresses }

// WithdrawalMemory is how long Binance finds a withdrawal by its key when asked without a time.
func (v *Venue) WithdrawalMemory() time.Duration { return 7 * 24 * time.Hour }

// listed is how long a withdrawal may take to appear in its history; the history is no part of the engine, so that it is
// given more time than an order.
const listed = 5 * time.Minute

// Withdraw asks Binance to send an amount to one of the owner's addresses, at most once per key: what the history has under
// the key already is told and not repeated. The receipt is Accepted while it is under way, Performed when Binance has sent it
// (with its transaction under "txid"), NotPerformed when it was refused. An error means that nobody knows; AskWithdrawal then.
func (v *Venue) Withdraw(ctx context.Context, key lifeboat.Key, asked venue.Withdrawal) (lifeboat.Receipt, error) {
	to, quantity := asked.Address, asked.Amount
	switch {
	case !v.owned(to):
		return v.notPerformed(key, "the address is not in the plan's list of the owner's own"), nil
	case !quantity.IsPositive():
		return v.notPerformed(key, fmt.Sprintf("%s is no amount to withdraw", quantity)), nil
	case !fitsKey(key):
		return v.notPerformed(key, "the key is none that Binance takes"), nil
	}
	asset, err := v.assetOf(ctx, to.Symbol)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	w, found, err := v.withdrawal(ctx, key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found && !w.is(asset, to, quantity):
		return v.notPerformed(key, "the key belongs to another withdrawal at Binance"), nil
	case found:
		return v.withdrawn(key, w)
	case v.agreed[key] != "":
		return v.accepted(key), nil
	case v.gate.UnderWay(withdrawalKey(key)):
		return lifeboat.Receipt{}, fault("withdraw", "%s was asked for before and may still arrive; ask for it first", key)
	}
	return v.apply(ctx, key, asset, to, quantity)
}

func (v *Venue) apply(ctx context.Context, key lifeboat.Key, asset string, to venue.Address, quantity decimal.Decimal) (lifeboat.Receipt, error) {
	form := map[string]string{"coin": asset, "network": to.Network, "address": to.Address, "amount": quantity.String(), "withdrawOrderId": string(key), "walletType": "0"}
	if to.Tag != "" {
		form["addressTag"] = to.Tag
	}
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.gate.Send(withdrawalKey(key), stamped.Add(window))
	var answer struct {
		ID string `json:"id"`
	}
	err = v.wire.signed(ctx, rest.Request{Step: "withdraw", Method: "POST", Path: "/sapi/v1/capital/withdraw/apply", Urgent: true}, form, stamped, &answer)
	if err == nil && answer.ID == "" {
		return lifeboat.Receipt{}, fault("withdraw", "the answer does not name the withdrawal")
	}
	if e, ok := rest.As(err); ok {
		switch {
		case !e.Reached || e.Throttled || e.Code == badTime:
			v.gate.Settle(withdrawalKey(key))
			if e.Code == badTime {
				v.wire.forgetTime()
			}
		case e.Refused() && e.Code != "" && !isUnclear(e.Code):
			v.gate.Settle(withdrawalKey(key))
			return v.notPerformed(key, fmt.Sprintf("Binance does not withdraw: %s (code %s)", e.Message, e.Code)), nil
		}
	}
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.gate.Settle(withdrawalKey(key))
	v.agreed[key] = answer.ID
	return v.accepted(key), nil
}

// accepted is the receipt of a withdrawal that Binance has given a number, and does not list yet.
func (v *Venue) accepted(key lifeboat.Key) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.Accepted, VenueID: v.agreed[key]}
}

// AskWithdrawal says where a withdrawal stands. ErrAbsent is a proof within WithdrawalMemory of the first request, by the same
// reasoning as for orders.
func (v *Venue) AskWithdrawal(ctx context.Context, key lifeboat.Key, _ venue.Withdrawal) (lifeboat.Receipt, error) {
	now, err := v.time(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	w, found, err := v.withdrawal(ctx, key)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	if found {
		return v.withdrawn(key, w)
	}
	if v.agreed[key] != "" {
		return v.accepted(key), nil
	}
	if wait := v.gate.Ends(withdrawalKey(key)).Add(listed).Sub(now); wait >= 0 {
		return lifeboat.Receipt{}, fault("ask for withdrawal", "%s is not there, and cannot be proved not to come for another %s", key, wait.Round(time.Second))
	}
	v.gate.Settle(withdrawalKey(key))
	return lifeboat.Receipt{}, fmt.Errorf("ask for withdrawal %s at Binance: %w", key, lifeboat.ErrAbsent)
}

// withdrawal as Binance tells of it.
type withdrawal struct {
	ID      string `json:"id"`
	Key     string `json:"withdrawOrderId"`
	Coin    string `json:"coin"`
	Network string `json:"network"`
	Address string `json:"address"`
	Amount  amount `json:"amount"` // sent, and the fee on top of it
	Fee     amount `json:"transactionFee"`
	Status  *int   `json:"status"`
	TxID    string `json:"txId"`
	Info    string `json:"info"`
}

// withdrawal finds one by its key.
func (v *Venue) withdrawal(ctx context.Context, key lifeboat.Key) (withdrawal, bool, error) {
	var raw json.RawMessage
	if err := v.read(ctx, rest.Request{Step: "ask for withdrawal", Path: "/sapi/v1/capital/withdraw/history", Weight: 1, Urgent: true}, map[string]string{"withdrawOrderId": string(key)}, &raw); err != nil {
		return withdrawal{}, false, err
	}
	var list []withdrawal
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		return withdrawal{}, false, fault("ask for withdrawal", "the answer is no list of withdrawals")
	}
	for _, w := range list {
		if w.Key == string(key) {
			v.gate.Settle(withdrawalKey(key))
			delete(v.agreed, key)
			return w, true, nil
		}
	}
	return withdrawal{}, false, nil
}

func (w withdrawal) is(asset string, to venue.Address, quantity decimal.Decimal) bool {
	sent := w.Amount.d
	return w.Coin == asset && w.Address == to.Address && (w.Network == to.Network || w.Network == "") &&
		(sent.Equal(quantity) || sent.Add(w.Fee.d).Equal(quantity)) // some networks take the fee out of the amount
}

// withdrawn is the receipt of a withdrawal, by Binance's numbers of its states.
func (v *Venue) withdrawn(key lifeboat.Key, w withdrawal) (lifeboat.Receipt, error) {
	if w.Status == nil {
		return lifeboat.Receipt{}, fault("ask for withdrawal", "the answer does not say where %s stands", key)
	}
	r := lifeboat.Receipt{Key: key, Account: v.c.Account, VenueID: w.ID, Facts: map[string]string{"amount": w.Amount.d.String(), "fee": w.Fee.d.String()}}
	switch *w.Status {
	case 0, 2, 4: // a mail was sent, it awaits approval, it is processed
		r.Status = lifeboat.Accepted
	case 1, 3, 5: // cancelled, rejected, failed
		r.Status, r.Why = lifeboat.NotPerformed, "Binance did not withdraw: "+strings.TrimSpace(w.Info)
	case 6:
		r.Status = lifeboat.Performed
		r.Facts["txid"] = w.TxID
	default:
		return lifeboat.Receipt{}, fault("ask for withdrawal", "nobody here knows what its status %s means", strconv.Itoa(*w.Status))
	}
	return r, nil
}

// owned reports an address of the owner's own.
func (v *Venue) owned(to venue.Address) bool { return slices.Contains(v.own, to) }

func (v *Venue) notPerformed(key lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.NotPerformed, Why: why}
}

// withdrawalKey keeps withdrawals apart from orders in the books of the proof.
func withdrawalKey(key lifeboat.Key) lifeboat.Key { return "withdrawal " + key }
