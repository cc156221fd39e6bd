package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// text is a field of a request that comes as a string, a number or a truth; null and "" are both absent, since the official
// Go SDK sends them for what was left out.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case bytes.Equal(raw, []byte("null")):
		*t = ""
	case raw[0] == '"':
		return json.Unmarshal(raw, (*string)(t))
	case raw[0] == '{' || raw[0] == '[':
		return fmt.Errorf("a plain value was expected")
	default:
		*t = text(raw)
	}
	return nil
}

// form is the body of a new order, or of the change of one.
type form struct {
	Symbol         text            `json:"symbol"`
	Qty            text            `json:"qty"`
	Notional       text            `json:"notional"`
	Side           text            `json:"side"`
	Type           text            `json:"type"`
	TimeInForce    text            `json:"time_in_force"`
	LimitPrice     text            `json:"limit_price"`
	StopPrice      text            `json:"stop_price"`
	Trail          text            `json:"trail"` // of a change: whichever of the two the order has
	TrailPrice     text            `json:"trail_price"`
	TrailPercent   text            `json:"trail_percent"`
	ExtendedHours  text            `json:"extended_hours"`
	ClientOrderID  text            `json:"client_order_id"`
	OrderClass     text            `json:"order_class"`
	TakeProfit     *exit           `json:"take_profit"`
	StopLoss       *exit           `json:"stop_loss"`
	PositionIntent text            `json:"position_intent"`
	Legs           json.RawMessage `json:"legs"`
	RatioQty       text            `json:"ratio_qty"`
	Advanced       json.RawMessage `json:"advanced_instructions"`
}

type exit struct {
	LimitPrice text `json:"limit_price"`
	StopPrice  text `json:"stop_price"`
}

// read decodes a body strictly: a parameter that is not known is refused rather than left out of an order.
func read(r *http.Request, into any) error {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return &problem{status: http.StatusRequestEntityTooLarge, code: 41310000, message: "request body too large"}
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if _, field, unknown := strings.Cut(err.Error(), "unknown field "); unknown {
			return invalid("parameter not recognised: %s", strings.Trim(field, `"`))
		}
		return &problem{status: http.StatusBadRequest, code: 40010000, message: "request body format is invalid"}
	}
	if d.More() {
		return &problem{status: http.StatusBadRequest, code: 40010000, message: "request body format is invalid"}
	}
	return nil
}

// amount reads a positive amount; zero when it is absent.
func amount(name string, t text) (decimal.Decimal, error) {
	if t == "" {
		return decimal.Zero, nil
	}
	value, err := decimalOf(string(t))
	if err != nil || !value.IsPositive() {
		return decimal.Zero, invalid("%s must be a number greater than 0", name)
	}
	return value, nil
}

// decimalOf reads a number of a length that somebody could mean.
func decimalOf(s string) (decimal.Decimal, error) {
	if len(s) > 40 {
		return decimal.Zero, fmt.Errorf("%.40q is too long for an amount", s)
	}
	d, err := decimal.NewFromString(s)
	if err == nil && (d.Exponent() < -20 || d.Exponent() > 20) {
		err = fmt.Errorf("%q is no amount", s)
	}
	return d, err
}

// amounts reads several at once and stops at the first that cannot be right.
func amounts(fields ...struct {
	name string
	from text
	to   *decimal.Decimal
}) error {
	for _, f := range fields {
		var err error
		if *f.to, err = amount(f.name, f.from); err != nil {
			return err
		}
	}
	return nil
}

type field = struct {
	name string
	from text
	to   *decimal.Decimal
}

// clientIDMax is the length of a client order id that Alpaca's specification permits; its server takes 128.
const clientIDMax = 128

