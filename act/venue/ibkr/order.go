package ibkr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/rest"
)

// ticket is an order as it is sent, and its number once it was taken.
type ticket struct {
	id       string
	key      lifeboat.Key
	contract contract
	side     lifeboat.Side
	kind     lifeboat.OrderType
	quantity decimal.Decimal
	limit    decimal.Decimal // on a step of the price; zero for a market order
	dead     bool            // the broker has nothing to cancel of it: when it holds it inactive too, that is for good
}

func ticketFor(o lifeboat.Order, c contract) ticket {
	t := ticket{key: o.ID, contract: c, side: o.Side, kind: o.Type, quantity: o.Quantity}
	if o.Type == lifeboat.Limit {
		t.limit = c.onStep(o.Side, o.Limit)
	}
	return t
}

// wireOrder is a ticket as the gateway takes it; amounts are numbers there, and it refuses them as texts.
type wireOrder struct {
	Account  string      `json:"acctId"`
	Conid    json.Number `json:"conid"`
	Class    string      `json:"secType"`
	Key      string      `json:"cOID"`
	Kind     string      `json:"orderType"`
	Price    json.Number `json:"price,omitempty"`
	Side     string      `json:"side"`
	Ticker   string      `json:"ticker,omitempty"`
	Lasts    string      `json:"tif"`
	Late     bool        `json:"outsideRTH"`
	Quantity json.Number `json:"quantity"`
}

func (t ticket) wire(account string) wireOrder {
	w := wireOrder{Account: account, Conid: json.Number(t.contract.conid), Class: t.contract.conid + ":" + t.contract.class, Key: string(t.key), Kind: "MKT",
		Side: strings.ToUpper(string(t.side)), Ticker: t.contract.ticker, Lasts: "GTC", Quantity: json.Number(t.quantity.String())}
	if t.kind == lifeboat.Limit {
		w.Kind, w.Price = "LMT", json.Number(t.limit.String())
	}
	return w
}

// standing is where an order stands, from whichever call.
type standing struct {
	id, conid, ticker, account, currency string
	key                                  lifeboat.Key // "" where the call does not say, or the order has none
	side                                 lifeboat.Side
	kind                                 lifeboat.OrderType // "" for kinds that lifeboat does not send
	status, remark                       string
	total, filled, limit, average        decimal.Decimal
	moved                                time.Time // of its last execution or change; zero where the call does not say
}

// same reports that an order at the broker is the one that was to be sent.
func (t ticket) same(s standing) bool {
	return s.conid == t.contract.conid && s.side == t.side && s.kind == t.kind && s.total.Equal(t.quantity) && (t.kind == lifeboat.Market || s.limit.Equal(t.limit))
}

// statuses maps every status that the broker documents, in lower case. An order that it holds inactive may become active
// again, so it counts as open until it is cancelled, or the broker says that there is nothing to cancel.
var statuses = map[string]lifeboat.ReceiptStatus{
	"apipending":    lifeboat.Accepted,
	"pendingsubmit": lifeboat.Accepted,
	"presubmitted":  lifeboat.Accepted,
	"submitted":     lifeboat.Accepted,
	"pendingcancel": lifeboat.Accepted,
	"warnstate":     lifeboat.Accepted,
	"inactive":      lifeboat.Accepted,
	"filled":        lifeboat.Filled,
	"cancelled":     lifeboat.Canceled,
	"apicancelled":  lifeboat.Canceled,
	"expired":       lifeboat.Expired,
	"rejected":      lifeboat.OrderRejected,
}

// listedOrder is a row of /iserver/account/orders.
type listedOrder struct {
	ID       text   `json:"orderId"`
	Key      string `json:"order_ref"`
	Account  string `json:"acct"`
	Conid    text   `json:"conid"`
	Ticker   string `json:"ticker"`
	Side     string `json:"side"`
	Status   string `json:"status"`
	Original string `json:"origOrderType"`
	Kind     string `json:"orderType"`
	Price    number `json:"price"`
	Total    number `json:"totalSize"`
	Filled   number `json:"filledQuantity"`
	Left     number `json:"remainingQuantity"`
	Average  number `json:"avgPrice"`
	Currency string `json:"cashCcy"`
	Moved    number `json:"lastExecutionTime_r"`
	Remark   string `json:"orderDesc"`
}

