package alpaca

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// Account is the money, and whether it may move.
type Account struct {
	ID              string `json:"id"`
	Number          string `json:"account_number"`
	Status          string `json:"status"` // ACTIVE when it may trade
	Currency        string `json:"currency"`
	Cash            Amount `json:"cash"`
	BuyingPower     Amount `json:"buying_power"`
	NonMarginable   Amount `json:"non_marginable_buying_power"`
	Equity          Amount `json:"equity"`
	LastEquity      Amount `json:"last_equity"`
	LongValue       Amount `json:"long_market_value"`
	ShortValue      Amount `json:"short_market_value"`
	InitialMargin   Amount `json:"initial_margin"`
	Maintenance     Amount `json:"maintenance_margin"`
	AccruedFees     Amount `json:"accrued_fees"`
	Multiplier      Amount `json:"multiplier"`
	TradingBlocked  bool   `json:"trading_blocked"`
	TransferBlocked bool   `json:"transfers_blocked"`
	AccountBlocked  bool   `json:"account_blocked"`
	Suspended       bool   `json:"trade_suspended_by_user"`
	Shorting        bool   `json:"shorting_enabled"`
}

// Account asks for the money.
func (c *Client) Account(ctx context.Context) (Account, error) {
	const step = "read account"
	var a Account
	err := c.get(ctx, step, "/v2/account", nil, &a)
	if err == nil && (a.ID == "" || a.Status == "" || !a.Cash.Said) {
		err = fault(step, "the answer names no account, no status or no cash")
	}
	return a, err
}

// Configuration is what the owner set for the account.
type Configuration struct {
	DayTradeCheck  string `json:"dtbp_check,omitempty"`
	PatternCheck   string `json:"pdt_check,omitempty"`
	Suspended      *bool  `json:"suspend_trade,omitempty"`
	NoShorting     *bool  `json:"no_shorting,omitempty"`
	Fractional     *bool  `json:"fractional_trading,omitempty"`
	MaxMultiplier  string `json:"max_margin_multiplier,omitempty"`
	ConfirmByEmail string `json:"trade_confirm_email,omitempty"`
}

// Configuration asks for the account's settings.
func (c *Client) Configuration(ctx context.Context) (Configuration, error) {
	var s Configuration
	err := c.get(ctx, "read account settings", "/v2/account/configurations", nil, &s)
	return s, err
}

// Configure changes the settings that are named.
func (c *Client) Configure(ctx context.Context, change Configuration) (Configuration, error) {
	var s Configuration
	err := c.do(ctx, rest.Request{Step: "change account settings", Method: http.MethodPatch, Path: "/v2/account/configurations", Body: change}, &s)
	return s, err
}

// Position is what the account holds of one asset.
type Position struct {
	AssetID      string `json:"asset_id"`
	Symbol       string `json:"symbol"` // of a pair without its slash
	AssetClass   string `json:"asset_class"`
	Side         string `json:"side"` // long or short
	Quantity     Amount `json:"qty"`  // negative when short
	Available    Amount `json:"qty_available"`
	EntryPrice   Amount `json:"avg_entry_price"`
	CurrentPrice Amount `json:"current_price"`
	LastClose    Amount `json:"lastday_price"`
	Value        Amount `json:"market_value"`
	Cost         Amount `json:"cost_basis"`
}

// Positions lists what the account holds.
func (c *Client) Positions(ctx context.Context) ([]Position, error) {
	var list []Position
	err := c.get(ctx, "list positions", "/v2/positions", nil, &list)
	return list, err
}

// Position asks for one, by symbol or asset id.
func (c *Client) Position(ctx context.Context, symbol string) (Position, error) {
	var p Position
	err := c.get(ctx, "read position", "/v2/positions/"+segment(symbol), nil, &p)
	return p, err
}

// Close sells a position at the market: a quantity of it, or a percentage, or all when both are zero. As with CloseAll the
// venue chooses the order's client id.
func (c *Client) Close(ctx context.Context, symbol string, quantity, percentage Amount) (Order, error) {
	const step = "close position"
	if quantity.Said && percentage.Said {
		return Order{}, &rest.Error{Venue: Name, Step: step, Message: "a quantity and a percentage exclude each other"}
	}
	query := url.Values{}
	if quantity.Said {
		query.Set("qty", quantity.Decimal.String())
	}
	if percentage.Said {
		query.Set("percentage", percentage.Decimal.String())
	}
	var o Order
	err := c.do(ctx, rest.Request{Step: step, Method: http.MethodDelete, Path: "/v2/positions/" + segment(symbol), Query: query, Urgent: true}, &o)
	return o, err
}

