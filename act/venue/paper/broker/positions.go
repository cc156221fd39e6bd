package broker

import (
	"errors"
	"net/http"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

type positionAnswer struct {
	AssetID                string           `json:"asset_id"`
	Symbol                 string           `json:"symbol"`
	Exchange               string           `json:"exchange"`
	AssetClass             string           `json:"asset_class"`
	AssetMarginable        bool             `json:"asset_marginable"`
	Qty                    decimal.Decimal  `json:"qty"`
	QtyAvailable           decimal.Decimal  `json:"qty_available"`
	AvgEntryPrice          decimal.Decimal  `json:"avg_entry_price"`
	Side                   string           `json:"side"`
	MarketValue            *decimal.Decimal `json:"market_value"`
	CostBasis              decimal.Decimal  `json:"cost_basis"`
	UnrealizedPL           *decimal.Decimal `json:"unrealized_pl"`
	UnrealizedPLPC         *decimal.Decimal `json:"unrealized_plpc"`
	UnrealizedIntradayPL   *decimal.Decimal `json:"unrealized_intraday_pl"`
	UnrealizedIntradayPLPC *decimal.Decimal `json:"unrealized_intraday_plpc"`
	CurrentPrice           *decimal.Decimal `json:"current_price"`
	LastdayPrice           *decimal.Decimal `json:"lastday_price"`
	ChangeToday            *decimal.Decimal `json:"change_today"`
}

// position says a holding with its gain. Fractions have nine decimals.
func (b *Broker) position(h paper.Holding) positionAnswer {
	a := positionAnswer{AssetID: assetID(h.Symbol), Symbol: h.Symbol, Exchange: b.asset(h.Symbol).Exchange, AssetClass: "us_equity",
		Qty: h.Quantity, QtyAvailable: h.Quantity.Sub(h.Claimed), Side: "long", CostBasis: h.Cost, AvgEntryPrice: h.Cost.DivRound(h.Quantity, 9)}
	m, quoted := b.core.Market(h.Symbol)
	if !quoted {
		return a // nobody quotes it: it has no value, rather than a value of 0
	}
	a.CurrentPrice, a.LastdayPrice = &m.Price, &m.Previous
	value, gain, today := h.Quantity.Mul(m.Price), h.Quantity.Mul(m.Price).Sub(h.Cost), h.Quantity.Mul(m.Price.Sub(m.Previous))
	a.MarketValue, a.UnrealizedPL, a.UnrealizedIntradayPL = &value, &gain, &today
	a.UnrealizedPLPC = fraction(gain, h.Cost)
	a.UnrealizedIntradayPLPC = fraction(today, h.Quantity.Mul(m.Previous))
	a.ChangeToday = fraction(m.Price.Sub(m.Previous), m.Previous)
	return a
}

func fraction(part, of decimal.Decimal) *decimal.Decimal {
	share := decimal.Zero
	if !of.IsZero() {
		share = part.DivRound(of, 9)
	}
	return &share
}

func (b *Broker) getPositions(*http.Request) (int, any, error) {
	all := []positionAnswer{}
	for _, h := range b.core.Statement().Holdings {
		all = append(all, b.position(h))
	}
	return http.StatusOK, all, nil
}

func (b *Broker) getPosition(r *http.Request) (int, any, error) {
	h, err := b.holding(r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, b.position(h), nil
}

func (b *Broker) holding(name string) (paper.Holding, error) {
	symbol, _ := b.symbolOf(name)
	for _, h := range b.core.Statement().Holdings {
		if h.Symbol == symbol || h.Symbol == name || assetID(h.Symbol) == name {
			return h, nil
		}
	}
	return paper.Holding{}, absent("position does not exist")
}

func (b *Broker) deletePosition(r *http.Request) (int, any, error) {
	h, err := b.holding(r.PathValue("symbol"))
	if err != nil {
		return 0, nil, err
	}
	quantity := h.Quantity
	q := r.URL.Query()
	switch qty, percentage := q.Get("qty"), q.Get("percentage"); {
	case qty != "" && percentage != "":
		return 0, nil, invalid("only one of qty or percentage is accepted")
	case qty != "":
		quantity, err = amount("qty", text(qty))
	case percentage != "":
		var share decimal.Decimal
		if share, err = amount("percentage", text(percentage)); err == nil && share.GreaterThan(decimal.NewFromInt(100)) {
			err = invalid("percentage must be between 0 and 100")
		}
		quantity = h.Quantity.Mul(share).Div(decimal.NewFromInt(100)).Truncate(9)
	}
	if err != nil {
		return 0, nil, err
	}
	v, err := b.close(r, h.Symbol, quantity)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, taken(v, b.open(v.Ticket, v.Placed)), nil
}

// close sells a quantity at the market.
func (b *Broker) close(r *http.Request, symbol string, quantity decimal.Decimal) (paper.View, error) {
	return b.submit(r, paper.Ticket{
		Order: lifeboat.Order{ID: b.log.nextKey(), Account: accountName, Symbol: symbol, Side: lifeboat.Sell, Type: lifeboat.Market, Quantity: quantity},
		Terms: paper.Terms{Force: paper.Day},
	}, nil)
}

type closed struct {
	Symbol string `json:"symbol"`
	// Status is a number although Alpaca's schema says text: its Go SDK compares it with 200.
	Status int `json:"status"`
	Body   any `json:"body"`
}

func (b *Broker) deletePositions(r *http.Request) (int, any, error) {
	if r.URL.Query().Get("cancel_orders") == "true" {
		if _, err := b.cancelAll(r); err != nil {
			return 0, nil, err
		}
	}
	all := []closed{}
	for _, h := range b.core.Statement().Holdings {
		v, err := b.close(r, h.Symbol, h.Quantity)
		var p *problem
		switch {
		case err == nil:
			all = append(all, closed{h.Symbol, http.StatusOK, taken(v, b.open(v.Ticket, v.Placed))})
		case errors.As(err, &p):
			all = append(all, closed{h.Symbol, p.status, p.body()})
		default:
			return 0, nil, err
		}
	}
	return http.StatusMultiStatus, all, nil
}
