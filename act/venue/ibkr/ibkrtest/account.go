package ibkrtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

func statusOf(o *order, r lifeboat.Receipt) string {
	switch r.Status {
	case lifeboat.Filled:
		return "Filled"
	case lifeboat.Canceled:
		return "Cancelled"
	}
	if o.held {
		return "Inactive"
	}
	return "Submitted"
}

func (g *Gateway) receipt(o *order) lifeboat.Receipt {
	r, err := g.paper.Ask(context.Background(), time.Time{}, o.inner)
	if err != nil {
		panic(err) // the order went in there
	}
	return r
}

// listOrders answers by the book: the first call begins the list, force begins it anew, and what was read stays as it is.
func (g *Gateway) listOrders(w http.ResponseWriter, r *http.Request) {
	if !g.trading {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	query := r.URL.Query()
	for name := range query {
		if name != "force" && name != "accountId" && name != "filters" {
			refuse(w, http.StatusBadRequest, "unknown parameter "+name)
			return
		}
	}
	if query.Get("force") == "true" || !g.begun {
		g.begun, g.ready = true, false
		say(w, map[string]any{"orders": []any{}, "snapshot": false})
		return
	}
	if !g.ready {
		g.ready = true
		g.list = []map[string]any{}
		for _, o := range g.orders {
			if !o.gone {
				g.list = append(g.list, g.row(o))
			}
		}
	}
	say(w, map[string]any{"orders": g.list, "snapshot": true})
}

func (g *Gateway) row(o *order) map[string]any {
	rec, t := g.receipt(o), o.ticket
	moved := o.at
	if !rec.FilledAt.IsZero() {
		moved = rec.FilledAt
	}
	kind := map[string]string{"MKT": "Market", "LMT": "Limit"}[t.Kind]
	row := map[string]any{
		"acct": g.o.Number, "account": g.o.Number, "conidex": strconv.FormatInt(t.Conid, 10), "conid": t.Conid, "orderId": o.id, "cashCcy": o.contract.Currency,
		"sizeAndFills": fmt.Sprintf("%s/%s", rec.Filled, t.Quantity), "orderDesc": fmt.Sprintf("%s %s %s, GTC", t.Side, t.Quantity, kind), "description1": o.contract.Ticker,
		"ticker": o.contract.Ticker, "secType": "STK", "listingExchange": o.contract.Exchange, "remainingQuantity": double(t.Quantity.Sub(rec.Filled)),
		"filledQuantity": double(rec.Filled), "totalSize": double(t.Quantity), "companyName": o.contract.Name, "status": statusOf(o, rec), "order_ccp_status": statusOf(o, rec),
		"origOrderType": strings.ToUpper(kind), "supportsTaxOpt": "1", "lastExecutionTime": moved.Format("060102150405"), "orderType": kind, "bgColor": "#FFFFFF", "fgColor": "#000000",
		"timeInForce": "GTC", "lastExecutionTime_r": moved.UnixMilli(), "side": t.Side,
	}
	if o.key != "" {
		row["order_ref"] = o.key
	}
	if t.Kind == "LMT" {
		row["price"] = t.Price.String()
	}
	if rec.Filled.IsPositive() {
		row["avgPrice"] = rec.Price.Round(4).String()
	}
	return row
}

// double writes an amount as Java writes its doubles: with a decimal point always, and an exponent when it is large.
func double(d decimal.Decimal) json.Number {
	if d.Abs().GreaterThanOrEqual(decimal.New(1, 7)) {
		digits := len(d.Truncate(0).Abs().String()) - 1
		return json.Number(d.Shift(int32(-digits)).String() + "E" + strconv.Itoa(digits))
	}
	if d.IsInteger() {
		return json.Number(d.String() + ".0")
	}
	return json.Number(d.String())
}

func (g *Gateway) byID(id string) *order {
	for _, o := range g.orders {
		if strconv.FormatInt(o.id, 10) == id && !o.gone {
			return o
		}
	}
	return nil
}

func (g *Gateway) orderStatus(w http.ResponseWriter, r *http.Request) {
	o := g.byID(r.PathValue("id"))
	if o == nil {
		refuse(w, http.StatusServiceUnavailable, "Order "+r.PathValue("id")+" is not found")
		return
	}
	rec, t := g.receipt(o), o.ticket
	text := func(d decimal.Decimal) string { return string(double(d)) }
	answer := map[string]any{
		"sub_type": nil, "request_id": "209", "server_id": "0", "order_id": o.id, "conidex": strconv.FormatInt(t.Conid, 10), "conid": t.Conid, "symbol": o.contract.Ticker,
		"side": t.Side[:1], "contract_description_1": o.contract.Ticker, "listing_exchange": o.contract.Exchange, "company_name": o.contract.Name,
		"size": text(t.Quantity.Sub(rec.Filled)), "total_size": text(t.Quantity), "currency": o.contract.Currency, "account": g.o.Number,
		"order_type": map[string]string{"MKT": "MARKET", "LMT": "LIMIT"}[t.Kind], "cum_fill": text(rec.Filled), "order_status": statusOf(o, rec), "order_ccp_status": "0",
		"order_status_description": "Order " + statusOf(o, rec), "tif": "GTC", "order_not_editable": false, "cannot_cancel_order": false, "sec_type": "STK",
		"size_and_fills": fmt.Sprintf("%s/%s", rec.Filled, t.Quantity), "order_time": o.at.Format("060102150405"),
	}
	if t.Kind == "LMT" {
		answer["limit_price"] = t.Price.String()
	}
	if rec.Filled.IsPositive() {
		answer["average_price"] = rec.Price.Round(4).String()
	}
	say(w, answer)
}

func (g *Gateway) cancel(w http.ResponseWriter, r *http.Request) {
	if !g.mine(w, r, g.trading) {
		return
	}
	o := g.byID(r.PathValue("id"))
	if o == nil || o.held || g.receipt(o).Status.Final() {
		refuse(w, http.StatusBadRequest, "OrderID "+r.PathValue("id")+" doesn't exist")
		return
	}
	if _, err := g.paper.Cancel(context.Background(), g.o.Clock.Now(), o.inner); err != nil {
		refuse(w, http.StatusInternalServerError, "internal error")
		return
	}
	say(w, map[string]any{"msg": "Request was submitted", "order_id": o.id, "conid": o.ticket.Conid, "account": g.o.Number})
}

func (g *Gateway) trades(w http.ResponseWriter, r *http.Request) {
	days, err := strconv.Atoi(r.URL.Query().Get("days"))
	if err != nil || days < 1 || days > 7 {
		refuse(w, http.StatusBadRequest, "days is not valid")
		return
	}
	byKey := map[lifeboat.Key]*order{}
	for _, o := range g.orders {
		byKey[o.inner] = o
	}
	g.fillMu.Lock()
	defer g.fillMu.Unlock()
	rows := []map[string]any{}
	for i, f := range g.fills {
		o := byKey[f.inner]
		if o == nil || g.o.Clock.Now().Sub(f.at) > time.Duration(days)*24*time.Hour {
			continue
		}
		row := map[string]any{
			"execution_id": fmt.Sprintf("0000e0d5.%08x.01.01", i+1), "symbol": o.contract.Ticker, "supports_tax_opt": "1", "side": o.ticket.Side[:1],
			"order_description": fmt.Sprintf("%s %s @ %s", o.ticket.Side, f.size, f.price), "trade_time": f.at.Format("20060102-15:04:05"), "trade_time_r": f.at.UnixMilli(),
			"size": double(f.size), "price": f.price.String(), "submitter": "user1234", "exchange": o.contract.Exchange, "commission": f.fee.String(),
			"net_amount": double(f.size.Mul(f.price)), "account": g.o.Number, "accountCode": g.o.Number, "company_name": o.contract.Name, "sec_type": "STK",
			"listing_exchange": o.contract.Exchange, "conid": o.ticket.Conid, "conidEx": strconv.FormatInt(o.ticket.Conid, 10), "clearing_id": "IB", "clearing_name": "IB", "liquidation_trade": "0",
		}
		if o.key != "" {
			row["order_ref"] = o.key
		}
		rows = append(rows, row)
	}
	say(w, rows)
}

const pageSize = 100

func (g *Gateway) positions(w http.ResponseWriter, r *http.Request) {
	page, err := strconv.Atoi(r.PathValue("page"))
	if err != nil || page < 0 {
		refuse(w, http.StatusBadRequest, "page is not valid")
		return
	}
	if !g.mine(w, r, g.portfolio) {
		return
	}
	if !g.cached {
		g.held, g.cached = g.paper.Positions(), true
	}
	rows := []map[string]any{}
	for _, p := range g.held {
		for _, c := range g.o.Contracts {
			if c.Ticker != p.Symbol || c.Currency != g.o.Paper.Currency {
				continue
			}
			price := g.prices[c.Ticker]
			rows = append(rows, map[string]any{
				"acctId": g.o.Number, "conid": c.Conid, "contractDesc": c.Ticker, "position": double(p.Quantity), "mktPrice": double(price), "mktValue": double(p.Quantity.Mul(price)),
				"currency": c.Currency, "avgCost": double(decimal.NewFromInt(40)), "avgPrice": double(decimal.NewFromInt(40)), "realizedPnl": 0.0, "unrealizedPnl": 0.0,
				"exchs": nil, "expiry": nil, "putOrCall": nil, "multiplier": 0.0, "strike": "0", "assetClass": "STK", "undConid": 0, "model": "", "ticker": c.Ticker,
				"name": c.Name, "listingExchange": c.Exchange, "isUS": c.US, "pageSize": pageSize,
			})
			break
		}
	}
	from := min(page*pageSize, len(rows))
	say(w, rows[from:min(from+pageSize, len(rows))])
}

func (g *Gateway) invalidate(w http.ResponseWriter, r *http.Request) {
	if g.mine(w, r, g.portfolio) {
		g.cached = false
		say(w, map[string]any{"message": "success"})
	}
}

func (g *Gateway) ledger(w http.ResponseWriter, r *http.Request) {
	if !g.mine(w, r, g.portfolio) {
		return
	}
	cash := decimal.Zero
	for _, p := range g.paper.Positions() {
		if p.Symbol == g.o.Paper.Currency {
			cash = p.Quantity
		}
	}
	entry := func(currency string) map[string]any {
		return map[string]any{"settledcash": double(cash), "cashbalance": double(cash), "exchangerate": 1, "currency": currency, "acctcode": g.o.Number,
			"key": "LedgerList", "secondkey": currency, "timestamp": g.o.Clock.Now().Unix(), "severity": 0}
	}
	say(w, map[string]any{g.o.Paper.Currency: entry(g.o.Paper.Currency), "BASE": entry("BASE")})
}

func (g *Gateway) summary(w http.ResponseWriter, r *http.Request) {
	if !g.mine(w, r, g.portfolio) {
		return
	}
	cash := decimal.Zero
	for _, p := range g.paper.Positions() {
		if p.Symbol == g.o.Paper.Currency {
			cash = p.Quantity
		}
	}
	amount := func(d decimal.Decimal) map[string]any {
		return map[string]any{"amount": double(d), "currency": g.o.Paper.Currency, "isNull": false, "timestamp": g.o.Clock.Now().UnixMilli(), "value": nil, "severity": 0}
	}
	say(w, map[string]any{"accountcode": map[string]any{"amount": 0.0, "currency": nil, "isNull": false, "value": g.o.Number, "severity": 0},
		"buyingpower": amount(cash), "totalcashvalue": amount(cash)})
}