// Asset is what can be traded.
type Asset struct {
	ID           string `json:"id"`
	Class        string `json:"class"`
	Exchange     string `json:"exchange"`
	Symbol       string `json:"symbol"`
	Name         string `json:"name"`
	Status       string `json:"status"` // active or inactive
	Tradable     bool   `json:"tradable"`
	Marginable   bool   `json:"marginable"`
	Shortable    bool   `json:"shortable"`
	EasyToBorrow bool   `json:"easy_to_borrow"`
	Fractionable bool   `json:"fractionable"`
}

// Asset asks for one, by symbol or id.
func (c *Client) Asset(ctx context.Context, symbol string) (Asset, error) {
	var a Asset
	err := c.get(ctx, "read asset", "/v2/assets/"+segment(symbol), nil, &a)
	return a, err
}

// Assets lists those of a status, active or inactive, and a class; "" for all.
func (c *Client) Assets(ctx context.Context, status, class string) ([]Asset, error) {
	var list []Asset
	err := c.get(ctx, "list assets", "/v2/assets", given("status", status, "asset_class", class), &list)
	return list, err
}

// Clock is the market's hours by the venue's own clock.
type Clock struct {
	Timestamp time.Time `json:"timestamp"`
	Open      bool      `json:"is_open"`
	NextOpen  time.Time `json:"next_open"`
	NextClose time.Time `json:"next_close"`
}

// Clock asks for the hours.
func (c *Client) Clock(ctx context.Context) (Clock, error) {
	const step = "read clock"
	var k Clock
	err := c.get(ctx, step, "/v2/clock", nil, &k)
	if err == nil && (k.Timestamp.IsZero() || k.NextOpen.IsZero() || k.NextClose.IsZero()) {
		err = fault(step, "the answer lacks a time")
	}
	return k, err
}

// Day is one trading day of the calendar. Open and Close are 09:30 and SessionOpen and SessionClose 0400, all in New York.
type Day struct {
	Date         string `json:"date"`
	Open         string `json:"open"`
	Close        string `json:"close"`
	SessionOpen  string `json:"session_open"`
	SessionClose string `json:"session_close"`
	Settlement   string `json:"settlement_date"`
}

// Calendar lists the trading days between two days, both included.
func (c *Client) Calendar(ctx context.Context, from, to time.Time) ([]Day, error) {
	var days []Day
	err := c.get(ctx, "read calendar", "/v2/calendar", url.Values{"start": {from.Format(time.DateOnly)}, "end": {to.Format(time.DateOnly)}}, &days)
	return days, err
}

// Activity is what moved money: a fill, a dividend, a fee.
type Activity struct {
	ID          string        `json:"id"`
	Type        string        `json:"activity_type"`
	Time        time.Time     `json:"transaction_time"` // of fills
	Date        string        `json:"date"`             // of the others
	Fill        string        `json:"type"`             // fill or partial_fill
	Price       Amount        `json:"price"`
	Quantity    Amount        `json:"qty"`
	Filled      Amount        `json:"cum_qty"`
	Left        Amount        `json:"leaves_qty"`
	Net         Amount        `json:"net_amount"`
	Side        lifeboat.Side `json:"side"`
	Symbol      string        `json:"symbol"`
	OrderID     string        `json:"order_id"`
	OrderStatus string        `json:"order_status"`
}

// Activities reads what happened since a time to its end, oldest first; of one type, or of all when it is "".
func (c *Client) Activities(ctx context.Context, kind string, after time.Time) ([]Activity, error) {
	const step, size = "list activities", 100
	path := "/v2/account/activities"
	if kind != "" {
		path += "/" + segment(kind)
	}
	query := url.Values{"direction": {"asc"}, "page_size": {strconv.Itoa(size)}}
	if !after.IsZero() {
		query.Set("after", after.UTC().Format(time.RFC3339Nano))
	}
	var all []Activity
	for range pagesMax {
		var page []Activity
		if err := c.get(ctx, step, path, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < size {
			return all, nil
		}
		last := page[len(page)-1].ID
		if last == "" || last == query.Get("page_token") {
			return nil, fault(step, "it lists the same activities again and never comes to an end")
		}
		query.Set("page_token", last)
	}
	return nil, fault(step, "the list has more than %d activities", size*pagesMax)
}

func (c *Client) get(ctx context.Context, step, path string, query url.Values, out any) error {
	return c.do(ctx, rest.Request{Step: step, Method: http.MethodGet, Path: path, Query: query}, out)
}

// given are the parameters that have a value.
func given(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
