// Command alpaca-go is Alpaca's official Go SDK as a peer of the paper broker: it runs through what a trading program does,
// with no code of lifeboat's, and ends with a sentence and a failure at the first answer that is not Alpaca's. It expects
// a fresh account of 100,000 dollars, an open market, and SPY quoted near 634.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"
	"github.com/shopspring/decimal"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: alpaca-go URL")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "alpaca-go:", err)
		os.Exit(1)
	}
	fmt.Println("alpaca-go: every flow ran as against Alpaca")
}

type peer struct {
	client *alpaca.Client
	data   *marketdata.Client
	seen   chan alpaca.TradeUpdate
	url    string
}

func run(url string) error {
	ctx, stop := context.WithTimeout(context.Background(), 60*time.Second)
	defer stop()
	p := &peer{
		url:    url,
		client: alpaca.NewClient(alpaca.ClientOpts{APIKey: "PKPEER", APISecret: "secret", BaseURL: url, RetryLimit: -1}),
		data:   marketdata.NewClient(marketdata.ClientOpts{APIKey: "PKPEER", APISecret: "secret", BaseURL: url}),
		seen:   make(chan alpaca.TradeUpdate, 100),
	}
	p.client.StreamTradeUpdatesInBackground(ctx, func(u alpaca.TradeUpdate) { p.seen <- u })
	for _, flow := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"account", p.account}, {"calendar and clock", p.times}, {"assets", p.assets}, {"market data", p.prices},
		{"a market order and its updates", p.market}, {"a key twice", p.twice}, {"what is refused", p.refused},
		{"replace and cancel", p.replace}, {"a bracket", p.bracket}, {"a trailing stop", p.trailing}, {"positions", p.positions}, {"activities", p.activities}, {"the stream of data", p.stream},
	} {
		if err := flow.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", flow.name, err)
		}
	}
	return nil
}

func (p *peer) account(context.Context) error {
	a, err := p.client.GetAccount()
	if err != nil {
		return err
	}
	if a.Status != "ACTIVE" || a.Currency != "USD" || !a.Cash.Equal(decimal.NewFromInt(100_000)) || a.TradingBlocked {
		return fmt.Errorf("status %s, %s %s", a.Status, a.Cash, a.Currency)
	}
	c, err := p.client.GetAccountConfigurations()
	if err != nil {
		return err
	}
	if c.TradeSuspendedByUser {
		return errors.New("trade is suspended")
	}
	return nil
}

func (p *peer) times(context.Context) error {
	c, err := p.client.GetClock()
	if err != nil {
		return err
	}
	if !c.IsOpen || !c.NextClose.After(c.Timestamp) || !c.NextOpen.After(c.NextClose) {
		return fmt.Errorf("the clock says %+v", c)
	}
	day := time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	days, err := p.client.GetCalendar(alpaca.GetCalendarRequest{Start: day.AddDate(0, 0, -1), End: day})
	if err != nil {
		return err
	}
	if len(days) != 1 || days[0] != (alpaca.CalendarDay{Date: "2026-11-27", Open: "09:30", Close: "13:00"}) {
		return fmt.Errorf("Thanksgiving 2026 and the day after it are %+v", days)
	}
	return nil
}

func (p *peer) assets(context.Context) error {
	a, err := p.client.GetAsset("SPY")
	if err != nil {
		return err
	}
	if a.Symbol != "SPY" || !a.Tradable || !a.Fractionable || a.Status != alpaca.AssetActive {
		return fmt.Errorf("SPY is %+v", a)
	}
	all, err := p.client.GetAssets(alpaca.GetAssetsRequest{Status: "active"})
	if err != nil {
		return err
	}
	if len(all) < 10 {
		return fmt.Errorf("only %d assets", len(all))
	}
	_, err = p.client.GetAsset("NOSUCH")
	return want(err, 404, 40410000)
}

