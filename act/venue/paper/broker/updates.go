package broker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// update is one thing that became of an order.
type update struct {
	id    string
	at    time.Time
	event string
	view  paper.View
	deal  *paper.Deal
	held  decimal.Decimal // of the symbol, after it
}

// updates are the trade updates of the account: the last ones for whoever asks what was missed, each new one for whoever
// listens, and all fills for the list of activities.
type updates struct {
	mu        sync.Mutex
	count     int
	keys      int
	opened    time.Time
	recent    []*update
	fills     []*update
	held      map[string]decimal.Decimal // :: symbol → quantity
	listeners map[chan *update]bool
	lastAt    time.Time
}

// Limits of what is kept for listeners: one that falls behind is cut off, and asks again for what it missed.
const (
	updatesMax   = 10_000
	listenersMax = 100
	behindMax    = 1_000
)

func newUpdates() *updates {
	return &updates{held: map[string]decimal.Decimal{}, listeners: map[chan *update]bool{}}
}

// tell takes a change of the core in. It is called under the core's lock.
func (u *updates) tell(v paper.View, e paper.Entry) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lastAt = e.At
	if e.Order != nil {
		event := "new"
		if v.ID != e.Receipt.Key { // the order that this one replaces
			event = "replaced"
		}
		u.keys++
		u.add(update{at: e.At, event: event, view: v})
		return
	}
	if e.Deal != nil {
		quantity := e.Deal.Quantity
		if v.Side == lifeboat.Sell {
			quantity = quantity.Neg()
		}
		u.held[v.Symbol] = u.held[v.Symbol].Add(quantity)
		event := "partial_fill"
		if v.Receipt.Status == lifeboat.Filled {
			event = "fill"
		}
		u.fills = append(u.fills, u.add(update{at: e.At, event: event, view: v, deal: e.Deal}))
	}
	switch e.Receipt.Status {
	case lifeboat.Canceled:
		u.add(update{at: e.At, event: "canceled", view: v})
	case lifeboat.Expired:
		u.add(update{at: e.At, event: "expired", view: v})
	case lifeboat.Accepted:
		if e.Wakes {
			u.add(update{at: e.At, event: "new", view: v})
		}
	}
}

// add numbers an update, keeps it and hands it to all who listen. The number is that of a ULID: the time, then a count,
// so that numbers sort as events came, and a ledger read again gives the same ones.
func (u *updates) add(one update) *update {
	u.count++
	one.id = ulid(one.at, u.count)
	one.held = u.held[one.view.Symbol]
	if len(u.recent) >= 2*updatesMax {
		u.recent = append(u.recent[:0:0], u.recent[len(u.recent)-updatesMax:]...)
	}
	u.recent = append(u.recent, &one)
	for listener := range u.listeners {
		select {
		case listener <- &one:
		default:
			delete(u.listeners, listener)
			close(listener)
		}
	}
	return &one
}

func ulid(at time.Time, count int) string {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var id [26]byte
	for i, n := 9, at.UnixMilli(); i >= 0; i, n = i-1, n/32 {
		id[i] = digits[n%32]
	}
	for i, n := 25, count; i >= 10; i, n = i-1, n/32 {
		id[i] = digits[n%32]
	}
	return string(id[:])
}

// nextKey is a client order id for an order that came without one.
func (u *updates) nextKey() lifeboat.Key {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keys++
	return lifeboat.Key(paper.UUID("client", u.opened.UnixNano(), u.keys))
}

func (u *updates) last() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lastAt
}

// listen returns what was missed and fits, and a channel of what comes. The channel is closed when the listener is too slow.
func (u *updates) listen(missed func(*update) bool) (past []*update, live chan *update, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.listeners) >= listenersMax {
		return nil, nil, &problem{status: http.StatusTooManyRequests, code: codeHurry, message: "connection limit exceeded"}
	}
	for _, one := range u.recent {
		if missed(one) {
			past = append(past, one)
		}
	}
	live = make(chan *update, behindMax)
	u.listeners[live] = true
	return past, live, nil
}

func (u *updates) leave(live chan *update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.listeners, live)
}

type updateAnswer struct {
	At          time.Time        `json:"at"`
	Event       string           `json:"event"`
	EventID     string           `json:"event_id"`
	ExecutionID string           `json:"execution_id"`
	Order       orderAnswer      `json:"order"`
	PositionQty *decimal.Decimal `json:"position_qty,omitempty"`
	Price       *decimal.Decimal `json:"price,omitempty"`
	Qty         *decimal.Decimal `json:"qty,omitempty"`
	Timestamp   time.Time        `json:"timestamp"`
}

