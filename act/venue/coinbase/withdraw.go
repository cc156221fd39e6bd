package coinbase

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// Own lists the addresses that withdrawals may go to; there are none before.
func (v *Venue) Own(addresses []venue.Address) { v.own = addresses }

// WithdrawalMemory is how far back a wallet's transactions are searched for a key.
func (v *Venue) WithdrawalMemory() time.Duration { return remembered }

// listed is how long a withdrawal may take to appear among the transactions; they are no part of the engine, so that they are
// given more time than an order.
const listed = 5 * time.Minute

// Withdraw asks Coinbase to send an amount to one of the owner's addresses, at most once per key: what the wallet's
// transactions have under the key already is told and not repeated. Coinbase says that it makes no second transaction under
// an idem either; nothing here relies on that alone.
func (v *Venue) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	switch {
	case !slices.Contains(v.own, w.Address):
		return v.unsent(key, notOwned), nil
	case !w.Amount.IsPositive():
		return v.unsent(key, fmt.Sprintf("%s is no amount to withdraw", w.Amount)), nil
	}
	from, why, err := v.walletOf(ctx, w.Symbol)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case why != "":
		return v.unsent(key, why), nil
	}
	there, found, err := v.sentUnder(ctx, from, key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.sent(key, there, from.Currency, w)
	case v.agreed[key] != "":
		return v.taken(key), nil
	case v.gate.UnderWay(withdrawalKey(key)):
		return lifeboat.Receipt{}, fault("withdraw", "%s was asked for before and may still arrive; ask for it first", key)
	}
	return v.send(ctx, key, from, w)
}

// send makes the one request.
func (v *Venue) send(ctx context.Context, key lifeboat.Key, from wallet, w venue.Withdrawal) (lifeboat.Receipt, error) {
	body := map[string]string{"type": "send", "to": w.Address.Address, "amount": w.Amount.String(), "currency": from.Currency, "idem": idem(key), "network": w.Network}
	if w.Tag != "" {
		body["destination_tag"] = w.Tag
	}
	stamped, err := v.stamp(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	v.gate.Send(withdrawalKey(key), stamped.Add(life))
	var answer struct {
		Data *transaction `json:"data"`
	}
	err = v.wire.signed(ctx, rest.Request{Step: "withdraw", Method: "POST", Path: transactionsOf(from), Body: body, Urgent: true}, stamped, &answer)
	if e, ok := rest.As(err); ok {
		switch {
		case !e.Reached || e.Throttled:
			v.gate.Settle(withdrawalKey(key))
		case e.Status == 401: // the token was not accepted, for its key or for the clock
			v.gate.Settle(withdrawalKey(key))
			v.wire.forgetTime()
		case e.Refused() && e.Code != "":
			v.gate.Settle(withdrawalKey(key))
			return v.unsent(key, fmt.Sprintf("Coinbase does not withdraw: %s (%s)%s", e.Message, e.Code, wanted(e))), nil
		}
	}
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case answer.Data == nil || !fitsPath(answer.Data.ID):
		return lifeboat.Receipt{}, fault("withdraw", "the answer does not name the withdrawal")
	}
	r, err := v.sent(key, *answer.Data, from.Currency, w)
	if err == nil {
		v.gate.Settle(withdrawalKey(key))
		v.agreed[key] = answer.Data.ID
	}
	return r, err
}

// wanted says what a refusal is about that lifeboat can do nothing about.
func wanted(e *rest.Error) string {
	switch {
	case e.Code == "two_factor_required" || e.Status == 402:
		return "; it wants a second factor, which lifeboat cannot give: send it by hand"
	case strings.Contains(strings.ToLower(e.Message), "travel"):
		return "; it wants to be told who receives, as the travel rule of your country asks, which lifeboat does not tell: send it by hand"
	case strings.HasSuffix(e.Code, "_required") && e.Code != "param_required", e.Code == "unverified_email":
		return "; it wants to know more of you first: see to it at Coinbase"
	case e.Code == "invalid_scope":
		return "; the key that lifeboat has may not transfer"
	}
	return ""
}

