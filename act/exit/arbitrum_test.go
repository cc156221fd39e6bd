package exit_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/chain/protocol"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// A passage is shores with the real contracts of Arbitrum's bridge between them.
type passage struct {
	*testbed.Arbitrum
	*shores
}

func newPassage(t *testing.T) *passage {
	a := testbed.NewArbitrum(t)
	s := &passage{a, newShores(t, a.Below, a.Above, a.Line.URL)}
	s.usdcHigh = s.Arbitrum.Token(s.usdcBelow)
	s.open()
	s.blocks()
	return s
}

func (s *passage) down(assets ...string) plan.ExitOrder {
	return s.over(plan.Contract{Adapter: "arbitrum-bridge", Chain: "below", Address: s.Router.Address.Hex()}, assets...)
}

func (s *passage) up(assets ...string) plan.ExitOrder {
	return s.home(plan.Contract{Adapter: "arbitrum-bridge", Chain: "above", Address: plan.ArbitrumOnRollup, Addresses: map[string]string{"router": s.RouterAbove.Address.Hex()}}, assets...)
}

// balance of coins.
func balance(t *testing.T, bed *testbed.Bed, of common.Address) *big.Int {
	t.Helper()
	has, err := bed.Client.BalanceAt(t.Context(), of, nil)
	if err != nil {
		t.Fatal(err)
	}
	return has
}

// TestToArbitrum is a deposit of tokens and all coins that there are: what it takes for the way goes beside them, and what is not used of that
// comes back on the rollup.
func TestToArbitrum(t *testing.T) {
	s := newPassage(t)
	w := s.signed(s.down("USDC", "ETH"))
	w.hears("it has left below and is not on above yet")
	s.has(s.Below, s.usdcBelow, s.here.Address, new(big.Int))
	s.coins(s.Below, s.here.Address, new(big.Int))
	s.Derive()
	r := w.ends()
	if r.Status != lifeboat.Performed || r.Facts["arrived_at"] == "" {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "1000 USDC arrived on above", "4.9", "ETH arrived on above", "a Safe of 2 of 3 owners")
	s.has(s.Above, s.usdcHigh, s.there.Address, testbed.Units(1000, 6))
	if got := balance(t, s.Above, s.there.Address); got.Cmp(testbed.Units(499, 16)) < 0 || got.Cmp(testbed.Ether(5)) >= 0 {
		t.Errorf("%s wei arrived", got)
	}
	if under, err := exit.Crossings(s.dir["below"]); err != nil || len(under) != 0 {
		t.Errorf("on its way are still %v: %v", under, err)
	}
}

// TestHomeFromArbitrum is a withdrawal: not let out before it is confirmed below, and then by the key that pays the receiver's gas.
func TestHomeFromArbitrum(t *testing.T) {
	s := newPassage(t)
	s.filled()
	s.Above.Send(s.Above.Whale(), s.Sys, "withdrawEth", s.Above.Whale().Address)
	s.Confirm() // what is confirmed already does not let out what comes later
	s.batch = s.there.MultiSend.Address
	w := s.signed(s.up("USDC", "ETH"))
	w.hears("has not confirmed that yet")
	s.has(s.Above, s.usdcHigh, s.there.Address, new(big.Int))
	s.coins(s.Above, s.there.Address, new(big.Int))
	s.Below.Forward(testbed.ConfirmTakes)
	if err := s.Above.RPC.Call(nil, "anvil_setCode", "0x00000000000000000000000000000000000000C8", "0x"); err != nil { // its nodes prove nothing for a while
		t.Fatal(err)
	}
	s.Confirm()
	w.hears("cannot be proven yet")
	s.Above.NodeInterface()
	w.hears("can be let out there now")
	r := w.ends()
	if r.Status != lifeboat.Performed {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "1000 USDC arrived on below", "ETH arrived on below")
	says(t, r.Output, "sent on below in transaction")
	s.has(s.Below, s.usdcBelow, s.here.Address, testbed.Units(1000, 6))
}

// filled brings to the rollup what the withdrawals take back: 1000 USDC and 4 of the 5 ether, less what it costs.
func (s *passage) filled() {
	s.t.Helper()
	amount := testbed.Units(1000, 6)
	s.here.Batch(s.usdcBelow.Do("approve", s.Gateway.Address, amount), s.DepositOf(s.usdcBelow, s.there.Address, amount), s.DepositCoins(s.there.Address, testbed.Ether(4)))
	s.Derive()
	s.has(s.Above, s.usdcHigh, s.there.Address, amount)
}

