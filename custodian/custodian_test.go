package custodian

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// node says what the test lets it say.
type node struct {
	name      string
	holdings  Holdings
	transfers []Transfer
	err       error
}

func (n *node) Name() string                                       { return n.name }
func (n *node) Holdings(context.Context) (Holdings, error)         { return n.holdings, n.err }
func (n *node) Transfers(context.Context, int) ([]Transfer, error) { return n.transfers, n.err }
func says(name string, age time.Duration, lines ...string) *node {
	n := &node{name: name, holdings: Holdings{At: noon.Add(-age), Height: uint64(1000 - age/time.Second)}}
	for _, l := range lines {
		quantity, symbol, _ := strings.Cut(l, " ")
		q := decimal.RequireFromString(quantity)
		n.holdings.Lines = append(n.holdings.Lines, lifeboat.StatementLine{Symbol: symbol, Quantity: q, Free: q})
	}
	return n
}

func fails(name string) *node { return &node{name: name, err: errors.New("connection refused")} }

func TestAgreed(t *testing.T) {
	for _, c := range []struct {
		name    string
		sources []Source
		quorum  int
		want    string // the lines, or a part of the error
	}{
		{"one node is believed where there is one", []Source{says("a", 0, "2 ETH")}, 0, "2 ETH @1000"},
		{"order and nothing do not matter", []Source{says("a", 0, "2 ETH", "5 USDC"), says("b", 0, "5 USDC", "0 DAI", "2.0 ETH")}, 2, "2 ETH 5 USDC @1000"},
		{"the oldest of those that agree counts", []Source{says("a", 0, "2 ETH"), says("b", 12*time.Second, "2 ETH"), says("c", 6*time.Second, "2 ETH")}, 0, "2 ETH @988"},
		{"one lies", []Source{says("a", 0, "2 ETH"), says("b", 0), says("c", 0, "2 ETH")}, 0, "2 ETH @1000"},
		{"one is silent", []Source{says("a", 0, "2 ETH"), fails("b"), says("c", 0, "2 ETH")}, 0, "2 ETH @1000"},
		{"an empty account is one that a quorum says is empty", []Source{says("a", 0), says("b", 0), fails("c")}, 0, "@1000"},
		{"two of two differ", []Source{says("a", 0, "2 ETH"), says("b", 12*time.Second, "3 ETH")}, 0, "the nodes disagree: a at 1000: 2 ETH; b at 988: 3 ETH"},
		{"two lag and two do not", []Source{says("a", 0, "2 ETH"), says("b", 0, "2 ETH"), says("c", 60*time.Second, "3 ETH"), says("d", 60*time.Second, "3 ETH")}, 2, "the nodes disagree"},
		{"a lie and a silence", []Source{says("a", 0, "2 ETH"), says("b", 0), fails("c")}, 0, "the nodes disagree: a at 1000: 2 ETH; b at 1000: nothing else; c: connection refused"},
		{"too few answer", []Source{says("a", 0, "2 ETH"), fails("b"), fails("c")}, 0, "1 of 3 answered where 2 have to (b: connection refused; c: connection refused)"},
		{"nobody answers", []Source{fails("a")}, 0, "connection refused"},
		{"nobody is asked", nil, 0, "1 have to say alike what is there, and 0 are asked"},
		{"no time", []Source{&node{name: "a"}}, 0, "does not say when"},
		{"a symbol twice", []Source{says("a", 0, "2 ETH", "1 ETH")}, 0, `names "ETH" twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := Agreed(t.Context(), c.sources, c.quorum)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("it says %q, not %q", err, c.want)
				}
				return
			}
			var got strings.Builder
			for _, l := range h.Lines {
				fmt.Fprintf(&got, "%s %s ", l.Quantity, l.Symbol)
			}
			fmt.Fprintf(&got, "@%d", h.Height)
			if got.String() != c.want {
				t.Errorf("it is %q, not %q", got.String(), c.want)
			}
		})
	}
}

// Of a share of a pool there may be nothing of one token just now; that line says that nobody has taken it.
func TestNothingOfAShareIsALine(t *testing.T) {
	n := says("a", 0, "0 WETH", "5 USDC", "0 DAI")
	n.holdings.Lines[0].Share = "a digest"
	h, err := Agreed(t.Context(), []Source{n}, 1)
	if err != nil || len(h.Lines) != 2 || h.Lines[1].Symbol != "WETH" {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestTooManyLines(t *testing.T) {
	n := says("a", 0)
	for i := range LinesMax + 1 {
		n.holdings.Lines = append(n.holdings.Lines, lifeboat.StatementLine{Symbol: fmt.Sprint("T", i), Quantity: decimal.NewFromInt(1)})
	}
	if _, err := Agreed(t.Context(), []Source{n}, 1); err == nil || !strings.Contains(err.Error(), "4097 assets") {
		t.Errorf("it says %v", err)
	}
}

// What is stale, or older than what was said, is no statement.
func TestState(t *testing.T) {
	n := says("a", 0, "2 ETH")
	c, err := New(Options{Account: "cold", Name: "Ethereum", Sources: []Source{n}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.State(t.Context(), noon.Add(time.Minute))
	if err != nil || s.Account != "cold" || s.Source != "Ethereum" || !s.At.Equal(noon) || len(s.Lines) != 1 {
		t.Fatalf("it says %+v, %v", s, err)
	}
	n.holdings.At = noon.Add(-time.Second)
	if _, err := c.State(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "before what was said last") {
		t.Errorf("a node that went back is believed: %v", err)
	}
	n.holdings.At, n.holdings.Height = noon.Add(time.Second), 999
	if _, err := c.State(t.Context(), noon); err == nil || !strings.Contains(err.Error(), "block 999") {
		t.Errorf("a node that lags is believed: %v", err)
	}
	n.holdings.At, n.holdings.Height = noon.Add(-time.Second), 1001
	if s, err := c.State(t.Context(), noon); err != nil || !s.At.Equal(noon) {
		t.Errorf("a miner whose clock is slow: %s, %v", s.At, err)
	}
	n.holdings.At = noon
	if _, err := c.State(t.Context(), noon.Add(11*time.Minute)); err == nil || !strings.Contains(err.Error(), "11m0s old") {
		t.Errorf("a node that stands still is believed: %v", err)
	}
}

func TestTransfersComeFromTheFirstThatAnswers(t *testing.T) {
	b := says("b", 0)
	b.transfers = []Transfer{{Hash: "1"}, {Hash: "2"}, {Hash: "3"}}
	c, err := New(Options{Account: "cold", Name: "Ethereum", Sources: []Source{fails("a"), b}, Quorum: 1})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Transfers(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].Hash != "1" {
		t.Errorf("they are %v, %v", got, err)
	}
	b.err = errors.New("no")
	if _, err := c.Transfers(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "a: connection refused; b: no") {
		t.Errorf("it says %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{Account: "a"}, {Account: "a", Sources: []Source{says("x", 0)}, Quorum: 2}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v passes", o)
		}
	}
}
