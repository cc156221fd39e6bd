package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

// market is an account in a lending market: 10 WETH supplied at three per cent a year, and 12,000 USDC owed at nine.
type market struct {
	*Audit
	book         *lifeboat.Book
	at           time.Time
	supply, debt decimal.Decimal
	restated     int
	told         []*lifeboat.Message
}

func lend() *market {
	book := lifeboat.NewBook("USD")
	m := &market{Audit: New(&plan.Plan{People: []plan.Person{{Name: "Alex", Role: "owner"}}}, book), book: book, at: noon,
		supply: number("10"), debt: number("-12000")}
	m.apply(lifeboat.PlanLoaded{Positions: []lifeboat.Position{{Account: "loan", Symbol: "WETH", Quantity: m.supply}, {Account: "loan", Symbol: "USDC", Quantity: m.debt}}})
	return m
}

func (m *market) apply(e lifeboat.Event) {
	m.book.Apply(m.at, e)
	m.Apply(m.at, e)
}

// pass lets time go by, with its interest, and then the chain speak.
func (m *market) pass(d time.Duration) {
	m.at = m.at.Add(d)
	years := decimal.NewFromFloat(d.Hours() / 24 / 365)
	m.supply = m.supply.Mul(number("0.03").Mul(years).Add(number("1"))).Round(18)
	m.debt = m.debt.Mul(number("0.09").Mul(years).Add(number("1"))).Round(6)
	s := lifeboat.Statement{Account: "loan", Source: "Ethereum", At: m.at}
	for symbol, quantity := range map[string]decimal.Decimal{"WETH": m.supply, "USDC": m.debt} {
		if !quantity.IsZero() {
			s.Lines = append(s.Lines, lifeboat.StatementLine{Symbol: symbol, Quantity: quantity, Free: quantity, Accrues: true})
		}
	}
	m.apply(s)
	for _, e := range m.Next(m.at) {
		m.apply(e)
		switch e := e.(type) {
		case lifeboat.Restated:
			m.restated++
		case lifeboat.Intent:
			m.told = append(m.told, e.Message)
		}
	}
}

// In a year of interest the book never is further from the chain than two looks may differ, and nobody is told anything.
func TestAYearOfInterestIsQuiet(t *testing.T) {
	m := lend()
	const look = 10 * time.Minute
	for m.at.Before(noon.AddDate(1, 0, 0)) {
		m.pass(look)
		for symbol, there := range map[string]decimal.Decimal{"WETH": m.supply, "USDC": m.debt} {
			book := m.book.Quantity("loan", symbol)
			if book.Sub(there).Abs().GreaterThan(there.Abs().Mul(number("0.0011"))) {
				t.Fatalf("at %s the book has %s %s and there are %s", m.at, book, symbol, there)
			}
		}
	}
	if len(m.told) > 0 {
		t.Errorf("the owner was told %d times, first %q", len(m.told), m.told[0].Text)
	}
	if m.restated < 80 || m.restated > 130 {
		t.Errorf("the book followed %d times where it had to make about 120 steps of a thousandth", m.restated)
	}
}

func TestWhatSomebodyDidToALoanIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*market)
		tier lifeboat.Tier
		says string
	}{
		"half a per cent is withdrawn": {func(m *market) { m.supply = m.supply.Mul(number("0.995")) }, lifeboat.Action, "WETH where the book had 10"},
		"all is withdrawn":             {func(m *market) { m.supply = decimal.Zero }, lifeboat.Action, "0 WETH where the book had 10"},
		"it is liquidated": {func(m *market) {
			m.debt, m.supply = m.debt.Div(number("2")), m.supply.Sub(number("3.3"))
		}, lifeboat.Action, "WETH where the book had 10"},
		"more is borrowed":   {func(m *market) { m.debt = m.debt.Mul(number("1.02")) }, lifeboat.Action, "USDC where the book had -12000"},
		"half is repaid":     {func(m *market) { m.debt = m.debt.Div(number("2")) }, 0, "USDC where the book had -12000"},
		"all is repaid":      {func(m *market) { m.debt = decimal.Zero }, 0, "0 USDC where the book had -12000"},
		"more is supplied":   {func(m *market) { m.supply = m.supply.Mul(number("1.02")) }, 0, "WETH where the book had 10"},
		"the debt is turned": {func(m *market) { m.debt = m.debt.Neg() }, 0, "USDC where the book had -12000"},
	} {
		t.Run(name, func(t *testing.T) {
			m := lend()
			for range 3 {
				m.pass(2 * time.Minute)
			}
			c.do(m)
			m.pass(2 * time.Minute)
			if len(m.told) > 0 {
				t.Fatalf("one statement was enough for %q", m.told[0].Text)
			}
			for range 3 {
				m.pass(2 * time.Minute)
			}
			if len(m.told) != 1 || m.told[0].Tier != c.tier || !strings.Contains(m.told[0].Text, c.says) || m.restated != 1 {
				t.Errorf("restated %d times; told %+v", m.restated, m.told)
			}
		})
	}
}

// Small withdrawals, each of them within what two looks may differ, are told of when they are as much as that together.
func TestSmallWithdrawalsAddUp(t *testing.T) {
	m := lend()
	for range 5 {
		m.supply = m.supply.Mul(number("0.9996"))
		m.pass(2 * time.Minute)
		m.pass(2 * time.Minute)
	}
	if len(m.told) != 1 || m.told[0].Tier != lifeboat.Action {
		t.Errorf("told %+v", m.told)
	}
}

// What came by interest is not told of beside what did not.
func TestInterestIsNotNamedBesideATheft(t *testing.T) {
	m := lend()
	m.debt, m.supply = number("-12050"), number("9")
	m.pass(2 * time.Minute)
	m.pass(2 * time.Minute)
	if len(m.told) != 1 || strings.Contains(m.told[0].Text, "USDC") || !strings.Contains(m.told[0].Text, "WETH where the book had 10") {
		t.Fatalf("told %+v", m.told)
	}
	if got := m.book.Quantity("loan", "USDC"); !got.Equal(m.debt) {
		t.Errorf("the book has %s USDC", got)
	}
}

// A debt that somebody raises by just what would pass for interest, again and again, is told within the second step.
func TestGrowthInSmallStepsAddsUp(t *testing.T) {
	m := lend()
	for range 3 {
		m.debt = m.debt.Mul(number("1.009"))
		m.pass(2 * time.Minute)
		m.pass(2 * time.Minute)
	}
	if len(m.told) != 1 || m.told[0].Tier != lifeboat.Action || !strings.Contains(m.told[0].Text, "USDC where the book had -12108") || m.restated != 3 {
		t.Errorf("restated %d times; told %+v", m.restated, m.told)
	}
}
