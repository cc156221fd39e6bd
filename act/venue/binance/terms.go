package binance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat/act/venue"
	"lifeboat/act/venue/rest"
)

// assetOf is Binance's name of a symbol of the plan: what stands for the base currency, what the symbol's pair trades, or the
// symbol itself where it has no pair.
func (v *Venue) assetOf(ctx context.Context, symbol string) (string, error) {
	pair, listed := v.pairs[symbol]
	switch {
	case symbol == v.c.Currency:
		return v.cash, nil
	case !listed:
		return symbol, nil
	}
	r, found, err := v.rulesOf(ctx, pair)
	if err == nil && !found {
		err = fault("ask for the rules of "+pair, "Binance knows no such pair any more, so that nobody can say what %s is called there", symbol)
	}
	return r.base, err
}

// coin is what Binance says of an asset and the networks on which it moves.
type coin struct {
	Coin     string `json:"coin"`
	Out      *bool  `json:"withdrawAllEnable"`
	Free     amount `json:"free"`
	Networks []struct {
		Network string `json:"network"`
		Out     *bool  `json:"withdrawEnable"`
		Why     string `json:"withdrawDesc"` // while it is closed
		Fee     amount `json:"withdrawFee"`
		Least   amount `json:"withdrawMin"`
		Most    amount `json:"withdrawMax"`
		Step    amount `json:"withdrawIntegerMultiple"`
		Tag     bool   `json:"withdrawTag"` // the network wants a memo
		Busy    bool   `json:"busy"`
		Minutes int    `json:"estimatedArrivalTime"`
	} `json:"networkList"`
}

// Terms reads what a withdrawal would do: what is free, the fee and the bounds of the network, whether withdrawals are open and
// the key may make them, and whether the address is on Binance's own list.
func (v *Venue) Terms(ctx context.Context, w venue.Withdrawal) (venue.Terms, error) {
	asset, err := v.assetOf(ctx, w.Symbol)
	if err != nil {
		return venue.Terms{}, err
	}
	t := venue.Terms{Asset: asset}
	if !v.owned(w.Address) {
		t.Obstacles = append(t.Obstacles, "the address is not in the plan's list of the owner's own")
	}
	may, err := v.mayWithdraw(ctx)
	if err != nil {
		return t, err
	}
	if !may {
		t.Obstacles = append(t.Obstacles, "the key that lifeboat has may not withdraw at Binance")
	}
	if err := v.network(ctx, w, &t); err != nil {
		return t, err
	}
	return t, v.listedAddress(ctx, w, &t)
}

func (v *Venue) mayWithdraw(ctx context.Context) (bool, error) {
	var p struct {
		Withdraw *bool `json:"enableWithdrawals"`
	}
	if err := v.read(ctx, rest.Request{Step: "ask for the key's rights", Path: "/sapi/v1/account/apiRestrictions", Weight: 1, Urgent: true}, map[string]string{}, &p); err != nil {
		return false, err
	}
	if p.Withdraw == nil {
		return false, fault("ask for the key's rights", "the answer does not say whether it may withdraw")
	}
	return *p.Withdraw, nil
}

// network fills in what Binance says of the asset on its network.
func (v *Venue) network(ctx context.Context, w venue.Withdrawal, t *venue.Terms) error {
	var coins []coin
	if err := v.read(ctx, rest.Request{Step: "ask for the networks", Path: "/sapi/v1/capital/config/getall", Weight: 10, Urgent: true}, map[string]string{}, &coins); err != nil {
		return err
	}
	add := func(format string, args ...any) { t.Obstacles = append(t.Obstacles, fmt.Sprintf(format, args...)) }
	i := slices.IndexFunc(coins, func(c coin) bool { return c.Coin == t.Asset })
	if i < 0 {
		add("Binance has no asset %s", t.Asset)
		return nil
	}
	c := coins[i]
	t.Free = c.Free.d
	if c.Out == nil || !*c.Out {
		add("Binance lets no %s out at present", t.Asset)
	}
	var names []string
	for _, n := range c.Networks {
		if names = append(names, n.Network); n.Network != w.Network {
			continue
		}
		t.Fee, t.Least, t.Most, t.Step, t.Takes = n.Fee.d, n.Least.d, n.Most.d, n.Step.d, time.Duration(n.Minutes)*time.Minute
		switch {
		case n.Out == nil || !*n.Out:
			add("Binance lets no %s out on %s at present: %s", t.Asset, w.Network, cmp.Or(v.scrubbed(n.Why), "it does not say why"))
		case n.Tag && w.Tag == "":
			add("the network %s wants a tag, and the step has none", w.Network)
		case n.Busy:
			t.Notes = append(t.Notes, "The network is busy, says Binance")
		}
		return nil
	}
	add("Binance does not move %s on a network %s; it names %s", t.Asset, w.Network, strings.Join(names, ", "))
	return nil
}

// listedAddress says whether the address is on Binance's own list of permitted ones. Binance does not tell whether that list
// is switched on, so that a missing entry is for people to judge.
func (v *Venue) listedAddress(ctx context.Context, w venue.Withdrawal, t *venue.Terms) error {
	var raw json.RawMessage
	if err := v.read(ctx, rest.Request{Step: "ask for the address list", Path: "/sapi/v1/capital/withdraw/address/list", Weight: 10, Urgent: true}, map[string]string{}, &raw); err != nil {
		return err
	}
	var known []struct {
		Address, Coin, Network string
		Tag                    string `json:"addressTag"`
		White                  bool   `json:"whiteStatus"`
	}
	if err := json.Unmarshal(raw, &known); err != nil || known == nil {
		return fault("ask for the address list", "the answer is no list of addresses")
	}
	for _, a := range known {
		if a.White && a.Address == w.Address.Address && a.Tag == w.Tag && (a.Network == w.Network || a.Network == "") && (a.Coin == t.Asset || a.Coin == "") {
			t.Notes = append(t.Notes, "The address is on Binance's own list of permitted ones")
			return nil
		}
	}
	t.Notes = append(t.Notes, "The address is not on Binance's own list of permitted ones; with that list switched on, Binance will refuse it")
	return nil
}

func (v *Venue) scrubbed(text string) string {
	if v.c.Scrub != nil {
		text = v.c.Scrub(text)
	}
	return strings.Join(strings.Fields(text), " ")
}
