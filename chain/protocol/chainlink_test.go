package protocol

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat/chain/contract"
)

// feed lays an answer down, given so long before the block.
func (w *world) feed(address common.Address, dollars float64, age time.Duration) {
	w.says(address, contract.Aggregator.Decimals, nil, uint8(8))
	updated := big.NewInt(w.block.Time.Add(-age).Unix())
	w.says(address, contract.Aggregator.LatestRound, nil, big.NewInt(42), amount(dollars, 8), updated, updated, big.NewInt(42))
}

func TestFeedsAreDoubted(t *testing.T) {
	eth, token, sequencer := at("ETH/USD"), at("WETH"), at("uptime")
	up := func(w *world, answer int64, since time.Duration) {
		w.says(sequencer, contract.Aggregator.LatestRound, nil, big.NewInt(1), big.NewInt(answer), big.NewInt(w.block.Time.Add(-since).Unix()), new(big.Int), big.NewInt(1))
	}
	for name, c := range map[string]struct {
		lay   func(*world)
		rolls bool
		doubt string
	}{
		"fresh":                  {func(w *world) { w.feed(eth, 2000, time.Minute) }, false, ""},
		"at the heartbeat":       {func(w *world) { w.feed(eth, 2000, time.Hour) }, false, ""},
		"older than that":        {func(w *world) { w.feed(eth, 2000, time.Hour+time.Second) }, false, "last answered 1h0m1s ago, and promises to every 1h0m0s"},
		"zero":                   {func(w *world) { w.feed(eth, 0, 0) }, false, "says 0, which is no price"},
		"negative":               {func(w *world) { w.feed(eth, -1, 0) }, false, "says -1, which is no price"},
		"from the future":        {func(w *world) { w.feed(eth, 2000, -time.Hour) }, false, "later than the block"},
		"no answer":              {func(*world) {}, false, "does not answer"},
		"at its floor":           {func(w *world) { w.feed(eth, 0.1, 0); bound(w, eth, 0.1, 1e6) }, false, "the least that it can say"},
		"at its ceiling":         {func(w *world) { w.feed(eth, 1e6, 0); bound(w, eth, 0.1, 1e6) }, false, "the most that it can say"},
		"between them":           {func(w *world) { w.feed(eth, 2000, 0); bound(w, eth, 0.1, 1e6) }, false, ""},
		"sequencer up":           {func(w *world) { w.feed(eth, 2000, 0); up(w, 0, 2*time.Hour) }, true, ""},
		"sequencer down":         {func(w *world) { w.feed(eth, 2000, 0); up(w, 1, 2*time.Hour) }, true, "the sequencer is down"},
		"sequencer just back":    {func(w *world) { w.feed(eth, 2000, 0); up(w, 0, 59*time.Minute) }, true, "less than an hour ago"},
		"sequencer says nothing": {func(w *world) { w.feed(eth, 2000, 0) }, true, "nobody knows whether the sequencer is up"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.lay(w)
			uptime := common.Address{}
			if c.rolls {
				uptime = sequencer
			}
			feeds := NewFeeds("prices", uptime, Feed{"ETH/USD", eth, token, time.Hour}, Feed{"other", at("other"), at("OTHER"), time.Hour})
			quotes, err := feeds.Quotes(t.Context(), w, nil, token, at("unknown"))
			if err != nil || len(quotes) != 1 {
				t.Fatal(quotes, err)
			}
			if got := quotes[0].Doubt; c.doubt == "" && got != "" || !strings.Contains(got, c.doubt) {
				t.Errorf("%q, want %q", got, c.doubt)
			}
			_, err = trustworthy(t.Context(), feeds, w, nil, Token{token, "WETH", 18})
			if (err == nil) != (c.doubt == "") {
				t.Error(err)
			}
			all, err := feeds.Measures(t.Context(), w, nil)
			if err != nil {
				t.Fatal(err)
			}
			if stale := find(t, all, OracleStale, common.Address{}, eth); stale != flag(c.doubt != "") {
				t.Errorf("stale is %v", stale)
			}
		})
	}
}

func bound(w *world, feed common.Address, least, most float64) {
	w.says(feed, contract.Aggregator.Aggregator, nil, at("aggregator"))
	w.says(at("aggregator"), contract.Aggregator.Least, nil, amount(least, 8))
	w.says(at("aggregator"), contract.Aggregator.Most, nil, amount(most, 8))
}

func TestTrustworthy(t *testing.T) {
	weth := Token{at("WETH"), "WETH", 18}
	price := decimal.NewFromInt(2000)
	for want, oracle := range map[string]Oracle{
		"no oracle is named":             nil,
		"no oracle quotes WETH":          Said{},
		"the desk sleeps":                Said{{Token: weth.Address, Dollars: price, Doubt: "the desk sleeps"}},
		"desk says that WETH is worth 0": Said{{Token: weth.Address, Source: "desk"}},
	} {
		if _, err := trustworthy(t.Context(), oracle, nil, nil, weth); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	second := Said{{Token: weth.Address, Dollars: price, Doubt: "old"}, {Token: weth.Address, Dollars: price.Add(price)}}
	if got, err := trustworthy(t.Context(), second, nil, nil, weth); err != nil || !got[0].Equal(decimal.NewFromInt(4000)) {
		t.Error(got, err)
	}
}

func TestValue(t *testing.T) {
	usdc, weth, odd := Token{at("USDC"), "USDC", 6}, Token{at("WETH"), "WETH", 18}, Token{at("ODD"), "ODD", 0}
	position := func(kind Kind, t Token, n *big.Int) Position {
		return Position{Kind: kind, Token: Token{Symbol: "a" + t.Symbol}, Amount: n, Under: []Component{{Token: t, Amount: n}}}
	}
	w := Value([]Position{position(Supply, weth, amount(10, 18)), position(Debt, usdc, amount(12_000, 6)), position(Wallet, odd, one), position(Share, odd, one)},
		[]Quote{{Token: weth.Address, Dollars: decimal.NewFromInt(1), Doubt: "old"}, {Token: weth.Address, Dollars: decimal.NewFromInt(2000)}, {Token: usdc.Address, Dollars: decimal.RequireFromString("0.999")}})
	if w.Net.String() != "8012" || w.Owed.String() != "11988" || len(w.Lines) != 2 || len(w.Unpriced) != 1 || w.Unpriced[0] != odd {
		t.Errorf("%+v", w)
	}
}