func (l listedOrder) standing() (standing, error) {
	s := standing{
		id: string(l.ID), key: lifeboat.Key(l.Key), account: l.Account, conid: string(l.Conid), ticker: l.Ticker, currency: l.Currency, side: sideOf(l.Side),
		kind: kindOf(cmp.Or(l.Original, l.Kind)), status: l.Status, total: l.Total.Decimal, filled: l.Filled.Decimal, limit: l.Price.Decimal, average: l.Average.Decimal,
	}
	if l.Moved.set && l.Moved.IsPositive() && l.Moved.LessThan(decimal.New(1, 14)) {
		s.moved = time.UnixMilli(l.Moved.IntPart()).UTC()
	}
	if !l.Total.set {
		s.total = l.Filled.Add(l.Left.Decimal)
	}
	return s, s.sound()
}

// statusAnswer is what /iserver/account/order/status/{id} says. It does not name the order's key.
type statusAnswer struct {
	ID       text   `json:"order_id"`
	Account  string `json:"account"`
	Conid    text   `json:"conid"`
	Ticker   string `json:"symbol"`
	Side     string `json:"side"`
	Status   string `json:"order_status"`
	Kind     string `json:"order_type"`
	Limit    number `json:"limit_price"`
	Total    number `json:"total_size"`
	Filled   number `json:"cum_fill"`
	Average  number `json:"average_price"`
	Currency string `json:"currency"`
	Remark   string `json:"order_status_description"`
}

func (a statusAnswer) standing() (standing, error) {
	s := standing{
		id: string(a.ID), account: a.Account, conid: string(a.Conid), ticker: a.Ticker, currency: a.Currency, side: sideOf(a.Side), kind: kindOf(a.Kind),
		status: a.Status, remark: plainly(a.Remark), total: a.Total.Decimal, filled: a.Filled.Decimal, limit: a.Limit.Decimal, average: a.Average.Decimal,
	}
	return s, s.sound()
}

// sound refuses what cannot be true of an order.
func (s standing) sound() error {
	switch {
	case !digits(s.id):
		return errors.New("an order has no number")
	case s.filled.IsNegative() || s.total.IsNegative() || s.average.IsNegative():
		return fmt.Errorf("order %s has a quantity or a price below zero", s.id)
	case s.total.IsPositive() && s.filled.GreaterThan(s.total):
		return fmt.Errorf("order %s filled %s of %s", s.id, s.filled, s.total)
	}
	return nil
}

func sideOf(told string) lifeboat.Side {
	switch strings.ToUpper(told) {
	case "BUY", "B":
		return lifeboat.Buy
	case "SELL", "S", "SSHORT", "SELL_SHORT":
		return lifeboat.Sell
	}
	return ""
}

func kindOf(told string) lifeboat.OrderType {
	switch strings.ToUpper(told) {
	case "MKT", "MARKET":
		return lifeboat.Market
	case "LMT", "LIMIT":
		return lifeboat.Limit
	}
	return ""
}

// orders lists what is open and what ended in the session. The first answer of the list only begins it, and a list that was
// read before may be old: so it is begun afresh every time, and read when its time comes.
func (v *Venue) orders(ctx context.Context, step string) ([]standing, error) {
	query := url.Values{"accountId": {v.number}, "force": {"true"}}
	for try := range 4 {
		var told struct {
			Orders   []listedOrder `json:"orders"`
			Snapshot *bool         `json:"snapshot"`
		}
		if _, err := v.do(ctx, orderList, rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/account/orders", Query: query, Urgent: true}, &told); err != nil {
			return nil, err
		}
		query.Del("force")
		if try == 0 || told.Snapshot == nil || !*told.Snapshot {
			continue
		}
		var all []standing
		for _, row := range told.Orders {
			s, err := row.standing()
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, step, err)
			}
			if s.account == "" || s.account == v.number {
				all = append(all, s)
			}
		}
		return all, nil
	}
	return nil, fmt.Errorf("%s: %s: its list of orders is not ready", name, step)
}

