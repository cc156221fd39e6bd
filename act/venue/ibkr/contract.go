package ibkr

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// contract is what a symbol stands for at the broker: shares or a fund, at a place and in a currency.
type contract struct {
	conid    string
	ticker   string
	exchange string
	name     string
	currency string
	class    string // STK for shares and funds
	steps    []priceStep
}

// priceStep is the smallest change of price from a price upwards.
type priceStep struct {
	From number `json:"lowerEdge"`
	Step number `json:"increment"`
}

// contractsMax is how many listings of one symbol are looked at.
const contractsMax = 200

// contract of a symbol, looked up once. why says to people that the symbol cannot be traded as it stands.
func (v *Venue) contract(ctx context.Context, symbol string) (c contract, why string, err error) {
	if c, known := v.contracts[symbol]; known {
		return c, "", nil
	}
	theirs := strings.TrimSpace(v.c.Theirs(symbol))
	conids := []string{theirs}
	if !digits(theirs) {
		if conids, err = v.listings(ctx, theirs); err != nil {
			return contract{}, "", err
		}
	}
	if len(conids) == 0 {
		return contract{}, fmt.Sprintf("Interactive Brokers knows no shares or fund called %q", theirs), nil
	}
	found, err := v.definitions(ctx, conids)
	if err != nil {
		return contract{}, "", err
	}
	fit := slices.DeleteFunc(slices.Clone(found), func(c contract) bool { return c.class != "STK" || c.currency != v.c.Currency })
	switch len(fit) {
	case 1:
		v.contracts[symbol] = fit[0]
		return fit[0], "", nil
	case 0:
		return contract{}, fmt.Sprintf("Interactive Brokers has no shares or fund %q in %s: %s", theirs, v.c.Currency, choices(found)), nil
	}
	return contract{}, fmt.Sprintf("%q may be any of %s: write the number of the right one under connect.symbols", theirs, choices(fit)), nil
}

// listings of a symbol: their conids.
func (v *Venue) listings(ctx context.Context, symbol string) ([]string, error) {
	const step = "look up the instrument"
	var told map[string][]struct {
		Class     string `json:"assetClass"`
		Contracts []struct {
			Conid text `json:"conid"`
		} `json:"contracts"`
	}
	r := rest.Request{Step: step, Method: http.MethodGet, Path: "/trsrv/stocks", Query: url.Values{"symbols": {symbol}}, Urgent: true}
	if _, err := v.do(ctx, anyCall, r, &told); err != nil {
		return nil, err
	}
	var conids []string
	for _, company := range told[symbol] {
		for _, c := range company.Contracts {
			if digits(string(c.Conid)) && company.Class == "STK" {
				conids = append(conids, string(c.Conid))
			}
		}
	}
	if len(conids) > contractsMax {
		return nil, fmt.Errorf("%s: %s: %q has %d listings: write a number under connect.symbols", name, step, symbol, len(conids))
	}
	return conids, nil
}

// definitions of contracts.
func (v *Venue) definitions(ctx context.Context, conids []string) ([]contract, error) {
	var told struct {
		Definitions []struct {
			Conid    text        `json:"conid"`
			Ticker   string      `json:"ticker"`
			Exchange string      `json:"listingExchange"`
			Name     string      `json:"name"`
			Currency string      `json:"currency"`
			Class    string      `json:"assetClass"`
			Steps    []priceStep `json:"incrementRules"`
		} `json:"secdef"`
	}
	r := rest.Request{Step: "look up the instrument", Method: http.MethodGet, Path: "/trsrv/secdef", Query: url.Values{"conids": {strings.Join(conids, ",")}}, Urgent: true}
	if _, err := v.do(ctx, anyCall, r, &told); err != nil {
		return nil, err
	}
	var found []contract
	for _, d := range told.Definitions {
		if slices.Contains(conids, string(d.Conid)) {
			found = append(found, contract{string(d.Conid), d.Ticker, d.Exchange, d.Name, d.Currency, d.Class, d.Steps})
		}
	}
	return found, nil
}

// choices tells contracts apart for people.
func choices(found []contract) string {
	const told = 8
	var each []string
	for _, c := range found[:min(len(found), told)] {
		each = append(each, fmt.Sprintf("%s %s (%s, %s)", c.conid, c.name, c.exchange, c.currency))
	}
	if more := len(found) - told; more > 0 {
		each = append(each, fmt.Sprintf("%d more", more))
	}
	if len(each) == 0 {
		return "it describes none"
	}
	return strings.Join(each, "; ")
}

// onStep moves a limit to a price that the exchange takes, towards the owner's side: a sale up, a purchase down.
func (c contract) onStep(side lifeboat.Side, limit decimal.Decimal) decimal.Decimal {
	step := decimal.Zero
	for _, s := range c.steps {
		if s.Step.IsPositive() && !limit.LessThan(s.From.Decimal) {
			step = s.Step.Decimal
		}
	}
	if !step.IsPositive() {
		return limit
	}
	steps, rest := limit.QuoRem(step, 0)
	if side == lifeboat.Sell && rest.IsPositive() {
		steps = steps.Add(decimal.NewFromInt(1))
	}
	return steps.Mul(step)
}

// ours is the plan's name of a contract: what connect.symbols or an earlier look-up calls it, or its ticker.
func (v *Venue) ours(conid, ticker string) string {
	if symbol := v.c.Ours(conid); symbol != conid {
		return symbol
	}
	for symbol, c := range v.contracts {
		if c.conid == conid {
			return symbol
		}
	}
	return v.c.Ours(ticker)
}