func (p *peer) prices(context.Context) error {
	q, err := p.data.GetLatestQuote("SPY", marketdata.GetLatestQuoteRequest{})
	if err != nil {
		return err
	}
	if q == nil || q.BidPrice <= 0 || q.AskPrice < q.BidPrice || q.Timestamp.IsZero() {
		return fmt.Errorf("the quote is %+v", q)
	}
	trades, err := p.data.GetLatestTrades([]string{"SPY", "AAPL"}, marketdata.GetLatestTradeRequest{})
	if err != nil {
		return err
	}
	if len(trades) != 2 || trades["SPY"].Price <= 0 {
		return fmt.Errorf("the trades are %+v", trades)
	}
	s, err := p.data.GetSnapshot("SPY", marketdata.GetSnapshotRequest{})
	if err != nil {
		return err
	}
	if s == nil || s.LatestTrade == nil || s.DailyBar == nil || s.PrevDailyBar == nil {
		return fmt.Errorf("the snapshot is %+v", s)
	}
	bars, err := p.data.GetBars("SPY", marketdata.GetBarsRequest{TimeFrame: marketdata.OneDay, Start: s.PrevDailyBar.Timestamp, End: time.Now().AddDate(5, 0, 0)})
	if err != nil {
		return err
	}
	if len(bars) < 2 || bars[0].Close <= 0 {
		return fmt.Errorf("the bars are %+v", bars)
	}
	return nil
}

// stream listens to prices, which it moves by the broker's own control call: at Alpaca others would.
func (p *peer) stream(ctx context.Context) error {
	trades := make(chan stream.Trade, 1000)
	c := stream.NewStocksClient(marketdata.IEX, stream.WithBaseURL(p.url+"/v2"), stream.WithCredentials("PKPEER", "secret"),
		stream.WithTrades(func(t stream.Trade) { trades <- t }, "SPY"))
	if err := c.Connect(ctx); err != nil {
		return err
	}
	response, err := http.Post(p.url+"/lifeboat/prices", "application/json", strings.NewReader(`{"SPY":"640.25"}`))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	select {
	case t := <-trades:
		if t.Symbol != "SPY" || t.Price != 640.25 || t.Timestamp.IsZero() {
			return fmt.Errorf("the trade is %+v", t)
		}
		return nil
	case <-ctx.Done():
		return errors.New("no trade came")
	}
}

func number(s string) *decimal.Decimal {
	d := decimal.RequireFromString(s)
	return &d
}

func (p *peer) place(r alpaca.PlaceOrderRequest) (*alpaca.Order, error) {
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.Day
	}
	return p.client.PlaceOrder(r)
}

// until waits for an update of an order.
func (p *peer) until(ctx context.Context, id, event string) (alpaca.TradeUpdate, error) {
	for {
		select {
		case u := <-p.seen:
			if u.Order.ID == id && u.Event == event {
				return u, nil
			}
		case <-ctx.Done():
			return alpaca.TradeUpdate{}, fmt.Errorf("no %s of order %s came", event, id)
		}
	}
}

func (p *peer) market(ctx context.Context) error {
	o, err := p.place(alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("10"), Side: alpaca.Buy, Type: alpaca.Market, ClientOrderID: "go-1"})
	if err != nil {
		return err
	}
	if o.Status != "pending_new" || o.ClientOrderID != "go-1" || o.Qty == nil || !o.Qty.Equal(decimal.NewFromInt(10)) || o.Notional != nil {
		return fmt.Errorf("the order is %+v", o)
	}
	u, err := p.until(ctx, o.ID, "fill")
	if err != nil {
		return err
	}
	if u.Order.Status != "filled" || u.Price == nil || u.Qty == nil || u.PositionQty == nil || !u.PositionQty.Equal(decimal.NewFromInt(10)) || len(u.EventID) != 26 {
		return fmt.Errorf("the update is %+v", u)
	}
	o, err = p.client.GetOrder(o.ID)
	if err != nil {
		return err
	}
	if o.Status != "filled" || o.FilledAt == nil || o.FilledAvgPrice == nil || !o.FilledAvgPrice.Equal(*u.Price) {
		return fmt.Errorf("filled, it is %+v", o)
	}
	notional, err := p.place(alpaca.PlaceOrderRequest{Symbol: "SPY", Notional: number("500"), Side: alpaca.Buy, Type: alpaca.Market})
	if err != nil {
		return err
	}
	if notional.Notional == nil || notional.Qty != nil || notional.ClientOrderID == "" {
		return fmt.Errorf("a notional order is %+v", notional)
	}
	_, err = p.until(ctx, notional.ID, "fill")
	return err
}