func (u *update) answer() updateAnswer {
	a := updateAnswer{At: u.at, Event: u.event, EventID: u.id, ExecutionID: paper.UUID("execution", u.id), Order: render(u.view), Timestamp: u.at}
	if u.deal != nil {
		a.PositionQty, a.Price, a.Qty = &u.held, &u.deal.Price, &u.deal.Quantity
	}
	return a
}

// serveEvents streams trade updates as server-sent events: first those since a time or an id, then each as it happens,
// until the time or id that the request names.
func (b *Broker) serveEvents(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, err := instant(q, "since")
	if err != nil {
		b.fail(w, r, err)
		return
	}
	until, err := instant(q, "until")
	if err != nil {
		b.fail(w, r, err)
		return
	}
	sinceID, untilID := q.Get("since_id"), q.Get("until_id")
	asks := !since.IsZero() || sinceID != "" || !until.IsZero() || untilID != ""
	past, live, err := b.log.listen(func(u *update) bool {
		return asks && !u.at.Before(since) && u.id >= sinceID && (until.IsZero() || !u.at.After(until)) && (untilID == "" || u.id <= untilID)
	})
	if err != nil {
		b.fail(w, r, err)
		return
	}
	defer b.log.leave(live)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	for _, u := range past {
		if writeEvent(w, u) != nil {
			return
		}
	}
	if flush.Flush() != nil || !until.IsZero() || untilID != "" {
		return
	}
	for {
		select {
		case u, ok := <-live:
			if !ok || writeEvent(w, u) != nil || flush.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-b.done:
			return
		}
	}
}

func writeEvent(w http.ResponseWriter, u *update) error {
	text, err := json.Marshal(u.answer())
	if err != nil {
		return fmt.Errorf("encode trade update: %w", err)
	}
	_, err = fmt.Fprintf(w, "data: %s\n\n", text)
	return err
}

type activityAnswer struct {
	ID              string          `json:"id"`
	ActivityType    string          `json:"activity_type"`
	TransactionTime time.Time       `json:"transaction_time"`
	Type            string          `json:"type"`
	Price           decimal.Decimal `json:"price"`
	Qty             decimal.Decimal `json:"qty"`
	Side            string          `json:"side"`
	Symbol          string          `json:"symbol"`
	LeavesQty       decimal.Decimal `json:"leaves_qty"`
	CumQty          decimal.Decimal `json:"cum_qty"`
	OrderID         string          `json:"order_id"`
	OrderStatus     string          `json:"order_status"`
}

// getActivities lists fills: the only activity of an account without dividends, fees and transfers.
func (b *Broker) getActivities(r *http.Request) (int, any, error) {
	q := r.URL.Query()
	after, err := instant(q, "after")
	if err != nil {
		return 0, nil, err
	}
	until, err := instant(q, "until")
	if err != nil {
		return 0, nil, err
	}
	date, err := instant(q, "date")
	if err != nil {
		return 0, nil, err
	}
	size, err := count(q, "page_size", 100, 100)
	if err != nil {
		return 0, nil, err
	}
	kinds := r.PathValue("type") + q.Get("activity_types")
	all, token := []activityAnswer{}, q.Get("page_token")
	if kinds != "" && !strings.Contains(kinds, "FILL") {
		return http.StatusOK, all, nil
	}
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	n := len(b.log.fills)
	waiting := token != ""
	for i := range n {
		u := b.log.fills[n-1-i]
		if q.Get("direction") == "asc" {
			u = b.log.fills[i]
		}
		a := u.activity()
		if waiting {
			waiting = a.ID != token
			continue
		}
		if !after.IsZero() && !u.at.After(after) || !until.IsZero() && !u.at.Before(until) || !date.IsZero() && !dateOf(u.at.In(newYork())).Equal(dateOf(date)) {
			continue
		}
		if all = append(all, a); len(all) == size {
			break
		}
	}
	return http.StatusOK, all, nil
}

func (u *update) activity() activityAnswer {
	kind := "partial_fill"
	if u.event == "fill" {
		kind = "fill"
	}
	return activityAnswer{
		ID: u.at.UTC().Format("20060102150405.000")[:14] + u.at.UTC().Format(".000")[1:] + "::" + paper.UUID("execution", u.id), ActivityType: "FILL",
		TransactionTime: u.at, Type: kind, Price: u.deal.Price, Qty: u.deal.Quantity, Side: string(u.view.Side), Symbol: u.view.Symbol,
		LeavesQty: u.view.Quantity.Sub(u.view.Receipt.Filled), CumQty: u.view.Receipt.Filled, OrderID: u.view.Receipt.VenueID, OrderStatus: statusOf(u.view),
	}
}