// ticket is what a form asks for, with its legs.
func (b *Broker) ticket(f form) (t paper.Ticket, legs []paper.Ticket, err error) {
	t.Account, t.Symbol, t.Side = accountName, strings.ToUpper(string(f.Symbol)), lifeboat.Side(f.Side)
	err = amounts(field{"qty", f.Qty, &t.Quantity}, field{"notional", f.Notional, &t.Notional}, field{"limit_price", f.LimitPrice, &t.Limit},
		field{"stop_price", f.StopPrice, &t.Stop}, field{"trail_price", f.TrailPrice, &t.Trail}, field{"trail_percent", f.TrailPercent, &t.TrailPercent})
	switch {
	case err != nil:
		return t, nil, err
	case t.Symbol == "":
		return t, nil, invalid("symbol is required")
	case t.Side != lifeboat.Buy && t.Side != lifeboat.Sell:
		return t, nil, invalid("side must be buy or sell")
	case f.Qty == "" && f.Notional == "":
		return t, nil, invalid("qty or notional is required")
	case f.Qty != "" && f.Notional != "":
		return t, nil, invalid("only one of qty or notional is accepted")
	case len(f.ClientOrderID) > clientIDMax:
		return t, nil, invalid("client_order_id must be no more than %d characters", clientIDMax)
	case f.OrderClass == "mleg" || len(f.Legs) > 0 && string(f.Legs) != "null" && string(f.Legs) != "[]":
		return t, nil, invalid("multi-leg orders are not offered by this broker")
	case f.PositionIntent == "sell_to_open" || f.PositionIntent == "buy_to_close":
		return t, nil, invalid("%s: this account cannot be short", f.PositionIntent)
	}
	if t.ID = lifeboat.Key(f.ClientOrderID); t.ID == "" {
		t.ID = b.log.nextKey()
	}
	if err := kind(&t, f); err != nil {
		return t, nil, err
	}
	if err := force(&t, f); err != nil {
		return t, nil, err
	}
	legs, err = group(&t, f)
	return t, legs, err
}

// kind holds the prices of a form to its type, from which the core works the type out again.
func kind(t *paper.Ticket, f form) error {
	t.Type = lifeboat.Market
	trails := f.TrailPrice != "" || f.TrailPercent != ""
	wants := map[text][3]bool{ // limit, stop, trail
		"market": {}, "limit": {true, false, false}, "stop": {false, true, false}, "stop_limit": {true, true, false}, "trailing_stop": {false, false, true},
	}
	if f.Type == "" && f.OrderClass == "oco" {
		f.Type = "limit"
	}
	want, known := wants[f.Type]
	if f.OrderClass == "oco" && f.TakeProfit != nil && f.LimitPrice == "" {
		f.LimitPrice = f.TakeProfit.LimitPrice
		if err := amounts(field{"take_profit.limit_price", f.LimitPrice, &t.Limit}); err != nil {
			return err
		}
	}
	switch {
	case !known:
		return invalid("invalid order type specified. Allowed values are market, limit, stop, stop_limit, trailing_stop")
	case want[0] && f.LimitPrice == "":
		return invalid("%s orders require limit_price", f.Type)
	case want[1] && f.StopPrice == "":
		return invalid("%s orders require stop_price", f.Type)
	case want[2] && !trails:
		return invalid("trailing_stop orders require either trail_price or trail_percent")
	case !want[0] && f.LimitPrice != "":
		return invalid("%s orders must not have limit_price", f.Type)
	case !want[1] && f.StopPrice != "":
		return invalid("%s orders must not have stop_price", f.Type)
	case !want[2] && trails:
		return invalid("%s orders must not have a trail", f.Type)
	case tooFine(t.Limit) || tooFine(t.Stop):
		return invalid("invalid limit_price or stop_price: sub-penny increment does not fulfill minimum pricing criteria")
	}
	if want[0] {
		t.Type = lifeboat.Limit
	}
	return nil
}

// tooFine is a price in smaller steps than a cent, or than a hundredth of one below a dollar.
func tooFine(price decimal.Decimal) bool {
	places := int32(2)
	if price.LessThan(decimal.NewFromInt(1)) {
		places = 4
	}
	return !price.Equal(price.Truncate(places))
}

// force reads the time in force and what hangs on it.
func force(t *paper.Ticket, f form) error {
	switch f.TimeInForce {
	case "":
		return invalid("time_in_force is required")
	case "gtc":
		t.Force = paper.GoodTillCancelled
	case "day", "opg", "cls", "ioc", "fok":
		t.Force = paper.Force(f.TimeInForce)
	default:
		return invalid("invalid time_in_force specified. Allowed values are day, gtc, opg, cls, ioc, fok")
	}
	t.Extended = f.ExtendedHours == "true"
	if t.Extended && (t.Type != lifeboat.Limit || t.Stop.IsPositive() || t.Force != paper.Day) {
		return invalid("extended hours order must be DAY limit orders")
	}
	whole := t.Notional.IsZero() && t.Quantity.Equal(t.Quantity.Truncate(0))
	if !whole && t.Force != paper.Day {
		return invalid("fractional orders must be DAY orders")
	}
	return nil
}

