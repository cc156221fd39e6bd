package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// pool is an account with a share of a trading pool: 10 WETH and 20,000 USDC, of which the product stays whatever is traded.
type pool struct {
	*Audit
	book       *lifeboat.Book
	at         time.Time
	weth, usdc decimal.Decimal
	share      string
	told       []*lifeboat.Message
	restated   int
}

func provide() *pool {
	book := lifeboat.NewBook("USD")
	p := &pool{Audit: New(&plan.Plan{People: []plan.Person{{Name: "Alex", Role: "owner"}}}, book), book: book, at: noon,
		weth: number("10"), usdc: number("20000"), share: "one"}
	p.apply(lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "pool", Symbol: "WETH", Quantity: p.weth}, {Account: "pool", Symbol: "USDC", Quantity: p.usdc}}})
	return p
}

func (p *pool) apply(e lifeboat.Event) {
	p.book.Apply(p.at, e)
	p.Apply(p.at, e)
}

// trade lets others pay so much WETH in for each that the share has.
func (p *pool) trade(by string) {
	p.weth = p.weth.Mul(number(by))
	p.usdc = p.usdc.DivRound(number(by), 6)
}

// take a part of the share out of the pool.
func (p *pool) take(part, left string) {
	rest := number("1").Sub(number(part))
	p.weth, p.usdc, p.share = p.weth.Mul(rest), p.usdc.Mul(rest).Round(6), left
}

// look lets minutes pass, and the chain speak in each.
func (p *pool) look(minutes int) {
	for range minutes {
		p.at = p.at.Add(time.Minute)
		s := lifeboat.Statement{Account: "pool", Source: "Ethereum", At: p.at}
		if p.share != "" {
			s.Lines = []lifeboat.StatementLine{{Symbol: "USDC", Quantity: p.usdc, Free: p.usdc, Share: p.share}, {Symbol: "WETH", Quantity: p.weth, Free: p.weth, Share: p.share}}
		}
		p.apply(s)
		for _, e := range p.Next(p.at) {
			p.apply(e)
			switch e := e.(type) {
			case lifeboat.Restated:
				p.restated++
			case lifeboat.Intent:
				p.told = append(p.told, e.Message)
			}
		}
	}
}

// The price doubles and halves, and comes and goes in small steps that are never the same twice: the book follows, and nobody is told.
func TestTradesOfOthersAreFollowedAndNotTold(t *testing.T) {
	p := provide()
	p.look(2)
	for _, by := range []string{"0.7", "1.9", "0.5", "1.001", "1.0021", "0.997"} {
		for range 3 {
			p.trade(by)
			p.look(1)
		}
		p.look(2)
		if book := p.book.Quantity("pool", "WETH"); book.Sub(p.weth).Abs().GreaterThan(p.weth.Mul(number("0.001"))) {
			t.Fatalf("after trades the book has %s WETH and there are %s", book, p.weth)
		}
	}
	if len(p.told) > 0 || p.restated < 6 {
		t.Errorf("restated %d times; told %+v", p.restated, p.told)
	}
	p.usdc = decimal.Zero // the price has left the range: one of the tokens is not there at all
	p.look(3)
	if book := p.book.Quantity("pool", "USDC"); len(p.told) > 0 || !book.IsZero() {
		t.Errorf("the book has %s USDC; told %+v", book, p.told)
	}
}

func TestWhatSomebodyDidToAShareIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*pool)
		tier lifeboat.Tier
		says string
	}{
		"a tenth is taken":                    {func(p *pool) { p.take("0.1", "two") }, lifeboat.Action, "9 WETH where the book had 10"},
		"all is taken":                        {func(p *pool) { p.take("1", "") }, lifeboat.Action, "0 WETH where the book had 10"},
		"so little that two looks may differ": {func(p *pool) { p.take("0.0005", "two") }, lifeboat.Action, "about as much WETH as before, 9.995, by another share of the pool"},
		"more comes in":                       {func(p *pool) { p.take("-0.5", "two") }, 0, "15 WETH where the book had 10"},
		"a half is taken while all trade":     {func(p *pool) { p.trade("1.8"); p.take("0.5", "two") }, lifeboat.Action, "9 WETH where the book had 10"},
	} {
		t.Run(name, func(t *testing.T) {
			p := provide()
			p.look(3)
			c.do(p)
			p.look(1)
			if len(p.told) > 0 {
				t.Fatalf("one statement was enough for %q", p.told[0].Text)
			}
			p.look(3)
			if len(p.told) != 1 || p.told[0].Tier != c.tier || !strings.Contains(p.told[0].Text, c.says) || p.restated != 1 {
				t.Fatalf("restated %d times; told %+v", p.restated, p.told)
			}
			p.trade("1.2")
			p.look(3)
			if len(p.told) != 1 {
				t.Errorf("a trade afterwards was told: %q", p.told[1].Text)
			}
		})
	}
}

// A share that the register does not know rightly is told once, and so is one of which the owner says something else later.
func TestAShareThatTheRegisterHasWronglyIsTold(t *testing.T) {
	p := provide()
	p.trade("1.5")
	p.look(3)
	if len(p.told) != 1 || p.restated != 1 {
		t.Fatalf("restated %d times; told %+v", p.restated, p.told)
	}
	p.apply(lifeboat.Restated{Account: "pool", Source: "a file", At: p.at, Positions: []lifeboat.Position{{Account: "pool", Symbol: "WETH", Quantity: number("3")}, {Account: "pool", Symbol: "USDC", Quantity: p.usdc}}})
	p.look(3)
	if len(p.told) != 2 || !strings.Contains(p.told[1].Text, "15 WETH where the book had 3") {
		t.Errorf("told %+v", p.told)
	}
}