// find looks for an order by its key.
func (v *Venue) find(ctx context.Context, step string, key lifeboat.Key) (standing, bool, error) {
	all, err := v.orders(ctx, step)
	if err != nil {
		return standing{}, false, err
	}
	var found []standing
	for _, s := range all {
		if s.key == key {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return standing{}, false, nil
	case 1:
		v.recall(key, found[0])
		return found[0], true, nil
	}
	return standing{}, false, fmt.Errorf("%s: %s: it has %d orders under the key %s: look at them there", name, step, len(found), key)
}

// recall keeps the number of an order that was found, so that the next question about it needs no list.
func (v *Venue) recall(key lifeboat.Key, s standing) {
	if s.kind != "" && s.side != "" {
		v.remember(key, ticket{dead: v.tickets[key].dead, id: s.id, key: key, contract: contract{conid: s.conid}, side: s.side, kind: s.kind, quantity: s.total, limit: s.limit})
	}
}

// byNumber asks for an order of which the number is known. Another order under that number is none: numbers are the
// session's own, so the answer has to be of the same kind in all that is known.
func (v *Venue) byNumber(ctx context.Context, step string, t ticket) (standing, bool, error) {
	var told statusAnswer
	_, err := v.do(ctx, anyCall, rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/account/order/status/" + t.id, Urgent: true}, &told)
	if e, answered := rest.As(err); answered && strings.Contains(e.Message, "not found") {
		return standing{}, false, nil
	}
	if err != nil {
		return standing{}, false, err
	}
	s, err := told.standing()
	if err != nil {
		return standing{}, false, fmt.Errorf("%s: %s: %w", name, step, err)
	}
	return s, s.id == t.id && t.same(s), nil
}

// dealt is what was executed of one order.
type dealt struct {
	conid, ticker string
	side          lifeboat.Side
	size          decimal.Decimal
	cost          decimal.Decimal // size × price, summed
	fee           decimal.Decimal
	last          time.Time
}

// trade is a row of /iserver/account/trades.
type trade struct {
	ID      string `json:"execution_id"`
	Key     string `json:"order_ref"`
	Account string `json:"account"`
	Conid   text   `json:"conid"`
	Ticker  string `json:"symbol"`
	Side    string `json:"side"`
	Size    number `json:"size"`
	Price   number `json:"price"`
	Fee     number `json:"commission"`
	At      number `json:"trade_time_r"`
}

// executions of seven days, added up by key.
func (v *Venue) executions(ctx context.Context, step string) (map[lifeboat.Key]*dealt, error) {
	var rows []trade
	r := rest.Request{Step: step, Method: http.MethodGet, Path: "/iserver/account/trades", Query: url.Values{"days": {"7"}, "accountId": {v.number}}, Urgent: true}
	if _, err := v.do(ctx, executionList, r, &rows); err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(t trade) bool { return t.Account != "" && t.Account != v.number })
	sums, err := addUp(rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", name, step, err)
	}
	return sums, nil
}

// addUp counts each execution once. A correction has the same identifier up to the last full stop and a higher number after
// it, and takes the place of what it corrects.
func addUp(rows []trade) (map[lifeboat.Key]*dealt, error) {
	valid := map[string]trade{}
	for _, t := range rows {
		if t.Key == "" {
			continue
		}
		if t.ID == "" || !t.Size.IsPositive() || !t.Price.IsPositive() || t.Fee.IsNegative() || !t.At.IsPositive() || !t.At.LessThan(decimal.New(1, 14)) {
			return nil, fmt.Errorf("an execution of order %s cannot be right", t.Key)
		}
		stem := t.ID[:max(0, strings.LastIndexByte(t.ID, '.'))]
		if stem == "" {
			stem = t.ID
		}
		if other, had := valid[stem]; !had || other.ID < t.ID {
			valid[stem] = t
		}
	}
	sums := map[lifeboat.Key]*dealt{}
	for _, t := range valid {
		d := sums[lifeboat.Key(t.Key)]
		if d == nil {
			d = &dealt{conid: string(t.Conid), ticker: t.Ticker, side: sideOf(t.Side)}
			sums[lifeboat.Key(t.Key)] = d
		}
		d.size, d.cost, d.fee = d.size.Add(t.Size.Decimal), d.cost.Add(t.Size.Mul(t.Price.Decimal)), d.fee.Add(t.Fee.Decimal)
		if at := time.UnixMilli(t.At.IntPart()).UTC(); at.After(d.last) {
			d.last = at
		}
	}
	return sums, nil
}

// pricePlaces are the decimals of an average that does not come out even.
const pricePlaces = 16

func (d *dealt) price() decimal.Decimal { return d.cost.DivRound(d.size, pricePlaces) }

// receipt of an order that was found. Executions may come a little after the status: they are waited for, since price, fee
// and time are theirs; when they do not come, the broker's own average counts, and the fee stays unknown.
func (v *Venue) receipt(ctx context.Context, step string, key lifeboat.Key, s standing) (lifeboat.Receipt, error) {
	var d *dealt
	if s.filled.IsPositive() || statuses[strings.ToLower(s.status)] == lifeboat.Filled {
		for range 3 {
			all, err := v.executions(ctx, step)
			if err != nil {
				return lifeboat.Receipt{}, err
			}
			if d = all[key]; d != nil && !d.size.LessThan(s.filled) {
				break
			}
		}
	}
	r, err := v.tell(key, s, d)
	if err != nil {
		return lifeboat.Receipt{}, fmt.Errorf("%s: %s: %w", name, step, err)
	}
	return r, nil
}

// tell makes a receipt of what the broker says of an order and of its executions.
func (v *Venue) tell(key lifeboat.Key, s standing, d *dealt) (lifeboat.Receipt, error) {
	status, known := statuses[strings.ToLower(s.status)]
	if !known {
		return lifeboat.Receipt{}, fmt.Errorf("order %s has the status %q, which means nothing here", s.id, plainly(s.status))
	}
	r := lifeboat.Receipt{Key: key, Account: v.c.Account, Status: status, VenueID: s.id, Filled: s.filled, Price: s.average, FilledAt: s.moved}
	if d != nil && !d.size.LessThan(s.filled) && (s.total.IsZero() || !d.size.GreaterThan(s.total)) {
		r.Filled, r.Price, r.FilledAt = d.size, d.price(), d.last
	} else if d != nil {
		r.FilledAt = d.last
	}
	if d != nil && (s.currency == "" || s.currency == v.c.Currency) {
		r.Fee = d.fee
	}
	switch {
	case !r.Filled.IsPositive():
		r.Price, r.FilledAt = decimal.Zero, time.Time{}
	case !r.Price.IsPositive():
		return lifeboat.Receipt{}, fmt.Errorf("order %s filled %s, and its price is not told yet", s.id, r.Filled)
	case r.FilledAt.IsZero():
		r.FilledAt = v.c.Clock.Now()
	}
	switch {
	case status == lifeboat.Filled && (!r.Filled.IsPositive() || r.Filled.LessThan(s.total)):
		return lifeboat.Receipt{}, fmt.Errorf("order %s is filled, and only %s of %s are told", s.id, r.Filled, s.total)
	case status == lifeboat.Accepted && r.Filled.IsPositive():
		r.Status = lifeboat.PartialFill
	case status == lifeboat.OrderRejected:
		r.Why = name + " rejected it: " + cmp.Or(s.remark, "it does not say why")
	}
	switch strings.ToLower(s.status) {
	case "inactive", "warnstate":
		r.Why = name + " holds it back: " + cmp.Or(s.remark, s.status)
		if v.tickets[key].dead {
			r.Status = lifeboat.Canceled
		}
	case "pendingcancel":
		r.Why = "its cancellation is under way"
	}
	r.Why = v.scrub(r.Why)
	return r, nil
}

// ended is the receipt of an order of an earlier session, of which only the executions are left: it is not open any more.
func (v *Venue) ended(key lifeboat.Key, d *dealt) lifeboat.Receipt {
	status := lifeboat.Canceled
	if t, known := v.tickets[key]; known && t.quantity.Equal(d.size) {
		status = lifeboat.Filled
	}
	return lifeboat.Receipt{Key: key, Account: v.c.Account, Status: status, Filled: d.size, Price: d.price(), Fee: d.fee, FilledAt: d.last,
		Why: name + " lists only its executions any more; it is not open"}
}

// orderOf an order that was found.
func (v *Venue) orderOf(s standing) lifeboat.Order {
	return lifeboat.Order{ID: s.key, Account: v.c.Account, Symbol: v.ours(s.conid, s.ticker), Side: s.side, Type: cmp.Or(s.kind, lifeboat.Market), Quantity: s.total, Limit: s.limit}
}

func sorted(placed []lifeboat.PlacedOrder) []lifeboat.PlacedOrder {
	slices.SortFunc(placed, func(a, b lifeboat.PlacedOrder) int { return strings.Compare(string(a.Order.ID), string(b.Order.ID)) })
	return placed
}
