package ibkr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Preview is what the broker expects of an order that is not sent, in its own words and figures.
type Preview struct {
	Amount, Commission, Total string // "18,000 USD (100 Shares)", "1.1 ... 1.15 USD"
	Equity                    string // after it
	InitialMargin             string // after it
	MaintenanceMargin         string // after it
	Warning                   string
	Refusal                   string // why it would not take the order; "" when it would
}

// Preview asks what an order would cost and whether it would be taken. Nothing is placed.
func (v *Venue) Preview(ctx context.Context, _ time.Time, o lifeboat.Order) (Preview, error) {
	const step = "preview order"
	if why := unfit(o); why != "" {
		return Preview{Refusal: why}, nil
	}
	account, err := v.open(ctx, step)
	if err != nil {
		return Preview{}, err
	}
	what, why, err := v.contract(ctx, o.Symbol)
	if err != nil || why != "" {
		return Preview{Refusal: why}, err
	}
	// The broker wants the instrument's quote asked for before it previews.
	quote := rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/marketdata/snapshot", Query: url.Values{"conids": {what.conid}, "fields": {"31"}}}
	if _, err := v.do(ctx, anyCall, quote, nil); err != nil {
		return Preview{}, err
	}
	type change struct {
		After text `json:"after"`
	}
	var told struct {
		Amount struct {
			Amount     text `json:"amount"`
			Commission text `json:"commission"`
			Total      text `json:"total"`
		} `json:"amount"`
		Equity      change `json:"equity"`
		Initial     change `json:"initial"`
		Maintenance change `json:"maintenance"`
		Warning     string `json:"warn"`
		Error       string `json:"error"`
	}
	request := rest.Request{Step: step, Method: http.MethodPost, Path: "/iserver/account/" + account + "/orders/whatif",
		Body: map[string]any{"orders": []wireOrder{ticketFor(o, what).wire(account)}}}
	if _, err := v.do(ctx, anyCall, request, &told); err != nil {
		if e, answered := rest.As(err); answered && e.Status == http.StatusBadRequest {
			return Preview{Refusal: e.Message}, nil
		}
		return Preview{}, err
	}
	p := Preview{
		Amount: plainly(string(told.Amount.Amount)), Commission: plainly(string(told.Amount.Commission)), Total: plainly(string(told.Amount.Total)),
		Equity: plainly(string(told.Equity.After)), InitialMargin: plainly(string(told.Initial.After)), MaintenanceMargin: plainly(string(told.Maintenance.After)),
		Warning: plainly(told.Warning), Refusal: plainly(told.Error),
	}
	if p.Amount == "" && p.Refusal == "" {
		return Preview{}, fmt.Errorf("%s: %s: %w", name, step, errors.New("the answer names neither an amount nor a reason"))
	}
	return p, nil
}
