package paper_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/paper"
	"lifeboat/act/venue/venuetest"
	"lifeboat/session"
)

// 16 March 2020 was a Monday in New York's summer time: the market was open from 13:30 to 20:00 UTC.
var (
	monday  = time.Date(2020, 3, 16, 0, 0, 0, 0, time.UTC)
	opens   = clock("13:30")
	midday  = clock("16:00")
	closes  = clock("20:00")
	tuesday = 24 * time.Hour
)

func clock(hm string) time.Time {
	t, err := time.Parse("15:04", hm)
	if err != nil {
		panic(err)
	}
	return monday.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
}

func dec(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func nyse(string) *session.Calendar { return session.NYSE() }

// stocks is an account in New York with 1,000 SPY and 100,000 dollars; everything else is up to the test.
func stocks(t *testing.T, change func(*paper.Config)) *paper.Venue {
	t.Helper()
	cfg := paper.Config{
		Account: "broker", Currency: "USD", Calendar: nyse,
		Fractional: func(string) bool { return false },
		Positions: []lifeboat.Position{
			{Account: "broker", Symbol: "SPY", Quantity: dec("1000")},
			{Account: "broker", Symbol: "USD", Quantity: dec("100000")},
			{Account: "elsewhere", Symbol: "SPY", Quantity: dec("7")},
		},
	}
	if change != nil {
		change(&cfg)
	}
	v, err := paper.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// show writes an instant as a person would: "SPY.low 239, SPY 240".
func show(t *testing.T, v *paper.Venue, at time.Time, readings string) {
	t.Helper()
	if err := v.Show(instant(t, at, readings)); err != nil {
		t.Fatal(err)
	}
}

func instant(t *testing.T, at time.Time, readings string) lifeboat.Instant {
	t.Helper()
	in := lifeboat.Instant{At: at}
	for part := range strings.SplitSeq(readings, ", ") {
		var r lifeboat.Reading
		if _, err := fmt.Sscan(part, &r.Series, &r.Value); err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		if series, source, ok := strings.Cut(string(r.Series), "@"); ok {
			r.Series, r.Source = lifeboat.Series(series), source
		}
		in.Readings = append(in.Readings, r)
	}
	return in
}

// order reads "sell 10 SPY" or "buy 10 SPY at 240".
func order(t *testing.T, id, text string) lifeboat.Order {
	t.Helper()
	words := strings.Fields(text)
	o := lifeboat.Order{
		ID: lifeboat.Key(id), Account: "broker", Side: lifeboat.Side(words[0]), Type: lifeboat.Market,
		Quantity: dec(words[1]), Symbol: words[2],
	}
	if len(words) > 3 {
		o.Type, o.Limit = lifeboat.Limit, dec(words[4])
	}
	return o
}

func place(t *testing.T, v *paper.Venue, at time.Time, id, text string) lifeboat.Receipt {
	t.Helper()
	r, err := v.Place(t.Context(), at, order(t, id, text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func ask(t *testing.T, v *paper.Venue, id string) lifeboat.Receipt {
	t.Helper()
	r, err := v.Ask(t.Context(), time.Time{}, lifeboat.Key(id))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func holds(v *paper.Venue, symbol string) decimal.Decimal {
	for _, p := range v.Positions() {
		if p.Account == "broker" && p.Symbol == symbol {
			return p.Quantity
		}
	}
	return decimal.Zero
}

// told is a receipt in few words: "filled 10 at 240".
func told(r lifeboat.Receipt) string {
	if r.Filled.IsZero() {
		return string(r.Status)
	}
	return fmt.Sprintf("%s %s at %s", r.Status, r.Filled, r.Price)
}

// When an order fills, and at what price: what was shown before, the order, what was shown after.
func TestFill(t *testing.T) {
	type shown struct {
		at       time.Time
		readings string
	}
	for _, tc := range []struct {
		name   string
		change func(*paper.Config)
		before []shown
		at     time.Time
		order  string
		after  []shown
		want   string
	}{
		{"at once at a quote of this very instant", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"a quote of a minute ago is not fresh", nil, []shown{{midday, "SPY 240"}}, midday.Add(time.Minute), "sell 10 SPY", nil, "accepted"},
		{"unless the owner says so", func(c *paper.Config) { c.Fresh = time.Minute }, []shown{{midday, "SPY 240"}}, midday.Add(time.Minute), "sell 10 SPY", nil, "filled 10 at 240"},
		{"it fills at the next quote", nil, []shown{{midday, "SPY 240"}}, midday.Add(time.Minute), "sell 10 SPY",
			[]shown{{midday.Add(time.Hour), "SPY 238"}}, "filled 10 at 238"},
		{"decided on the close, it waits for the next opening", nil, []shown{{closes, "SPY 240"}}, closes, "sell 10 SPY", nil, "accepted"},
		{"and fills at the opening price", nil, []shown{{closes, "SPY 240"}}, closes, "sell 10 SPY",
			[]shown{{opens.Add(tuesday), "SPY.open 231"}, {closes.Add(tuesday), "SPY 252"}}, "filled 10 at 231"},
		{"the close itself fills what was there before it", nil, []shown{{opens, "SPY.open 240"}}, midday, "sell 10 SPY",
			[]shown{{closes, "SPY 239"}}, "filled 10 at 239"},
		{"a price of the night fills nothing", nil, []shown{{closes, "SPY 240"}}, closes, "sell 10 SPY",
			[]shown{{closes.Add(2 * time.Hour), "SPY 200"}}, "accepted"},
		{"crypto has no night", func(c *paper.Config) { c.Calendar = nil }, []shown{{closes, "SPY 240"}}, closes, "sell 10 SPY", nil, "filled 10 at 240"},
		{"of a bar and its opening the close counts", nil, []shown{{midday, "SPY.open 250, SPY 240"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"the middle of three sources", nil, []shown{{midday, "SPY@a 240, SPY@b 1, SPY@c 241"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"of two the one nearer to before", nil, []shown{{opens, "SPY 239"}, {midday, "SPY@a 240, SPY@b 150"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"of two without a before their mean", nil, []shown{{midday, "SPY@a 240, SPY@b 241"}}, midday, "sell 10 SPY", nil, "filled 10 at 240.5"},
		{"a price of zero is no quote", nil, []shown{{midday, "SPY 240"}}, midday.Add(time.Minute), "buy 10 SPY",
			[]shown{{midday.Add(time.Hour), "SPY 0"}, {midday.Add(2 * time.Hour), "SPY -37.63"}}, "accepted"},
		{"what is not a number is no quote", nil, []shown{{midday, "SPY 240"}, {midday, "SPY NaN"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"news from the past is no news", nil, []shown{{midday, "SPY 240"}, {opens, "SPY 300"}}, midday, "sell 10 SPY", nil, "filled 10 at 240"},
		{"selling costs the half-spread", spread, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY", nil, "filled 10 at 239.76"},
		{"so does buying", spread, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY", nil, "filled 10 at 240.24"},
		{"a limit within the spread rests", spread, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 240", nil, "accepted"},
		{"a limit fills better than it asked", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 250", nil, "filled 10 at 240"},
		{"the bar traded through the limit", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 230",
			[]shown{{closes, "SPY.low 229, SPY.high 245, SPY 244"}}, "filled 10 at 230"},
		{"and for a sale", nil, []shown{{midday, "SPY 240"}}, midday, "sell 10 SPY at 244",
			[]shown{{closes, "SPY.low 229, SPY.high 245, SPY 239"}}, "filled 10 at 244"},
		{"touching the limit is not trading through it", nil, []shown{{midday, "SPY 240"}}, midday, "buy 10 SPY at 229",
			[]shown{{closes, "SPY.low 229, SPY.high 245, SPY 244"}}, "accepted"},
		{"a bar that began before the order proves nothing", nil, []shown{{opens, "SPY.open 240"}}, midday, "buy 10 SPY at 230",
			[]shown{{closes, "SPY.low 229, SPY.high 245, SPY 244"}}, "accepted"},
		{"a tenth of the bar's volume", nil, []shown{{midday, "SPY.volume 500, SPY 240"}}, midday, "sell 80 SPY", nil, "partial 50 at 240"},
		{"and a tenth of the next", nil, []shown{{midday, "SPY.volume 500, SPY 240"}}, midday, "sell 80 SPY",
			[]shown{{closes, "SPY.volume 100, SPY 230"}}, "partial 60 at 238.33333333"},
		{"nothing of a bar in which nobody traded", nil, []shown{{midday, "SPY.volume 0, SPY 240"}}, midday, "sell 80 SPY", nil, "accepted"},
		{"whole shares only", nil, []shown{{midday, "SPY.volume 509, SPY 240"}}, midday, "sell 80 SPY", nil, "partial 50 at 240"},
		{"no volume known, no bound", nil, []shown{{midday, "SPY 240"}}, midday, "sell 1000 SPY", nil, "filled 1000 at 240"},
		{"without a bar's volume a tenth of a usual session, once per session", nil,
			[]shown{{closes.Add(-3 * tuesday), "SPY.volume 1000, SPY 240"}, {opens, "SPY.open 240"}}, opens, "sell 150 SPY",
			[]shown{{midday, "SPY 230"}}, "partial 100 at 240"},
		{"and what the bar at the end leaves of a tenth", nil,
			[]shown{{closes.Add(-3 * tuesday), "SPY.volume 1000, SPY 240"}, {opens, "SPY.open 240"}}, opens, "sell 150 SPY",
			[]shown{{closes, "SPY.volume 1200, SPY 240"}}, "partial 120 at 240"},
		{"a small coin has eight decimals", func(c *paper.Config) { spread(c); c.Calendar = nil }, []shown{{midday, "SPY 0.00012345"}}, midday, "sell 10 SPY", nil, "filled 10 at 0.00012333"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := stocks(t, tc.change)
			for _, s := range tc.before {
				show(t, v, s.at, s.readings)
			}
			place(t, v, tc.at, "lb-1", tc.order)
			for _, s := range tc.after {
				show(t, v, s.at, s.readings)
			}
			if got := told(ask(t, v, "lb-1")); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func spread(c *paper.Config) { c.HalfSpread = func(string) float64 { return 0.001 } }

// Suspect, stale and missing readings are not prices, whatever number they carry.
func TestOnlyGoodReadingsQuote(t *testing.T) {
	for _, quality := range []lifeboat.Quality{lifeboat.Stale, lifeboat.Suspect, lifeboat.None} {
		v := stocks(t, nil)
		in := instant(t, midday, "SPY 1")
		in.Readings[0].Quality = quality
		if err := v.Show(in); err != nil {
			t.Fatal(err)
		}
		if r := place(t, v, midday, "lb-1", "sell 10 SPY"); r.Status != lifeboat.OrderRejected {
			t.Errorf("a %s reading made a quote: %s", quality, told(r))
		}
	}
}

// A delayed feed's price was made before the order, so it cannot be its price.
func TestOldPriceOfADelayedFeed(t *testing.T) {
	v := stocks(t, nil)
	show(t, v, opens, "SPY 240")
	place(t, v, midday, "lb-1", "sell 10 SPY")
	delayed := instant(t, midday.Add(time.Minute), "SPY 250")
	delayed.Readings[0].At = midday.Add(-14 * time.Minute)
	if err := v.Show(delayed); err != nil {
		t.Fatal(err)
	}
	if r := ask(t, v, "lb-1"); r.Status != lifeboat.Accepted {
		t.Errorf("filled at a price that was older than the order: %s", told(r))
	}
}

// The impact is Y·σ·√(quantity ÷ usual volume): 20 sessions that alternate between 100 and 110 on a volume of 10,000.
func TestImpact(t *testing.T) {
	v := stocks(t, func(c *paper.Config) { c.Impact, c.Participation = 0.5, 1 })
	closes := make([]float64, 0, 30)
	day := session.NYSE().Of(time.Date(2020, 1, 2, 20, 0, 0, 0, time.UTC))
	for i := range 30 { // the first ten are forgotten
		closes = append(closes, 100+10*float64(i%2))
		show(t, v, day.Close, fmt.Sprintf("SPY.volume %d, SPY %v", 10_000+1_000_000*max(0, 10-i), closes[i]))
		day = session.NYSE().Next(day.Close)
	}
	show(t, v, day.Open, "SPY.open 100")
	r := place(t, v, day.Open, "lb-1", "sell 400 SPY")

	var returns []float64
	for i := 11; i < 30; i++ {
		returns = append(returns, closes[i]/closes[i-1]-1)
	}
	mean, squares := 0.0, 0.0
	for _, x := range returns {
		mean += x / float64(len(returns))
	}
	for _, x := range returns {
		squares += (x - mean) * (x - mean)
	}
	sigma := math.Sqrt(squares / float64(len(returns)-1))
	want := decimal.NewFromFloat(100 * (1 - 0.5*sigma*math.Sqrt(400.0/10_000))).Round(4)
	if !r.Price.Equal(want) || r.Status != lifeboat.Filled {
		t.Errorf("got %s, want filled at %s", told(r), want)
	}
	if r := place(t, v, day.Open, "lb-2", "sell 400 SPY at 99.9"); !r.Price.Equal(dec("99.9")) {
		t.Errorf("the impact passed the limit: %s", told(r))
	}
}

// What cannot be taken in is refused in words for people, and is refused again under its key.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct{ order, why string }{
		{"sell 1001 SPY", "the account holds 1000 SPY and open sales claim 100: 1001 cannot be sold"},
		{"sell 901 SPY at 300", "the account holds 1000 SPY and open sales claim 100: 901 cannot be sold"},
		{"sell 1 QQQ", "nobody quotes QQQ here"},
		{"buy 1 QQQ", "nobody quotes QQQ here"},
		{"buy 401 SPY", "the account has 100000 USD and open purchases claim 2000: 98164.8 are not there"},
		{"buy 491 SPY at 200", "the account has 100000 USD and open purchases claim 2000: 98200 are not there"},
		{"sell 0.5 SPY", "0.5 of SPY cannot be traded: the smallest unit is 1"},
		{"sell 0 SPY", "0 is no quantity to trade"},
		{"buy -3 SPY", "-3 is no quantity to trade"},
		{"buy 10 SPY at 0", "0 is no limit price"},
		{"buy 10 USD", "USD is the account's cash"},
		{"short 10 SPY", `"short" is neither buy nor sell`},
	} {
		t.Run(tc.order, func(t *testing.T) {
			v := stocks(t, nil)
			show(t, v, midday, "SPY 240")
			place(t, v, midday, "lb-sale", "sell 100 SPY at 250")
			place(t, v, midday, "lb-purchase", "buy 10 SPY at 200")
			r := place(t, v, midday, "lb-1", tc.order)
			if r.Status != lifeboat.OrderRejected || r.Why != tc.why {
				t.Errorf("got %s: %s\nwant %s", r.Status, r.Why, tc.why)
			}
			if again := place(t, v, midday, "lb-1", tc.order); again.Why != r.Why {
				t.Errorf("refused differently a second time: %s", again.Why)
			}
		})
	}
	t.Run("another account", func(t *testing.T) {
		v := stocks(t, nil)
		o := order(t, "lb-1", "sell 1 SPY")
		o.Account = "elsewhere"
		if r, err := v.Place(t.Context(), midday, o); err != nil || r.Status != lifeboat.OrderRejected {
			t.Errorf("got %s, %v", told(r), err)
		}
	})
	t.Run("an amount nobody can write out", func(t *testing.T) {
		v := stocks(t, nil)
		show(t, v, midday, "SPY 240")
		o := order(t, "lb-1", "sell 1 SPY")
		o.Quantity = decimal.New(1, 999_999_999)
		if r, err := v.Place(t.Context(), midday, o); err != nil || r.Status != lifeboat.OrderRejected {
			t.Errorf("got %s, %v", r.Status, err)
		}
	})
	t.Run("no key", func(t *testing.T) {
		v := stocks(t, nil)
		show(t, v, midday, "SPY 240")
		if r := place(t, v, midday, "", "sell 1 SPY"); r.Status != lifeboat.OrderRejected || len(v.Orders()) != 0 {
			t.Errorf("got %s and %d orders", told(r), len(v.Orders()))
		}
	})
}

// A purchase that waited for the opening and finds a price beyond its reserve takes what the cash can pay.
func TestCashNeverGoesBelowZero(t *testing.T) {
	v := stocks(t, func(c *paper.Config) {
		c.Fee = func(_ lifeboat.Order, quantity, _ decimal.Decimal) decimal.Decimal { return quantity.Mul(dec("0.01")) }
	})
	show(t, v, closes, "SPY 240")
	if r := place(t, v, closes, "lb-1", "buy 408 SPY"); r.Status != lifeboat.Accepted {
		t.Fatalf("%s: %s", told(r), r.Why)
	}
	show(t, v, opens.Add(tuesday), "SPY.open 300")
	r := ask(t, v, "lb-1")
	if told(r) != "canceled 333 at 300" || r.Why == "" || !r.Fee.Equal(dec("3.33")) {
		t.Errorf("got %s with a fee of %s: %s", told(r), r.Fee, r.Why)
	}
	if cash := holds(v, "USD"); !cash.Equal(dec("96.67")) {
		t.Errorf("cash is %s", cash)
	}
}

// Nor by a hair: an average price is cut, not rounded up, so that a large position books no more than was paid.
func TestAveragePriceBooksNoMoreThanWasPaid(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 5))
		v := stocks(t, func(c *paper.Config) { c.Fractional, c.Participation = nil, 1 })
		show(t, v, midday, fmt.Sprintf("SPY.volume %d, SPY %v", 30_000+random.IntN(9), 1+random.Float64()))
		place(t, v, midday, "lb-1", fmt.Sprintf("buy %d SPY", 40_000+random.IntN(999)))
		show(t, v, midday.Add(time.Minute), fmt.Sprintf("SPY.volume 90000, SPY %v", 30+random.Float64()))
		if r := ask(t, v, "lb-1"); r.Status != lifeboat.Canceled {
			t.Fatalf("seed %d: %s", seed, told(r))
		}
		if cash := holds(v, "USD"); cash.IsNegative() || cash.GreaterThan(dec("0.01")) {
			t.Fatalf("seed %d: cash is %s", seed, cash)
		}
	}
}

// A price in more decimals than the market's is kept as it is where it is a limit.
func TestFineLimit(t *testing.T) {
	v := stocks(t, nil)
	show(t, v, midday, "SPY 240")
	place(t, v, midday, "lb-1", "sell 3 SPY at 240.12345678915")
	show(t, v, closes, "SPY.high 250, SPY 240")
	if r := ask(t, v, "lb-1"); told(r) != "filled 3 at 240.12345678915" {
		t.Errorf("got %s", told(r))
	}
}

// The same calls make the same receipts, down to the venue's own order numbers.
func TestDeterministic(t *testing.T) {
	tell := func() string {
		v := stocks(t, spread)
		var story strings.Builder
		random := rand.New(rand.NewPCG(7, 7))
		trade(t, v, random, 200)
		for _, o := range v.Orders() {
			fmt.Fprintf(&story, "%+v\n", o)
		}
		return story.String()
	}
	if first, second := tell(), tell(); first != second {
		t.Error("the same calls told two stories")
	}
}

// trade does n random things at an account.
func trade(t *testing.T, v *paper.Venue, random *rand.Rand, n int) {
	t.Helper()
	at := opens
	for i := range n {
		at = at.Add(time.Duration(1+random.IntN(20)) * time.Minute)
		switch random.IntN(4) {
		case 0:
			show(t, v, at, fmt.Sprintf("SPY.low %d, SPY.high %d, SPY.volume %d, SPY %v", 90+random.IntN(10), 111+random.IntN(9), random.IntN(2000), 100+10*random.Float64()))
		case 1:
			show(t, v, at, fmt.Sprintf("SPY %v", 60+80*random.Float64()))
		case 2:
			text := fmt.Sprintf("%s %d SPY", []string{"buy", "sell"}[random.IntN(2)], 1+random.IntN(400))
			if random.IntN(2) == 0 {
				text += fmt.Sprintf(" at %d", 80+random.IntN(40))
			}
			place(t, v, at, fmt.Sprintf("lb-%d", i), text)
		case 3:
			id := lifeboat.Key(fmt.Sprintf("lb-%d", random.IntN(i+1)))
			if _, err := v.Cancel(t.Context(), at, id); err != nil && !errors.Is(err, lifeboat.ErrAbsent) {
				t.Fatal(err)
			}
		}
	}
}

// Money and shares balance after any random trading: what receipts say was paid is what is gone, to the last digit;
// cash and shares never go below zero; and a second venue on the same ledger tells the same.
func TestSumsBalance(t *testing.T) {
	for seed := range uint64(60) {
		ledger := &kept{}
		cfg := func(c *paper.Config) {
			spread(c)
			c.Ledger = ledger
			c.Fee = func(_ lifeboat.Order, quantity, price decimal.Decimal) decimal.Decimal {
				return quantity.Mul(price).Mul(dec("0.0005")).Round(2)
			}
		}
		v := stocks(t, cfg)
		random := rand.New(rand.NewPCG(seed, 1))
		for range 10 {
			trade(t, v, random, 30)
			cash, shares := dec("100000"), dec("1000")
			for _, o := range v.Orders() {
				money, filled := o.Receipt.Filled.Mul(o.Receipt.Price), o.Receipt.Filled
				if o.Order.Side == lifeboat.Buy {
					money, filled = money.Neg(), filled.Neg()
				}
				cash, shares = cash.Add(money).Sub(o.Receipt.Fee), shares.Sub(filled)
			}
			if !holds(v, "USD").Equal(cash) || !holds(v, "SPY").Equal(shares) || cash.IsNegative() || shares.IsNegative() {
				t.Fatalf("seed %d: the account has %s and %s shares; its receipts leave %s and %s", seed, holds(v, "USD"), holds(v, "SPY"), cash, shares)
			}
		}
		again := stocks(t, cfg)
		if fmt.Sprint(again.Orders()) != fmt.Sprint(v.Orders()) || !holds(again, "USD").Equal(holds(v, "USD")) {
			t.Fatalf("seed %d: the ledger tells another story than the venue that wrote it", seed)
		}
	}
}

// kept is a ledger in memory that a second venue can open, and that can run out of space.
type kept struct {
	entries []paper.Entry
	full    bool
}

func (k *kept) Read() ([]paper.Entry, error) { return k.entries, nil }

func (k *kept) Append(e paper.Entry) error {
	if k.full {
		return errors.New("no space left on device")
	}
	k.entries = append(k.entries, e)
	return nil
}

// What the ledger does not take has not happened, and the caller is told that nobody knows.
func TestNothingHappensWithoutTheLedger(t *testing.T) {
	ledger := &kept{}
	v := stocks(t, func(c *paper.Config) { c.Ledger = ledger })
	show(t, v, midday, "SPY 240")
	place(t, v, midday, "lb-open", "sell 100 SPY at 250")
	ledger.full = true
	if _, err := v.Place(t.Context(), midday, order(t, "lb-1", "sell 10 SPY")); err == nil {
		t.Error("placed without a ledger")
	}
	if _, err := v.Cancel(t.Context(), midday, "lb-open"); err == nil {
		t.Error("cancelled without a ledger")
	}
	if err := v.Show(instant(t, midday.Add(time.Minute), "SPY 251")); err == nil {
		t.Error("filled without a ledger")
	}
	if len(v.Orders()) != 1 || ask(t, v, "lb-open").Status != lifeboat.Accepted || !holds(v, "SPY").Equal(dec("1000")) {
		t.Errorf("something happened: %+v", v.Orders())
	}
	ledger.full = false
	show(t, v, midday.Add(2*time.Minute), "SPY 251")
	if r := ask(t, v, "lb-open"); r.Status != lifeboat.Filled {
		t.Errorf("the order did not go on when there was space again: %s", told(r))
	}
}

// After a restart the recorded instants are shown again to warm the venue up: they fill nothing a second time.
func TestInstantsShownAgain(t *testing.T) {
	ledger := &kept{}
	open := func() *paper.Venue { return stocks(t, func(c *paper.Config) { c.Ledger = ledger }) }
	tape := []lifeboat.Instant{
		instant(t, opens, "SPY.open 240"),
		instant(t, midday, "SPY.volume 500, SPY 239"),
		instant(t, closes, "SPY.volume 300, SPY 238"),
	}
	v := open()
	for i, in := range tape {
		if err := v.Show(in); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			place(t, v, opens.Add(time.Minute), "lb-1", "sell 100 SPY")
		}
	}
	before := ask(t, v, "lb-1")
	v = open()
	for _, in := range tape {
		if err := v.Show(in); err != nil {
			t.Fatal(err)
		}
	}
	if after := ask(t, v, "lb-1"); fmt.Sprint(after) != fmt.Sprint(before) || told(before) != "partial 80 at 238.625" {
		t.Errorf("%s became %s", told(before), told(after))
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*paper.Config){
		"no account":      func(c *paper.Config) { c.Account = "" },
		"no currency":     func(c *paper.Config) { c.Currency = "" },
		"more than all":   func(c *paper.Config) { c.Participation = 1.5 },
		"not a share":     func(c *paper.Config) { c.Participation = math.NaN() },
		"not a number":    func(c *paper.Config) { c.Impact = math.NaN() },
		"from the future": func(c *paper.Config) { c.Fresh = -1 },
	} {
		cfg := paper.Config{Account: "broker", Currency: "USD"}
		change(&cfg)
		if _, err := paper.New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The paper venue keeps the contract of every venue, with costs and a ledger on disk.
func TestConformance(t *testing.T) {
	venuetest.Run(t, func(t *testing.T) venuetest.Harness {
		path := filepath.Join(t.TempDir(), "paper.jsonl")
		open := func() *paper.Venue {
			ledger, err := paper.FileLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ledger.Close() })
			return stocks(t, func(c *paper.Config) {
				spread(c)
				c.Participation, c.Ledger = 0.25, ledger
				c.Positions = []lifeboat.Position{
					{Account: "broker", Symbol: "SPY", Quantity: decimal.NewFromInt(venuetest.Shares)},
					{Account: "broker", Symbol: "USD", Quantity: decimal.NewFromInt(venuetest.Cash)},
				}
				c.Fee = func(_ lifeboat.Order, quantity, _ decimal.Decimal) decimal.Decimal { return quantity.Mul(dec("0.005")) }
			})
		}
		v, now := open(), opens
		return venuetest.Harness{
			Venue: v, Account: "broker", Symbol: "SPY",
			Holds: func() (shares, cash decimal.Decimal) { return holds(v, "SPY"), holds(v, "USD") },
			Quote: func(price string, size int) time.Time {
				now = now.Add(time.Minute)
				show(t, v, now, fmt.Sprintf("SPY.volume %d, SPY %s", 4*size, price))
				return now
			},
			Reopen: func() venue.Venue { v = open(); return v },
		}
	})
}

// A status page reads while the market moves.
func TestConcurrentReaders(t *testing.T) {
	v := stocks(t, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			_, _ = v.Orders(), v.Positions()
		}
	}()
	trade(t, v, rand.New(rand.NewPCG(1, 2)), 200)
	<-done
}

func BenchmarkShow(b *testing.B) {
	v, err := paper.New(paper.Config{Account: "broker", Currency: "USD", Calendar: nyse})
	if err != nil {
		b.Fatal(err)
	}
	in := lifeboat.Instant{}
	for _, symbol := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"} {
		for column, value := range map[string]float64{".low": 99, ".high": 101, ".volume": 1e6, "": 100} {
			in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(symbol + column), Value: value})
		}
	}
	in.At = closes
	for b.Loop() {
		in.At = in.At.Add(24 * time.Hour)
		if in.At.Year() > 2060 {
			in.At = closes
		}
		if err := v.Show(in); err != nil {
			b.Fatal(err)
		}
	}
}