func (p *peer) twice(context.Context) error {
	_, err := p.place(alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("10"), Side: alpaca.Buy, Type: alpaca.Market, ClientOrderID: "go-1"})
	if err := want(err, 422, 40010001); err != nil {
		return err
	}
	o, err := p.client.GetOrderByClientOrderID("go-1")
	if err != nil {
		return err
	}
	if o.ClientOrderID != "go-1" || o.Status != "filled" {
		return fmt.Errorf("by its client id the order is %+v", o)
	}
	_, err = p.client.GetOrderByClientOrderID("never")
	return want(err, 404, 40410000)
}

func (p *peer) refused(context.Context) error {
	for _, one := range []struct {
		name         string
		order        alpaca.PlaceOrderRequest
		status, code int
	}{
		{"more than the cash", alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("100000"), Side: alpaca.Buy, Type: alpaca.Market}, 403, 40310000},
		{"more than is held", alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("1000"), Side: alpaca.Sell, Type: alpaca.Market}, 403, 40310000},
		{"an unknown asset", alpaca.PlaceOrderRequest{Symbol: "NOSUCH", Qty: number("1"), Side: alpaca.Buy, Type: alpaca.Market}, 422, 42210000},
		{"a limit order without a limit", alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("1"), Side: alpaca.Buy, Type: alpaca.Limit}, 422, 42210000},
		{"a market order in extended hours", alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("1"), Side: alpaca.Buy, Type: alpaca.Market, ExtendedHours: true}, 422, 42210000},
	} {
		_, err := p.place(one.order)
		if err := want(err, one.status, one.code); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	o, err := p.client.GetOrderByClientOrderID("go-1")
	if err != nil {
		return err
	}
	return want(p.client.CancelOrder(o.ID), 422, 42210000)
}

func (p *peer) replace(ctx context.Context) error {
	o, err := p.place(alpaca.PlaceOrderRequest{Symbol: "SPY", Qty: number("2"), Side: alpaca.Buy, Type: alpaca.Limit, LimitPrice: number("100.5"), TimeInForce: alpaca.GTC})
	if err != nil {
		return err
	}
	open, err := p.client.GetOrders(alpaca.GetOrdersRequest{Status: "open", Limit: 10, Symbols: []string{"SPY"}})
	if err != nil {
		return err
	}
	if len(open) != 1 || open[0].ID != o.ID || open[0].Status != "new" {
		return fmt.Errorf("the open orders are %+v", open)
	}
	next, err := p.client.ReplaceOrder(o.ID, alpaca.ReplaceOrderRequest{Qty: number("3"), LimitPrice: number("101")})
	if err != nil {
		return err
	}
	if next.ID == o.ID || next.Replaces == nil || *next.Replaces != o.ID || !next.LimitPrice.Equal(decimal.NewFromInt(101)) {
		return fmt.Errorf("the replacement is %+v", next)
	}
	if _, err := p.until(ctx, o.ID, "replaced"); err != nil {
		return err
	}
	old, err := p.client.GetOrder(o.ID)
	if err != nil {
		return err
	}
	if old.Status != "replaced" || old.ReplacedBy == nil || *old.ReplacedBy != next.ID || old.ReplacedAt == nil {
		return fmt.Errorf("the replaced order is %+v", old)
	}
	if err := p.client.CancelOrder(next.ID); err != nil {
		return err
	}
	if _, err := p.until(ctx, next.ID, "canceled"); err != nil {
		return err
	}
	if err := want(p.client.CancelOrder("904837e3-3b76-47ec-b432-046db621571b"), 404, 40410000); err != nil {
		return err
	}
	return p.client.CancelAllOrders()
}

