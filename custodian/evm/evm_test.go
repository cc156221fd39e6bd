package evm

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/shopspring/decimal"

	"lifeboat/chain"
	"lifeboat/chain/chaintest"
	"lifeboat/chain/contract"
	"lifeboat/chain/protocol"
	"lifeboat/custodian"
)

var (
	owner    = common.HexToAddress("0x1111111111111111111111111111111111111111")
	stranger = common.HexToAddress("0x2222222222222222222222222222222222222222")
	pool     = common.HexToAddress("0x3333333333333333333333333333333333333333")
	usdc     = common.HexToAddress("0x6666666666666666666666666666666666666666")
	dai      = common.HexToAddress("0x7777777777777777777777777777777777777777")
	steth    = common.HexToAddress("0x8888888888888888888888888888888888888888")
	aweth    = common.HexToAddress("0x9999999999999999999999999999999999999999")
	spam     = common.HexToAddress("0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
)

// world is a chain of tables, in the wire format of real nodes.
type world struct{ *chaintest.Chain }

func newWorld() world { return world{chaintest.New(1)} }

func (w world) says(to common.Address, m *contract.Method, arguments []any, values ...any) {
	w.Call(to, m.Pack(arguments...), chaintest.Result{Data: m.Returns(values...)})
}

// token of so many decimals, of which the owner has an amount in base units.
func (w world) token(address common.Address, symbol string, decimals uint8, amount string) {
	n, _ := new(big.Int).SetString(amount, 10)
	w.says(address, contract.ERC20.Symbol, nil, symbol)
	w.says(address, contract.ERC20.Decimals, nil, decimals)
	w.says(address, contract.ERC20.BalanceOf, []any{owner}, n)
	for _, m := range []*contract.Method{poolOf, debtNumber} {
		w.Call(address, m.Pack(), chaintest.Result{Reverted: true})
	}
}

// usual is a wallet with some of everything.
func usual() world {
	w := newWorld()
	w.Balance(owner, big.NewInt(2_500_000_000_000_000_001))
	w.token(usdc, "USD Coin", 6, "123456789123456")
	w.token(dai, "DAI", 18, "0")
	w.token(steth, "stETH", 18, "5000000000000000000")
	w.token(aweth, "aEthWETH", 18, "7000000000000000000")
	w.token(spam, "USDC", 6, "99999999999999")
	w.says(aweth, poolOf, nil, pool)
	w.says(usdc, poolOf, nil, stranger)
	w.Mine()
	return w
}

func (w world) over(t testing.TB, nodes ...*chaintest.Node) *chain.Chain {
	t.Helper()
	if nodes == nil {
		nodes = []*chaintest.Node{chaintest.Serve(t, w.Chain)}
	}
	var all []chain.Node
	for _, n := range nodes {
		all = append(all, chain.Node{URL: n.URL()})
	}
	c, err := chain.New(chain.Config{ID: 1, Nodes: all, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func wallet(c Chain) Options {
	return Options{Name: "Ethereum", Chain: c, Account: "cold", Address: owner, Coin: "ETH",
		Tokens:  map[common.Address]string{usdc: "USDC", dai: "DAI", steth: "stETH", aweth: "aWETH"},
		Rebased: []common.Address{steth}, Pools: []common.Address{pool}}
}

func open(t testing.TB, o Options) *Source {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// told is an account in one line: what accrues has a tilde, what is not free is told.
func told(h custodian.Holdings) string {
	var parts []string
	for _, l := range h.Lines {
		text := fmt.Sprintf("%s %s", l.Quantity, l.Symbol)
		if l.Accrues {
			text = "~" + text
		}
		if !l.Free.Equal(l.Quantity) {
			text += fmt.Sprintf(" (%s free)", l.Free)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

func TestWallet(t *testing.T) {
	w := usual()
	s := open(t, wallet(w.over(t)))
	for range 2 { // the second time it knows whose tokens they are
		h, err := s.Holdings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := told(h), "2.500000000000000001 ETH, 123456789.123456 USDC, ~7 aWETH, ~5 stETH"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if h.Height != 1 || h.At.Unix() != int64(w.Head().Header.Time) || s.Name() != "Ethereum" {
			t.Errorf("%s says it at %d, %s", s.Name(), h.Height, h.At)
		}
	}
	o := wallet(w.over(t))
	o.Coin, o.Tokens = "", map[common.Address]string{usdc: "USDC"}
	if h, err := open(t, o).Holdings(t.Context()); err != nil || told(h) != "123456789.123456 USDC" {
		t.Errorf("the plan names USDC alone: %s, %v", told(h), err)
	}
	w.Balance(owner, new(big.Int))
	w.token(usdc, "USD Coin", 6, "0")
	w.Mine()
	if h, err := open(t, o).Holdings(t.Context()); err != nil || len(h.Lines) != 0 || h.Height != 2 {
		t.Errorf("an empty wallet: %s, %v", told(h), err)
	}
}

// One of three nodes lies about a balance; then another is away, and what the two say does not agree.
func TestALiarChangesNothing(t *testing.T) {
	w, lie := usual(), usual()
	lie.token(usdc, "USD Coin", 6, "0")
	lie.Mine()
	w.Mine()
	if w.Head().Hash != lie.Head().Hash {
		t.Fatal("the liar is on another chain")
	}
	honest := []*chaintest.Node{chaintest.Serve(t, w.Chain), chaintest.Serve(t, w.Chain)}
	c := w.over(t, honest[0], honest[1], chaintest.Serve(t, lie.Chain))
	s := open(t, wallet(c))
	for range 5 {
		if h, err := s.Holdings(t.Context()); err != nil || !strings.Contains(told(h), "123456789.123456 USDC") {
			t.Fatalf("%s, %v", told(h), err)
		}
	}
	honest[1].Misbehave(chaintest.Faults{Down: true})
	if h, err := s.Holdings(t.Context()); err == nil {
		t.Errorf("one node against another: %s", told(h))
	}
	honest[0].Misbehave(chaintest.Faults{Down: true})
	if h, err := s.Holdings(t.Context()); err == nil {
		t.Errorf("the liar alone: %s", told(h))
	}
}

// What is not known is an error.
func TestNothingKnownIsNoEmptyAccount(t *testing.T) {
	for name, c := range map[string]struct {
		change func(world, *Options)
		says   string
	}{
		"a token that is no contract": {func(_ world, o *Options) { o.Tokens[stranger] = "GONE" }, "there is no such contract"},
		"a token that refuses": {func(w world, _ *Options) {
			w.Call(usdc, contract.ERC20.BalanceOf.Pack(owner), chaintest.Result{Reverted: true})
		}, "balanceOf of " + usdc.Hex() + ": the contract reverted"},
		"a token that answers with something else": {func(w world, _ *Options) {
			w.Call(usdc, contract.ERC20.BalanceOf.Pack(owner), chaintest.Result{Data: []byte("hello")})
		}, "read what balanceOf says"},
		"a token with absurd decimals": {func(w world, _ *Options) { w.says(usdc, contract.ERC20.Decimals, nil, uint8(255)) }, "255 decimals"},
		"a debt that is taken for a token": {func(w world, _ *Options) { w.says(aweth, debtNumber, nil, big.NewInt(3)) },
			"aWETH is what is owed in a market, and would be counted as if it was owned: register the debt in an account with protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			w := usual()
			o := wallet(w.over(t))
			c.change(w, &o)
			w.Mine()
			if h, err := open(t, o).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "read what cold has at block 2: ") {
				t.Errorf("%s, %v", told(h), err)
			}
		})
	}
	w := usual()
	n := chaintest.Serve(t, w.Chain)
	n.Misbehave(chaintest.Faults{Down: true})
	if h, err := open(t, wallet(w.over(t, n))).Holdings(t.Context()); !errors.Is(err, chain.ErrUnreachable) {
		t.Errorf("no node: %s, %v", told(h), err)
	}
}

// has is a protocol in which everybody has the same.
type has struct {
	positions []protocol.Position
	err       error
	at        *chain.Block
}

func (h *has) Name() string { return "Lend" }
func (h *has) Positions(_ context.Context, _ chain.Reader, at *chain.Block, _ common.Address) ([]protocol.Position, error) {
	h.at = at
	return h.positions, h.err
}

func position(kind protocol.Kind, token common.Address, symbol string, decimals uint8, amount, free string) protocol.Position {
	units := func(text string) *big.Int {
		if text == "" {
			return nil
		}
		return decimal.RequireFromString(text).Shift(int32(decimals)).BigInt()
	}
	return protocol.Position{Protocol: "Lend", Kind: kind, Amount: units(amount), Accrues: true,
		Under: []protocol.Component{{Token: protocol.Token{Address: token, Symbol: symbol, Decimals: decimals}, Amount: units(amount), Free: units(free)}}}
}

func TestInAProtocol(t *testing.T) {
	fixed := position(protocol.Supply, dai, "DAI", 18, "5", "5")
	fixed.Accrues = false
	both := position(protocol.Share, usdc, "USDC", 6, "1", "1")
	both.Under = append(both.Under, position(protocol.Share, dai, "DAI", 18, "2", "1").Under...)
	for name, c := range map[string]struct {
		positions []protocol.Position
		want      string // the lines, or a part of the error
	}{
		"nothing":                  {nil, ""},
		"a supply":                 {[]protocol.Position{position(protocol.Supply, usdc, "USDC", 6, "10.000001", "10.000001")}, "~10.000001 USDC"},
		"a supply that is lent":    {[]protocol.Position{position(protocol.Supply, usdc, "USDC", 6, "10", "4")}, "~10 USDC (4 free)"},
		"nobody says what is free": {[]protocol.Position{position(protocol.Supply, usdc, "USDC", 6, "10", "")}, "~10 USDC"},
		"a debt":                   {[]protocol.Position{position(protocol.Debt, usdc, "USDC", 6, "12000", "")}, "~-12000 USDC (0 free)"},
		"owed and owned":           {[]protocol.Position{position(protocol.Supply, usdc, "USDC", 6, "10", "9"), position(protocol.Debt, usdc, "USDC", 6, "3", "")}, "~7 USDC"},
		"two debts":                {[]protocol.Position{position(protocol.Debt, usdc, "USDC", 6, "1", ""), position(protocol.Debt, usdc, "USDC", 6, "2", "")}, "~-3 USDC (0 free)"},
		"ether":                    {[]protocol.Position{position(protocol.Stake, common.Address{}, "ETH", 18, "32", "0")}, "~32 ETH (0 free)"},
		"two tokens underneath":    {[]protocol.Position{both}, "~2 DAI (1 free), ~1 USDC"},
		"what does not grow":       {[]protocol.Position{fixed}, "5 DAI"},
		"what the plan names not":  {[]protocol.Position{position(protocol.Supply, spam, "SPAM", 6, "10", "10"), fixed}, "5 DAI"},
		"a debt that nobody names": {[]protocol.Position{fixed, position(protocol.Debt, spam, "GHO", 18, "1234.5", "")},
			"the address owes 1234.5 GHO in Lend, and the plan registers no such debt: give loan a holding with token: " + spam.Hex() + " and a quantity below zero"},
	} {
		t.Run(name, func(t *testing.T) {
			lend := &has{positions: c.positions}
			o := wallet(usual().over(t))
			o.Account, o.Protocol, o.Contract = "loan", lend, pool
			h, err := open(t, o).Holdings(t.Context())
			if err != nil {
				if c.want == "" || !strings.Contains(err.Error(), c.want) {
					t.Error(err)
				}
				return
			}
			if got := told(h); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if lend.at == nil || lend.at.Number != h.Height || !lend.at.Time.Equal(h.At) {
				t.Errorf("it was read at %v and is said to be of %d", lend.at, h.Height)
			}
		})
	}
	o := wallet(usual().over(t))
	o.Coin, o.Tokens, o.Protocol = "", nil, &has{positions: []protocol.Position{fixed, position(protocol.Debt, usdc, "USDC", 6, "12000", "")}}
	if _, err := open(t, o).Holdings(t.Context()); err == nil || !strings.Contains(err.Error(), "owes 12000 USDC in Lend") {
		t.Errorf("an account that names nothing and owes something: %v", err)
	}
	o = wallet(usual().over(t))
	o.Protocol = &has{err: errors.New("the oracle is gone")}
	if _, err := open(t, o).Holdings(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "the oracle is gone") {
		t.Errorf("it says %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for says, change := range map[string]func(*Options){
		"names nothing that could be asked for": func(o *Options) { o.Coin, o.Tokens = "", nil },
		"names 501 tokens": func(o *Options) {
			o.Tokens = map[common.Address]string{}
			for i := range int64(tokensMax + 1) {
				o.Tokens[common.BigToAddress(big.NewInt(i+1))] = fmt.Sprint("T", i)
			}
		},
	} {
		o := wallet(nil)
		change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

func TestBehind(t *testing.T) {
	for block, want := range map[time.Duration]time.Duration{12 * time.Second: 10 * time.Minute, 250 * time.Millisecond: 2 * time.Minute, 5 * time.Minute: 250 * time.Minute} {
		if got := Behind(chain.Network{BlockTime: block}); got != want {
			t.Errorf("with a block each %s it is %s", block, got)
		}
	}
}

func topic(a common.Address) common.Hash { return common.BytesToHash(a[:]) }

func moved(token, from, to common.Address, units int64) types.Log {
	return chaintest.Log(token, common.BigToHash(big.NewInt(units)).Bytes(), transferEvent, topic(from), topic(to))
}

func listed(transfers []custodian.Transfer) string {
	var parts []string
	for _, x := range transfers {
		parts = append(parts, fmt.Sprintf("%s %s %s", x.Amount, x.Symbol, x.Counterpart[:4]))
	}
	return strings.Join(parts, ", ")
}

func TestTransfers(t *testing.T) {
	w := usual()
	nft := moved(usdc, stranger, owner, 5)
	nft.Topics = append(nft.Topics, common.Hash{1})
	short := moved(usdc, stranger, owner, 5)
	short.Data = short.Data[:31]
	w.Mine(moved(usdc, stranger, owner, 5_000_000))
	for range 2 * blocksAtOnce {
		w.Mine()
	}
	second := w.Mine(moved(usdc, owner, stranger, 1), moved(dai, pool, owner, 3), moved(usdc, owner, owner, 7), moved(spam, stranger, owner, 9), nft, short,
		moved(usdc, stranger, pool, 11), moved(usdc, stranger, owner, 0))
	w.Mine()
	s := open(t, wallet(w.over(t)))
	all, err := s.Transfers(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listed(all), "0.000000000000000003 DAI 0x33, -0.000001 USDC 0x22, 5 USDC 0x22"; got != want {
		t.Fatalf("%s\nwant %s", got, want)
	}
	if all[0].At.Unix() != int64(second.Header.Time) || all[0].Hash != second.Logs[1].TxHash.Hex() || !all[2].At.Before(all[1].At) {
		t.Errorf("%+v", all)
	}
	if all, err = s.Transfers(t.Context(), 1); err != nil || listed(all) != "0.000000000000000003 DAI 0x33" {
		t.Errorf("%s, %v", listed(all), err)
	}
	if all, err = s.Transfers(t.Context(), 0); err != nil || len(all) != 0 {
		t.Errorf("%s, %v", listed(all), err)
	}
	o := wallet(w.over(t))
	o.Protocol, o.Contract = &has{}, pool
	if all, err = open(t, o).Transfers(t.Context(), 10); err != nil || listed(all) != "-0.000000000000000003 DAI 0x11" {
		t.Errorf("what came out of the protocol: %s, %v", listed(all), err)
	}
	o = wallet(w.over(t))
	o.Tokens = nil
	if _, err := open(t, o).Transfers(t.Context(), 10); err == nil || !strings.Contains(err.Error(), "only tokens leave a trace") {
		t.Errorf("it says %v", err)
	}
}

// What is older than it is looked for is not looked for.
func TestTransfersAreBounded(t *testing.T) {
	w := usual()
	w.Mine(moved(usdc, stranger, owner, 5_000_000))
	for range blocksBack {
		w.Mine()
	}
	s := open(t, wallet(w.over(t)))
	if all, err := s.Transfers(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("%s, %v", listed(all), err)
	}
	w.Mine(moved(usdc, owner, stranger, 5_000_000))
	if all, err := s.Transfers(t.Context(), 10); err != nil || listed(all) != "-5 USDC 0x22" {
		t.Errorf("%s, %v", listed(all), err)
	}
}

// FuzzTransfer: whatever a token logs, it is nothing, or moves as much as it says in the direction that it says.
func FuzzTransfer(f *testing.F) {
	add := func(l types.Log) {
		var topics []byte
		for _, t := range l.Topics {
			topics = append(topics, t[:]...)
		}
		f.Add(l.Address[:], topics, l.Data, false)
	}
	add(moved(usdc, owner, stranger, 5))
	add(moved(usdc, pool, owner, 5))
	add(moved(spam, owner, owner, 5))
	f.Add(usdc[:], []byte("short"), []byte{}, true)
	s := open(f, wallet(nil))
	known := map[common.Address]protocol.Token{usdc: {Address: usdc, Symbol: "USDC", Decimals: 6}}
	f.Fuzz(func(t *testing.T, address, topics, data []byte, removed bool) {
		l := types.Log{Address: common.BytesToAddress(address), Data: data, Removed: removed}
		for ; len(topics) >= 32; topics = topics[32:] {
			l.Topics = append(l.Topics, common.BytesToHash(topics[:32]))
		}
		x, ok := s.transfer(l, known, nil)
		if !ok {
			return
		}
		back := x.Amount.Shift(6).BigInt()
		if x.Symbol != "USDC" || removed || back.CmpAbs(new(big.Int).SetBytes(data)) != 0 || common.HexToAddress(x.Counterpart) == owner {
			t.Errorf("%+v of %+v", x, l)
		}
		if out := common.BytesToAddress(l.Topics[1][:]) == owner; out != (back.Sign() < 0) {
			t.Errorf("%+v goes the other way", x)
		}
	})
}
