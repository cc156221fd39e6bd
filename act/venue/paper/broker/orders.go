package broker

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

func (b *Broker) postOrder(r *http.Request) (int, any, error) {
	var f form
	if err := read(r, &f); err != nil {
		return 0, nil, err
	}
	if b.suspended() {
		return 0, nil, &problem{status: http.StatusForbidden, code: 40310000, message: "new orders are rejected by user request"}
	}
	t, legs, err := b.ticket(f)
	if err != nil {
		return 0, nil, err
	}
	v, err := b.submit(r, t, legs)
	if err != nil {
		return 0, nil, err
	}
	a := taken(v, b.open(t, v.Placed))
	for _, key := range v.Legs {
		if leg, ok := b.core.View(key); ok {
			one := taken(leg, true)
			one.Status = statusOf(leg)
			a.Legs = append(a.Legs, one)
		}
	}
	return http.StatusOK, a, nil
}

func (b *Broker) submit(r *http.Request, t paper.Ticket, legs []paper.Ticket) (paper.View, error) {
	if _, taken := b.core.View(t.ID); taken {
		return paper.View{}, refused(&paper.Refusal{Kind: paper.KeyTaken})
	}
	if err := b.refresh(t.Symbol); err != nil {
		return paper.View{}, err
	}
	if _, known := b.core.Market(t.Symbol); !known {
		return paper.View{}, invalid("asset %q not found", t.Symbol)
	}
	now := b.Now()
	if err := b.timely(t, now); err != nil {
		return paper.View{}, err
	}
	if err := b.washes(t); err != nil {
		return paper.View{}, err
	}
	v, err := b.core.Submit(r.Context(), now, t, legs...)
	return v, refused(err)
}

// open reports whether an order that came at a time could trade then.
func (b *Broker) open(t paper.Ticket, at time.Time) bool {
	if t.Force == paper.AtOpen || t.Force == paper.AtClose {
		return false
	}
	return b.cfg.Calendar.IsOpen(at) || t.Extended && paper.InExtendedHours(b.cfg.Calendar, at)
}

// washes refuses an order that would trade with an open one of the same account.
func (b *Broker) washes(t paper.Ticket) error {
	if t.Class == paper.OCO {
		return nil
	}
	o, found := b.core.FindOpen(t.Symbol, opposite(t.Side), func(o paper.Ticket) bool { return crosses(t, o) })
	if !found {
		return nil
	}
	p := invalid("potential wash trade detected. use complex orders")
	p.extra = map[string]any{"existing_order_id": o.Receipt.VenueID, "reject_reason": "opposite side " + typeOf(o.Ticket) + " order exists"}
	return p
}

// crosses reports whether two orders could trade with each other: a market order with anything, limits that meet.
func crosses(a, b paper.Ticket) bool {
	if a.Side == lifeboat.Sell {
		a, b = b, a
	}
	return a.Type == lifeboat.Market || b.Type == lifeboat.Market || a.Limit.GreaterThanOrEqual(b.Limit)
}

// timely refuses orders for an auction that comes too late for it: those for the opening from 9:28 until 19:00 in New York,
// those for the close from ten minutes before it until 19:00.
func (b *Broker) timely(t paper.Ticket, at time.Time) error {
	evening := b.cfg.Calendar.Of(at).Close.Add(3 * time.Hour)
	late := func(from time.Time) bool { return !at.Before(from) }
	switch t.Force {
	case paper.AtOpen:
		if opens := b.cfg.Calendar.Next(at).Open; late(opens.Add(-2*time.Minute)) || at.Before(evening) && late(b.cfg.Calendar.Of(at).Open) {
			return invalid("opg orders are not accepted between 9:28am and 7:00pm ET")
		}
	case paper.AtClose:
		if at.Before(evening) && late(b.cfg.Calendar.Of(at).Close.Add(-10*time.Minute)) {
			return invalid("cls orders are not accepted between 3:50pm and 7:00pm ET")
		}
	}
	return nil
}