func (p *peer) bracket(ctx context.Context) error {
	o, err := p.place(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: number("4"), Side: alpaca.Buy, Type: alpaca.Market, OrderClass: alpaca.Bracket, TimeInForce: alpaca.GTC,
		TakeProfit: &alpaca.TakeProfit{LimitPrice: number("200")}, StopLoss: &alpaca.StopLoss{StopPrice: number("90"), LimitPrice: number("89")},
	})
	if err != nil {
		return err
	}
	if o.OrderClass != alpaca.Bracket || len(o.Legs) != 2 || o.Legs[0].Type != alpaca.Limit || o.Legs[1].Type != alpaca.StopLimit {
		return fmt.Errorf("the bracket is %+v", o)
	}
	if _, err := p.until(ctx, o.ID, "fill"); err != nil {
		return err
	}
	position, err := p.client.GetPosition("AAPL")
	if err != nil {
		return err
	}
	if !position.Qty.Equal(decimal.NewFromInt(4)) || !position.QtyAvailable.IsZero() {
		return fmt.Errorf("with two exits waiting, %s of %s shares are available", position.QtyAvailable, position.Qty)
	}
	if err := p.client.CancelOrder(o.Legs[0].ID); err != nil {
		return err
	}
	other, err := p.client.GetOrder(o.Legs[1].ID)
	if err != nil {
		return err
	}
	if other.Status != "canceled" {
		return fmt.Errorf("one exit was cancelled and the other is %s", other.Status)
	}
	return nil
}

func (p *peer) trailing(context.Context) error {
	o, err := p.place(alpaca.PlaceOrderRequest{Symbol: "AAPL", Qty: number("1"), Side: alpaca.Sell, Type: alpaca.TrailingStop, TrailPercent: number("5"), TimeInForce: alpaca.GTC})
	if err != nil {
		return err
	}
	if o.Type != alpaca.TrailingStop || o.TrailPercent == nil || !o.TrailPercent.Equal(decimal.NewFromInt(5)) {
		return fmt.Errorf("the order is %+v", o)
	}
	return p.client.CancelOrder(o.ID)
}

func (p *peer) positions(ctx context.Context) error {
	all, err := p.client.GetPositions()
	if err != nil {
		return err
	}
	if len(all) != 2 || all[0].Symbol != "SPY" || all[0].CurrentPrice == nil || all[0].AvgEntryPrice.IsZero() {
		return fmt.Errorf("the positions are %+v", all)
	}
	o, err := p.client.ClosePosition("SPY", alpaca.ClosePositionRequest{Qty: decimal.NewFromInt(1)})
	if err != nil {
		return err
	}
	if _, err := p.until(ctx, o.ID, "fill"); err != nil {
		return err
	}
	orders, err := p.client.CloseAllPositions(alpaca.CloseAllPositionsRequest{CancelOrders: true})
	if err != nil {
		return err
	}
	if len(orders) != 2 {
		return fmt.Errorf("closing all made %d orders", len(orders))
	}
	for _, o := range orders {
		if _, err := p.until(ctx, o.ID, "fill"); err != nil {
			return err
		}
	}
	if all, err = p.client.GetPositions(); err != nil || len(all) != 0 {
		return fmt.Errorf("after closing all there is %+v (%v)", all, err)
	}
	_, err = p.client.GetPosition("SPY")
	return want(err, 404, 40410000)
}

func (p *peer) activities(context.Context) error {
	all, err := p.client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{ActivityTypes: []string{"FILL"}})
	if err != nil {
		return err
	}
	if len(all) < 6 || all[0].ActivityType != "FILL" || all[0].Price.IsZero() || all[0].OrderID == "" {
		return fmt.Errorf("the activities are %+v", all)
	}
	closed, err := p.client.GetOrders(alpaca.GetOrdersRequest{Status: "all", Nested: true, Limit: 500, Direction: "asc"})
	if err != nil {
		return err
	}
	if len(closed) < 8 || closed[0].ClientOrderID != "go-1" {
		return fmt.Errorf("%d orders in all, the first %+v", len(closed), closed[0])
	}
	return nil
}

// want holds an error to Alpaca's status and code.
func want(err error, status, code int) error {
	var e *alpaca.APIError
	if !errors.As(err, &e) {
		return fmt.Errorf("wanted the error %d/%d, got %v", status, code, err)
	}
	if e.StatusCode != status || e.Code != code || e.Message == "" {
		return fmt.Errorf("wanted the error %d/%d, got %d/%d %q", status, code, e.StatusCode, e.Code, e.Message)
	}
	return nil
}