// group makes the legs of a class.
func group(t *paper.Ticket, f form) ([]paper.Ticket, error) {
	class := paper.Class(f.OrderClass)
	if f.OrderClass == "simple" {
		class = paper.Simple
	}
	if !slices.Contains([]paper.Class{paper.Simple, paper.Bracket, paper.OCO, paper.OTO}, class) {
		return nil, invalid("invalid order_class specified. Allowed values are simple, bracket, oco, oto")
	}
	t.Class = class
	switch {
	case class == paper.Simple && (f.TakeProfit.given() || f.StopLoss.given()):
		return nil, invalid("take_profit and stop_loss need an order_class of bracket, oco or oto")
	case class == paper.Simple:
		return nil, nil
	case t.Notional.IsPositive() || t.Extended || t.Force != paper.Day && t.Force != paper.GoodTillCancelled:
		return nil, invalid("%s orders must be day or gtc orders by qty in regular hours", class)
	case class != paper.OTO && (!f.TakeProfit.given() || !f.StopLoss.given()):
		return nil, invalid("%s orders require take_profit.limit_price and stop_loss.stop_price", class)
	case class == paper.OTO && f.TakeProfit.given() == f.StopLoss.given():
		return nil, invalid("oto orders require either take_profit or stop_loss")
	case class == paper.OCO && (t.Type != lifeboat.Limit || t.Stop.IsPositive()):
		return nil, invalid("oco orders must be limit orders")
	}
	profit, loss, err := exits(t, f)
	if err != nil {
		return nil, err
	}
	if class == paper.OCO {
		loss.Waits, loss.Twin, t.Twin = false, t.ID, loss.ID
		loss.Side = t.Side
		return []paper.Ticket{loss}, nil
	}
	var legs []paper.Ticket
	if f.TakeProfit.given() {
		legs = append(legs, profit)
	}
	if f.StopLoss.given() {
		legs = append(legs, loss)
	}
	if len(legs) == 2 {
		legs[0].Twin, legs[1].Twin = legs[1].ID, legs[0].ID
	}
	return legs, nil
}

func (e *exit) given() bool { return e != nil && (e.LimitPrice != "" || e.StopPrice != "") }

// exits are the two ways out that a form names.
func exits(t *paper.Ticket, f form) (profit, loss paper.Ticket, err error) {
	base := paper.Ticket{Order: lifeboat.Order{Account: t.Account, Symbol: t.Symbol, Side: opposite(t.Side), Type: lifeboat.Market},
		Terms: paper.Terms{Force: t.Force, Class: t.Class, Parent: t.ID, Waits: true}}
	profit, loss = base, base
	profit.ID, loss.ID = lifeboat.Key(paper.UUID("profit", t.ID)), lifeboat.Key(paper.UUID("loss", t.ID))
	if f.TakeProfit.given() {
		profit.Type = lifeboat.Limit
		err = amounts(field{"take_profit.limit_price", f.TakeProfit.LimitPrice, &profit.Limit})
	}
	if f.StopLoss.given() && err == nil {
		if err = amounts(field{"stop_loss.stop_price", f.StopLoss.StopPrice, &loss.Stop}, field{"stop_loss.limit_price", f.StopLoss.LimitPrice, &loss.Limit}); loss.Limit.IsPositive() {
			loss.Type = lifeboat.Limit
		}
	}
	switch {
	case err != nil:
	case f.TakeProfit.given() && f.TakeProfit.LimitPrice == "":
		err = invalid("take_profit requires limit_price")
	case f.StopLoss.given() && f.StopLoss.StopPrice == "":
		err = invalid("stop_loss requires stop_price")
	case tooFine(profit.Limit) || tooFine(loss.Stop) || tooFine(loss.Limit):
		err = invalid("invalid leg price: sub-penny increment does not fulfill minimum pricing criteria")
	case t.Class != paper.OTO:
		err = apart(t, profit.Limit, loss.Stop)
	}
	return profit, loss, err
}

// apart holds the two exits to the right sides of each other.
func apart(t *paper.Ticket, profit, loss decimal.Decimal) error {
	if t.Class == paper.OCO {
		profit = t.Limit
	}
	long := (t.Side == lifeboat.Buy) != (t.Class == paper.OCO) // what is to be left again
	if long && !profit.GreaterThan(loss) {
		return invalid("take_profit.limit_price must be > stop_loss.stop_price")
	}
	if !long && !profit.LessThan(loss) {
		return invalid("take_profit.limit_price must be < stop_loss.stop_price")
	}
	return nil
}

func opposite(s lifeboat.Side) lifeboat.Side {
	if s == lifeboat.Buy {
		return lifeboat.Sell
	}
	return lifeboat.Buy
}