// ordersMax is how many orders one answer may hold.
const ordersMax = 500

func (b *Broker) getOrders(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	fits, err := selection(q)
	if err != nil {
		return 0, nil, err
	}
	limit, err := count(q, "limit", 50, ordersMax)
	if err != nil {
		return 0, nil, err
	}
	nested := q.Get("nested") == "true"
	found := b.core.Views(limit, q.Get("direction") != "asc", func(v paper.View) bool {
		return fits(v) && !(nested && v.Parent != "")
	})
	answer := make([]orderAnswer, len(found))
	for i, v := range found {
		if answer[i] = render(v); nested {
			answer[i] = b.whole(v)
		}
	}
	return http.StatusOK, answer, nil
}

// selection of orders that a query asks for.
func selection(q url.Values) (func(paper.View) bool, error) {
	status := q.Get("status")
	if status == "" {
		status = "open"
	}
	if !slices.Contains([]string{"open", "closed", "all"}, status) {
		return nil, invalid("status must be open, closed or all")
	}
	after, err := instant(q, "after")
	if err != nil {
		return nil, err
	}
	until, err := instant(q, "until")
	if err != nil {
		return nil, err
	}
	var symbols []string
	if s := q.Get("symbols"); s != "" {
		symbols = strings.Split(strings.ToUpper(s), ",")
	}
	side := q.Get("side")
	return func(v paper.View) bool {
		open := v.Ended.IsZero()
		return (status == "all" || open == (status == "open")) &&
			(after.IsZero() || v.Placed.After(after)) && (until.IsZero() || v.Placed.Before(until)) &&
			(symbols == nil || slices.Contains(symbols, v.Symbol)) && (side == "" || side == string(v.Side))
	}, nil
}

// instant reads a time of a query, with or without a time of day; zero when it is absent.
func instant(q url.Values, name string) (time.Time, error) {
	value := q.Get(name)
	if value == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(form, strings.ReplaceAll(value, " ", "+")); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("%s must be a time in RFC 3339 or a date", name)
}