// TestBidTooLittle is a ticket that the rollup takes in and does not carry out, because gas became dearer than was bid. The key that pays the
// receiver's gas redeems it.
func TestBidTooLittle(t *testing.T) {
	s := newPassage(t)
	w := s.signed(s.down("USDC"))
	w.hears("it has left below and is not on above yet")
	cheap := s.Prices
	s.Prices = 1e15
	s.Derive()
	w.hears("was not carried out there")
	s.has(s.Above, s.usdcHigh, s.there.Address, new(big.Int))
	w.hears("sent on above in transaction")
	s.Prices = cheap
	s.Redeem()
	r := w.ends()
	if r.Status != lifeboat.Performed {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "1000 USDC arrived on above")
	says(t, r.Output, "Anybody can redeem it until", "for gas; after that it is lost")
	s.has(s.Above, s.usdcHigh, s.there.Address, testbed.Units(1000, 6))
}

// TestStrandedTicket is a receiver that does not take what comes, though it would have when it was planned. Once it does, anybody redeems the
// ticket, and the same task finds it there.
func TestStrandedTicket(t *testing.T) {
	s := newPassage(t)
	picky := s.Above.Deploy("ours/Rollup.sol/Picky")
	o := s.down("ETH")
	o.Receiver, o.Beyond.Safe = picky.Address.Hex(), false
	says(t, s.begin("exit-plan", o).ends().Why, "in on above")
	s.Above.Send(s.Above.Whale(), picky, "set", true)
	found := s.begin("exit-plan", o).ends()
	spec := applied{o, found.Facts["hash"], found.Facts}
	w := s.begin("exit-apply", spec, s.consent(spec.Hash)...)
	w.hears("it has left below")
	s.Above.Send(s.Above.Whale(), picky, "set", false)
	s.Derive()
	r := w.ends()
	if !r.Lost || r.Status != lifeboat.Unknown {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "cannot be carried out there", "not now", "Nothing is lost", "until")

	s.open() // a later start
	s.Above.Send(s.Above.Whale(), picky, "set", true)
	s.Above.Act(s.Above.Whale(), testbed.Call{To: common.HexToAddress(r.Facts["relay_to"]), Data: common.FromHex(r.Facts["relay_call"])})
	s.Redeem()
	if again := s.begin("exit-apply", spec, s.consent(spec.Hash)...).ends(); again.Status != lifeboat.Performed {
		t.Errorf("redeemed it is %s: %s", again.Status, again.Why)
	}
	if got := balance(t, s.Above, picky.Address); got.Cmp(testbed.Units(499, 16)) < 0 {
		t.Errorf("%s wei arrived", got)
	}
	if n, err := s.Below.Client.NonceAt(t.Context(), s.relayer.Address, nil); n != 1 || err != nil {
		t.Errorf("%d transactions were sent below: %v", n, err)
	}
}

// TestTicketsThatEnd are tickets that nobody will redeem: what became of the money is said, and that it did not arrive.
func TestTicketsThatEnd(t *testing.T) {
	for name, end := range map[string]func(s *passage, ticket common.Hash){
		"nobody redeemed the ticket": func(s *passage, _ common.Hash) { s.Above.Forward(8 * 24 * time.Hour) },
		"was cancelled on above": func(s *passage, ticket common.Hash) {
			s.Above.As(testbed.Alias(s.here.Address), s.Retryables.Do("cancel", ticket))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newPassage(t)
			o := s.down("USDC")
			w := s.signed(o)
			w.hears("it has left below")
			s.Prices = 1e15
			s.Derive()
			w.hears("was not carried out there")
			w.stop()
			tx := common.HexToHash(w.ends().VenueID)
			before, err := s.worker().Passages(t.Context(), o, tx)
			if err != nil || len(before) != 1 || before[0].Stage != protocol.Ready {
				t.Fatalf("%+v: %v", before, err)
			}
			end(s, before[0].Hash)
			found, err := s.worker().Passages(t.Context(), o, tx)
			if err != nil || len(found) != 1 || found[0].Stage != protocol.Stranded || len(found[0].Call) > 0 {
				t.Fatalf("%+v: %v", found, err)
			}
			says(t, found[0].Words, name, "tokens lie in the gateway on below")
		})
	}
}