// AskWithdrawal says where a withdrawal stands. ErrAbsent is a proof within WithdrawalMemory of the first request, by the same
// reasoning as for orders.
func (v *Venue) AskWithdrawal(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	now, err := v.time(ctx)
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	from, why, err := v.walletOf(ctx, w.Symbol)
	if err == nil && why != "" {
		err = fault("ask for withdrawal", "%s", why)
	}
	if err != nil {
		return lifeboat.Receipt{}, err
	}
	there, found, err := v.sentUnder(ctx, from, key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case found:
		return v.standing(key, there)
	case v.agreed[key] != "":
		return v.taken(key), nil
	}
	if wait := v.gate.Ends(withdrawalKey(key)).Add(listed).Sub(now); wait >= 0 {
		return lifeboat.Receipt{}, fault("ask for withdrawal", "%s is not there, and cannot be proved not to come for another %s", key, wait.Round(time.Second))
	}
	v.gate.Settle(withdrawalKey(key))
	return lifeboat.Receipt{}, fmt.Errorf("ask for withdrawal %s at Coinbase: %w", key, lifeboat.ErrAbsent)
}

const notOwned = "the address is not in the plan's list of the owner's own"

// Terms reads what a withdrawal would do. Coinbase has no call that names its fee, its bounds or its list of permitted addresses
// beforehand; people are told so.
func (v *Venue) Terms(ctx context.Context, w venue.Withdrawal) (venue.Terms, error) {
	t := venue.Terms{Asset: v.assetOf(w.Symbol), FeeOnTop: true, Notes: []string{
		"Coinbase does not say whether its list of permitted addresses is switched on; if it is, the address must be on it",
	}}
	if !slices.Contains(v.own, w.Address) {
		t.Obstacles = append(t.Obstacles, notOwned)
	}
	var p struct {
		Transfer *bool `json:"can_transfer"`
	}
	if err := v.read(ctx, rest.Request{Step: "ask for the key's rights", Path: "/api/v3/brokerage/key_permissions", Urgent: true}, &p); err != nil {
		return t, err
	}
	switch {
	case p.Transfer == nil:
		return t, fault("ask for the key's rights", "the answer does not say whether it may transfer")
	case !*p.Transfer:
		t.Obstacles = append(t.Obstacles, "the key that lifeboat has may not transfer at Coinbase")
	}
	from, why, err := v.walletOf(ctx, w.Symbol)
	if why != "" {
		t.Obstacles = append(t.Obstacles, why)
	} else if err == nil {
		t.Free = from.Available.Value.d
	}
	return t, err
}

// assetOf is Coinbase's name of a symbol of the plan.
func (v *Venue) assetOf(symbol string) string {
	if symbol == v.c.Currency {
		return v.cash
	}
	asset, _, _ := strings.Cut(v.theirs(symbol), "-")
	return asset
}

// walletOf is the one wallet from which a symbol can leave; the text says why there is none. Vaults are opened by people only.
func (v *Venue) walletOf(ctx context.Context, symbol string) (found wallet, why string, err error) {
	asset := v.assetOf(symbol)
	all, err := v.accounts(ctx)
	if err != nil {
		return wallet{}, "", err
	}
	all = slices.DeleteFunc(all, func(w wallet) bool { return w.Currency != asset || w.Type == "ACCOUNT_TYPE_VAULT" })
	switch {
	case len(all) != 1:
		return wallet{}, fmt.Sprintf("Coinbase shows %d wallets of %s to the key that lifeboat has, and one is needed", len(all), asset), nil
	case all[0].Available == nil || !fitsPath(all[0].ID):
		return wallet{}, "", fault("ask for the accounts", "the wallet of %s has no balance or no number", asset)
	}
	return all[0], "", nil
}

func transactionsOf(w wallet) string { return "/v2/accounts/" + w.ID + "/transactions" }

// transaction of a wallet, as the documents of the Coinbase App tell of one.
type transaction struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Idem    string `json:"idem"`
	Created moment `json:"created_at"`
	Amount  money  `json:"amount"` // with the fee
	Network struct {
		Hash   string `json:"hash"`
		Fee    money  `json:"transaction_fee"`
		Amount money  `json:"transaction_amount"` // that arrives
	} `json:"network"`
	To struct {
		Address string `json:"address"`
	} `json:"to"`
}

type money struct {
	Amount   debited `json:"amount"`
	Currency string  `json:"currency"`
}

// debited is an amount whose sign says which way it went.
type debited struct {
	amount
	out bool
}

