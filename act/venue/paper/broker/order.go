package broker

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// orderAnswer is an order on the wire. Amounts are strings with all their digits, and null where they are absent.
type orderAnswer struct {
	ID             string           `json:"id"`
	ClientOrderID  string           `json:"client_order_id"`
	CreatedAt      time.Time        `json:"created_at"`
	UpdatedAt      time.Time        `json:"updated_at"`
	SubmittedAt    time.Time        `json:"submitted_at"`
	FilledAt       *time.Time       `json:"filled_at"`
	ExpiredAt      *time.Time       `json:"expired_at"`
	CanceledAt     *time.Time       `json:"canceled_at"`
	FailedAt       *time.Time       `json:"failed_at"`
	ReplacedAt     *time.Time       `json:"replaced_at"`
	ReplacedBy     *string          `json:"replaced_by"`
	Replaces       *string          `json:"replaces"`
	AssetID        string           `json:"asset_id"`
	Symbol         string           `json:"symbol"`
	AssetClass     string           `json:"asset_class"`
	Notional       *decimal.Decimal `json:"notional"`
	Qty            *decimal.Decimal `json:"qty"`
	FilledQty      decimal.Decimal  `json:"filled_qty"`
	FilledAvgPrice *decimal.Decimal `json:"filled_avg_price"`
	OrderClass     string           `json:"order_class"`
	OrderType      string           `json:"order_type"`
	Type           string           `json:"type"`
	Side           string           `json:"side"`
	PositionIntent string           `json:"position_intent"`
	TimeInForce    string           `json:"time_in_force"`
	LimitPrice     *decimal.Decimal `json:"limit_price"`
	StopPrice      *decimal.Decimal `json:"stop_price"`
	Status         string           `json:"status"`
	ExtendedHours  bool             `json:"extended_hours"`
	Legs           []orderAnswer    `json:"legs"`
	TrailPercent   *decimal.Decimal `json:"trail_percent"`
	TrailPrice     *decimal.Decimal `json:"trail_price"`
	HWM            *decimal.Decimal `json:"hwm"`
	Subtag         *string          `json:"subtag"`
	Source         *string          `json:"source"`
	ExpiresAt      *time.Time       `json:"expires_at"`
}

// render says an order as Alpaca would, without its legs.
func render(v paper.View) orderAnswer {
	a := orderAnswer{
		ID: v.Receipt.VenueID, ClientOrderID: string(v.ID), CreatedAt: v.Placed, UpdatedAt: v.Changed, SubmittedAt: v.Placed,
		AssetID: assetID(v.Symbol), Symbol: v.Symbol, AssetClass: "us_equity", FilledQty: v.Receipt.Filled,
		OrderClass: string(v.Class), OrderType: typeOf(v.Ticket), Type: typeOf(v.Ticket), Side: string(v.Side), PositionIntent: intentOf(v.Side),
		TimeInForce: forceOf(v.Force), Status: statusOf(v), ExtendedHours: v.Extended,
		LimitPrice: given(v.Limit), StopPrice: given(v.Stop), TrailPrice: given(v.Trail), TrailPercent: given(v.TrailPercent), HWM: given(v.Mark),
		Notional: given(v.Notional), FilledAvgPrice: given(v.Receipt.Price),
	}
	if v.Notional.IsZero() {
		a.Qty = given(v.Quantity)
	}
	if !v.Trail.IsZero() || !v.TrailPercent.IsZero() {
		a.StopPrice = given(v.StopAt)
	}
	if !v.Until.IsZero() {
		a.ExpiresAt = &v.Until
	}
	if v.Replaces != "" {
		id := idOf(v.Replaces)
		a.Replaces = &id
	}
	ended := &v.Ended
	switch a.Status {
	case "filled":
		a.FilledAt = &v.Receipt.FilledAt
	case "canceled":
		a.CanceledAt = ended
	case "expired":
		a.ExpiredAt = ended
	case "rejected":
		a.FailedAt = ended
	case "replaced":
		id := idOf(v.ReplacedBy)
		a.ReplacedAt, a.ReplacedBy = ended, &id
	}
	return a
}

// taken is the answer to a new order: what it is like before the market has seen it.
func taken(v paper.View, open bool) orderAnswer {
	v.Receipt.Filled, v.Receipt.Price, v.Receipt.Status = decimal.Zero, decimal.Zero, lifeboat.Accepted
	v.Ended, v.Changed, v.ReplacedBy = time.Time{}, v.Placed, ""
	a := render(v)
	if a.Status = "accepted"; open {
		a.Status = "pending_new"
	}
	return a
}

// whole is an order with its legs.
func (b *Broker) whole(v paper.View) orderAnswer {
	a := render(v)
	for _, key := range v.Legs {
		if leg, ok := b.core.View(key); ok {
			a.Legs = append(a.Legs, render(leg))
		}
	}
	return a
}

// idOf is the id of the order with a key: a function of it, so that nothing has to be looked up.
func idOf(key lifeboat.Key) string { return paper.UUID("order", accountName, key) }

func assetID(symbol string) string { return paper.UUID("asset", symbol) }

func given(d decimal.Decimal) *decimal.Decimal {
	if d.IsZero() {
		return nil
	}
	return &d
}

func typeOf(t paper.Ticket) string {
	switch {
	case !t.Trail.IsZero() || !t.TrailPercent.IsZero():
		return "trailing_stop"
	case t.Stop.IsPositive() && t.Type == lifeboat.Limit:
		return "stop_limit"
	case t.Stop.IsPositive():
		return "stop"
	}
	return string(t.Type)
}

func forceOf(f paper.Force) string {
	if f == paper.GoodTillCancelled {
		return "gtc"
	}
	return string(f)
}

// intentOf a side, in an account that is never short.
func intentOf(s lifeboat.Side) string {
	if s == lifeboat.Buy {
		return "buy_to_open"
	}
	return "sell_to_close"
}

func statusOf(v paper.View) string {
	switch v.Receipt.Status {
	case lifeboat.PartialFill:
		return "partially_filled"
	case lifeboat.Filled:
		return "filled"
	case lifeboat.Expired:
		return "expired"
	case lifeboat.OrderRejected:
		return "rejected"
	case lifeboat.Canceled:
		if v.ReplacedBy != "" {
			return "replaced"
		}
		return "canceled"
	}
	switch {
	case v.Sleeps || v.Twin != "" && v.Stop.IsPositive():
		return "held"
	}
	return "new"
}