// TestNoWayToArbitrum are bridges that must not be gone over, and why; and what is told of the way when its price comes back to an alias.
func TestNoWayToArbitrum(t *testing.T) {
	s := newPassage(t)
	s.filled()
	s.Below.Mint(s.usdcBelow, s.here.Address, testbed.Units(1000, 6))
	other := s.Below.Token("Other", "USDC2", 6)
	s.Below.Mint(other, s.here.Address, testbed.Units(1, 6))
	planned := func(name, why string, status lifeboat.ReceiptStatus, o plan.ExitOrder, change func(o *plan.ExitOrder)) {
		t.Run(name, func(t *testing.T) {
			if change != nil {
				change(&o)
			}
			s.t = t
			r := s.begin("exit-plan", o).ends()
			if r.Status != status {
				t.Errorf("it is %s: %s", r.Status, r.Why)
			}
			says(t, r.Why+r.Output, why)
		})
	}
	refused := func(name, why string, o plan.ExitOrder, change func(o *plan.ExitOrder)) {
		t.Helper()
		planned(name, why, lifeboat.NotPerformed, o, change)
	}
	twin := s.Above.Ask(s.RouterAbove, "calculateL2TokenAddress", other.Address)[0].(common.Address)
	refused("a token that was never sent over", "was never sent over this bridge", s.down("USDC"), func(o *plan.ExitOrder) {
		o.Tokens[0].Address, o.Beyond.Tokens[0].Address = other.Address.Hex(), twin.Hex()
	})
	refused("another token there", "what is sent would not be that", s.down("USDC"), func(o *plan.ExitOrder) { o.Beyond.Tokens[0].Address = s.Above.WETH().Address.Hex() })
	refused("another token below", "what is sent would not be that", s.up("USDC"), func(o *plan.ExitOrder) { o.Beyond.Tokens[0].Address = other.Address.Hex() })
	refused("a Safe that is not there", "no Safe stands at "+s.here.Address.Hex(), s.down("USDC"), func(o *plan.ExitOrder) { o.Receiver = s.here.Address.Hex() })
	refused("more than there is", "is asked for and there is", s.down("USDC"), func(o *plan.ExitOrder) { o.Amount = decimal.RequireFromString("1000.000001") })
	refused("all coins by a number", "goes along for the way", s.down("ETH"), func(o *plan.ExitOrder) {
		o.Amount = decimal.NewFromBigInt(balance(t, s.Below, s.here.Address), -18)
	})
	refused("no bridge", "is no router of Arbitrum's token bridge", s.down("USDC"), func(o *plan.ExitOrder) { o.Exchange.Address = s.usdcBelow.Address.Hex() })
	refused("a false end", "belongs to the router", s.up("USDC"), func(o *plan.ExitOrder) {
		fake := s.Above.Deploy("@arbitrum/token-bridge-contracts/build/contracts/contracts/tokenbridge/arbitrum/gateway/L2GatewayRouter.sol/L2GatewayRouter.json")
		s.Above.Send(s.Above.Whale(), fake, "initialize", s.Router.Address, s.GatewayAbove.Address)
		o.Exchange.Addresses["router"] = fake.Address.Hex()
	})
	planned("a receiver that is a contract here as well", "the alias of "+s.here.Address.Hex(), lifeboat.Performed, s.down("ETH"), func(o *plan.ExitOrder) {
		o.Receiver, o.Beyond.Safe, o.Amount = s.here.Address.Hex(), false, decimal.RequireFromString("0.1")
	})
	s.here.Batch(testbed.Call{To: s.Below.Whale().Address, Value: balance(t, s.Below, s.here.Address)})
	refused("nothing for the way", "send it some", s.down("USDC"), nil)
	own := s.Router.Do("setGateways", []common.Address{s.usdcBelow.Address}, []common.Address{{19: 1}}, big.NewInt(1e5), big.NewInt(1e9), testbed.Units(1, 16))
	own.Value = testbed.Units(2, 16)
	s.Below.Act(s.Below.Admin(), own)
	refused("a gateway of its own", "goes by a gateway of its own", s.down("USDC"), nil)
}