func count(q url.Values, name string, usual, most int) (int, error) {
	value := q.Get(name)
	if value == "" || value == "0" { // the official Go SDK sends 0 for what was left out
		return usual, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > most {
		return 0, invalid("%s must be a number from 1 to %d", name, most)
	}
	return n, nil
}

func (b *Broker) getOrder(r *http.Request) (int, any, error) {
	v, ok := b.core.ViewByVenueID(r.PathValue("id"))
	if !ok {
		return 0, nil, absent("order not found for %s", r.PathValue("id"))
	}
	return http.StatusOK, b.whole(v), nil
}

func (b *Broker) getOrderByClientID(r *http.Request) (int, any, error) {
	id := r.URL.Query().Get("client_order_id")
	if id == "" {
		return 0, nil, invalid("client_order_id is required")
	}
	v, ok := b.core.View(lifeboat.Key(id))
	if !ok {
		return 0, nil, absent("order not found for %s", id)
	}
	return http.StatusOK, b.whole(v), nil
}

func (b *Broker) patchOrder(r *http.Request) (int, any, error) {
	var f form
	if err := read(r, &f); err != nil {
		return 0, nil, err
	}
	old, ok := b.core.ViewByVenueID(r.PathValue("id"))
	if !ok {
		return 0, nil, absent("order not found for %s", r.PathValue("id"))
	}
	change, err := b.changeOf(f, old)
	if err != nil {
		return 0, nil, err
	}
	if err := b.refresh(old.Symbol); err != nil {
		return 0, nil, err
	}
	v, err := b.core.Replace(r.Context(), b.Now(), old.ID, change)
	if err != nil {
		return 0, nil, refused(err)
	}
	return http.StatusOK, taken(v, b.open(v.Ticket, v.Placed)), nil
}

// changeOf is what a form changes of an order.
func (b *Broker) changeOf(f form, old paper.View) (func(*paper.Ticket), error) {
	var qty, limit, stop, trail decimal.Decimal
	if err := amounts(field{"qty", f.Qty, &qty}, field{"limit_price", f.LimitPrice, &limit}, field{"stop_price", f.StopPrice, &stop}, field{"trail", f.Trail, &trail}); err != nil {
		return nil, err
	}
	switch {
	case limit.IsPositive() && old.Type != lifeboat.Limit:
		return nil, invalid("%s orders must not have limit_price", typeOf(old.Ticket))
	case stop.IsPositive() && !old.Stop.IsPositive():
		return nil, invalid("%s orders must not have stop_price", typeOf(old.Ticket))
	case trail.IsPositive() && old.Trail.IsZero() && old.TrailPercent.IsZero():
		return nil, invalid("%s orders must not have a trail", typeOf(old.Ticket))
	case tooFine(limit) || tooFine(stop):
		return nil, invalid("invalid limit_price or stop_price: sub-penny increment does not fulfill minimum pricing criteria")
	case !qty.Equal(qty.Truncate(0)) || qty.IsPositive() && old.Notional.IsPositive():
		return nil, invalid("only whole quantities can be replaced")
	}
	dated := paper.Ticket{Order: old.Order, Terms: old.Terms}
	if f.TimeInForce != "" {
		if err := force(&dated, f); err != nil {
			return nil, err
		}
	}
	key := lifeboat.Key(f.ClientOrderID)
	if key == "" {
		key = b.log.nextKey()
	}
	return func(t *paper.Ticket) {
		t.ID, t.Force, t.Until, t.From = key, dated.Force, time.Time{}, time.Time{}
		put := func(to *decimal.Decimal, value decimal.Decimal) {
			if value.IsPositive() {
				*to = value
			}
		}
		put(&t.Quantity, qty)
		put(&t.Limit, limit)
		put(&t.Stop, stop)
		if t.Trail.IsPositive() {
			put(&t.Trail, trail)
		} else {
			put(&t.TrailPercent, trail)
		}
	}, nil
}

func (b *Broker) deleteOrder(r *http.Request) (int, any, error) {
	v, ok := b.core.ViewByVenueID(r.PathValue("id"))
	if !ok {
		return 0, nil, absent("order not found for %s", r.PathValue("id"))
	}
	if !v.Ended.IsZero() {
		return 0, nil, invalid("order is already in %q state", statusOf(v))
	}
	if err := b.cancelable(v); err != nil {
		return 0, nil, err
	}
	receipt, err := b.core.Cancel(r.Context(), b.Now(), v.ID)
	if err != nil {
		return 0, nil, refused(err)
	}
	if receipt.Status == lifeboat.Filled {
		return 0, nil, invalid(`order is already in "filled" state`)
	}
	return http.StatusNoContent, nil, nil
}

// cancelable refuses what an auction has frozen: orders for it cannot be taken back while it runs.
func (b *Broker) cancelable(v paper.View) error {
	if auction := v.Force == paper.AtOpen || v.Force == paper.AtClose; auction && b.core.PhaseOf(v.Symbol, b.Now()) == paper.Auction {
		return invalid("order is not cancelable during the auction")
	}
	return nil
}

type cancelled struct {
	ID     string `json:"id"`
	Status int    `json:"status"`
}

func (b *Broker) deleteOrders(r *http.Request) (int, any, error) {
	all, err := b.cancelAll(r)
	return http.StatusMultiStatus, all, err
}

func (b *Broker) cancelAll(r *http.Request) ([]cancelled, error) {
	all := []cancelled{}
	for _, v := range b.core.OpenViews() {
		status := http.StatusOK
		if b.cancelable(v) != nil {
			status = http.StatusInternalServerError
		} else if _, err := b.core.Cancel(r.Context(), b.Now(), v.ID); err != nil {
			return nil, err
		}
		all = append(all, cancelled{v.Receipt.VenueID, status})
	}
	return all, nil
}