func (d *debited) UnmarshalJSON(text []byte) error {
	unsigned, out := bytes.CutPrefix(bytes.Trim(text, `"`), []byte("-"))
	d.out = out
	if bytes.HasPrefix(unsigned, []byte("-")) {
		return errors.New("an amount that is none")
	}
	return d.amount.UnmarshalJSON(unsigned)
}

// is reports the withdrawal that was asked for.
func (t transaction) is(asset string, w venue.Withdrawal) bool {
	left, fee := t.Amount.Amount.d, t.Network.Fee.Amount.d
	return t.Type == "send" && t.Amount.Amount.out && t.Amount.Currency == asset && t.To.Address == w.Address.Address &&
		(left.Equal(w.Amount) || left.Sub(fee).Equal(w.Amount) || t.Network.Amount.Amount.d.Equal(w.Amount))
}

// sentUnder finds the transaction of a key among those of the time that is remembered, newest first.
func (v *Venue) sentUnder(ctx context.Context, from wallet, key lifeboat.Key) (transaction, bool, error) {
	const step = "ask for withdrawal"
	oldest := v.c.Clock.Now().Add(v.wire.offset - remembered - time.Hour)
	query := url.Values{"limit": {strconv.Itoa(page)}, "order": {"desc"}}
	for range pages {
		var answer struct {
			Pagination struct {
				Next string `json:"next_uri"`
			} `json:"pagination"`
			Data *[]transaction `json:"data"`
		}
		if err := v.read(ctx, rest.Request{Step: step, Path: transactionsOf(from), Query: query, Urgent: true}, &answer); err != nil {
			return transaction{}, false, err
		}
		if answer.Data == nil {
			return transaction{}, false, fault(step, "the answer is no list of transactions")
		}
		list := *answer.Data
		for _, t := range list {
			if t.Idem == idem(key) {
				v.gate.Settle(withdrawalKey(key))
				delete(v.agreed, key)
				return t, true, nil
			}
		}
		if answer.Pagination.Next == "" || len(list) > 0 && !list[len(list)-1].Created.IsZero() && list[len(list)-1].Created.Before(oldest) {
			return transaction{}, false, nil
		}
		if len(list) == 0 || list[len(list)-1].ID == query.Get("starting_after") {
			return transaction{}, false, fault(step, "it has more, and does not say how to go on")
		}
		query.Set("starting_after", list[len(list)-1].ID)
	}
	return transaction{}, false, fault(step, "there are more than %d transactions", page*pages)
}

// sent is the receipt of a transaction, if it is the withdrawal that was asked for.
func (v *Venue) sent(key lifeboat.Key, t transaction, asset string, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if !t.is(asset, w) {
		return v.unsent(key, "the key belongs to another withdrawal at Coinbase"), nil
	}
	return v.standing(key, t)
}

// standing is the receipt of a transaction, by Coinbase's words for its states.
func (v *Venue) standing(key lifeboat.Key, t transaction) (lifeboat.Receipt, error) {
	r := lifeboat.Receipt{Key: key, Account: v.c.Account, VenueID: t.ID, Facts: map[string]string{"amount": t.Amount.Amount.d.String(), "fee": t.Network.Fee.Amount.d.String()}}
	switch t.Status {
	case "pending", "waiting_for_clearing", "waiting_for_signature":
		r.Status = lifeboat.Accepted
	case "completed":
		r.Status = lifeboat.Performed
		r.Facts["txid"] = t.Network.Hash
	case "canceled", "expired", "failed":
		r.Status, r.Why = lifeboat.NotPerformed, "Coinbase did not send it: the withdrawal is "+t.Status
	default:
		return lifeboat.Receipt{}, fault("ask for withdrawal", "nobody here knows what its status %q means", t.Status)
	}
	return r, nil
}

// taken is the receipt of a withdrawal that Coinbase has given a number, and does not list yet.
func (v *Venue) taken(key lifeboat.Key) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.Accepted, VenueID: v.agreed[key]}
}

func (v *Venue) unsent(key lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: lifeboat.NotPerformed, Why: why}
}

// idem is the UUID that stands for a key at Coinbase, in lower case and marked as version 4, as it wants one.
func idem(key lifeboat.Key) string {
	sum := sha256.Sum256([]byte(key))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// withdrawalKey keeps withdrawals apart from orders in the books of the proof.
func withdrawalKey(key lifeboat.Key) lifeboat.Key { return "withdrawal " + key }
