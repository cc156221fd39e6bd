package exit_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/safe"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// goes has the orders of a passage be about another token than USDC.
func (s *passage) goes(o plan.ExitOrder, here, there testbed.Token) plan.ExitOrder {
	o.Tokens = append(o.Tokens, plan.Token{Symbol: here.Symbol, Address: here.Address.Hex()})
	o.Beyond.Tokens = []plan.Token{{Symbol: here.Symbol, Address: there.Address.Hex()}}
	return o
}

// ownGateways are the ways of tokens that do not go by the standard one, and how much of them the Safe has then.
var ownGateways = map[string]func(s *passage) (below, above testbed.Token, amount *big.Int){
	"custom": func(s *passage) (testbed.Token, testbed.Token, *big.Int) {
		below, amount := s.Below.Token("Own way", "CARB", 18), testbed.Ether(700)
		s.Below.Mint(below, s.here.Address, amount)
		return below, s.Register(below), amount
	},
	"WETH": func(s *passage) (testbed.Token, testbed.Token, *big.Int) {
		below, above := s.WETH()
		wraps := below.Do("deposit")
		wraps.Value = testbed.Ether(2)
		s.here.Batch(wraps)
		return below, above, wraps.Value
	},
}

// TestOwnGatewaysOfArbitrum are sums there and home again by the gateways that the routers name for a token: the generic custom one, and that of
// WETH, which carries ether and wraps it again.
func TestOwnGatewaysOfArbitrum(t *testing.T) {
	for name, way := range ownGateways {
		t.Run("to the rollup/"+name, func(t *testing.T) {
			s := newPassage(t)
			below, above, amount := way(s)
			w := s.signed(s.goes(s.down(below.Symbol), below, above))
			w.hears("it has left below and is not on above yet")
			s.has(s.Below, below, s.here.Address, new(big.Int))
			s.has(s.Above, above, s.there.Address, new(big.Int))
			s.Derive()
			r := w.ends()
			if r.Status != lifeboat.Performed {
				t.Fatalf("%s: %s", r.Status, r.Why)
			}
			says(t, r.Why, below.Symbol+" arrived on above")
			s.has(s.Above, above, s.there.Address, amount)
		})
		t.Run("home/"+name, func(t *testing.T) {
			s := newPassage(t)
			below, above, amount := way(s)
			s.crossed(below, amount)
			s.has(s.Above, above, s.there.Address, amount)
			s.batch = s.there.MultiSend.Address
			w := s.signed(s.goes(s.up(below.Symbol), above, below))
			w.hears("has not confirmed that yet")
			s.has(s.Above, above, s.there.Address, new(big.Int))
			s.Below.Forward(testbed.ConfirmTakes)
			s.Confirm()
			r := w.ends()
			if r.Status != lifeboat.Performed {
				t.Fatalf("%s: %s", r.Status, r.Why)
			}
			says(t, r.Output, "sent on below in transaction")
			s.has(s.Below, below, s.here.Address, amount)
		})
	}
}

// crossed brings what the Safe below has of a token to the one on the rollup.
func (s *passage) crossed(token testbed.Token, amount *big.Int) {
	s.t.Helper()
	gateway := s.Below.Ask(s.Router, "getGateway", token.Address)[0].(common.Address)
	s.here.Batch(token.Do("approve", gateway, amount), s.DepositOf(token, s.there.Address, amount))
	s.Derive()
}

// TestWETHNotCarriedOut is a ticket with ether in it that bids too little: it can be redeemed, and is.
func TestWETHNotCarriedOut(t *testing.T) {
	s := newPassage(t)
	below, above, amount := ownGateways["WETH"](s)
	w := s.signed(s.goes(s.down("WETH"), below, above))
	w.hears("it has left below")
	cheap := s.Prices
	s.Prices = 1e15
	s.Derive()
	w.hears("was not carried out there")
	w.hears("sent on above in transaction")
	s.Prices = cheap
	s.Redeem()
	if r := w.ends(); r.Status != lifeboat.Performed {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	s.has(s.Above, above, s.there.Address, amount)
}

// TestSentBackByTheGateway is a ticket that goes well and pays nobody: between planning and arrival the owner of the gateway names another token, which stands
// for nothing, and the gateway sends the sum home again. That is no arrival.
func TestSentBackByTheGateway(t *testing.T) {
	s := newPassage(t)
	below, above, _ := ownGateways["custom"](s)
	o := s.goes(s.down("CARB"), below, above)
	w := s.signed(o)
	w.hears("it has left below")
	s.Above.As(testbed.Alias(s.Custom.Address), s.CustomAbove.Do("registerTokenFromL1", []common.Address{below.Address}, []common.Address{s.usdcHigh.Address}))
	s.Derive()
	r := w.ends()
	if r.Status != lifeboat.Unknown || !r.Lost {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "does not tell that it paid", "sent the sum back to the Safe on below")
	s.has(s.Above, above, s.there.Address, new(big.Int))
}

// TestNoWayByOwnGateways are gateways that must not be gone through, and why: on each of them the sum would leave and not be paid out.
func TestNoWayByOwnGateways(t *testing.T) {
	s := newPassage(t)
	below, above, _ := ownGateways["custom"](s)
	u, owner := s.Above, s.Below.Admin()
	both := func(t *testing.T, why string, above testbed.Token) {
		t.Helper()
		s.t = t
		for _, o := range []plan.ExitOrder{s.goes(s.down("CARB"), below, above), s.goes(s.up("CARB"), above, below)} {
			r := s.begin("exit-plan", o).ends()
			if r.Status != lifeboat.NotPerformed {
				t.Errorf("it is %s: %s", r.Status, r.Why)
			}
			says(t, r.Why, why)
		}
	}
	custom := func(t *testing.T, listens, stands common.Address) testbed.Token {
		token := testbed.Token{Contract: u.Deploy(bridgeOfTokens+"test/TestArbCustomToken.sol/TestArbCustomToken.json", listens, stands), Symbol: "CARB", Decimals: 18}
		s.Makes(below, token.Address)
		return token
	}
	t.Run("a token for another", func(t *testing.T) {
		both(t, "does not say that it stands for", custom(t, s.CustomAbove.Address, s.usdcBelow.Address))
	})
	t.Run("a token of another gateway", func(t *testing.T) {
		both(t, "listens to the gateway "+owner.Address.Hex(), custom(t, owner.Address, below.Address))
	})
	t.Run("another token in the plan", func(t *testing.T) { both(t, "what is sent would not be that", above) })
	s.Makes(below, above.Address)
	t.Run("gateways that do not belong together", func(t *testing.T) {
		real := s.Custom
		s.Custom = s.Below.Deploy(bridgeOfTokens + "ethereum/gateway/L1CustomGateway.sol/L1CustomGateway.json")
		s.Below.Send(owner, s.Custom, "initialize", s.CustomAbove.Address, s.Router.Address, s.Inbox.Address, owner.Address)
		s.Makes(below, above.Address)
		s.Route(below, s.Custom.Address)
		both(t, "do not name each other", above)
		s.Custom = real
		s.Route(below, real.Address)
	})
	t.Run("on one side only", func(t *testing.T) {
		u.As(testbed.Alias(s.Router.Address), s.RouterAbove.Do("setGateway", []common.Address{below.Address}, []common.Address{s.GatewayAbove.Address}))
		both(t, "on one side only", above)
	})
	t.Run("a gateway of another kind", func(t *testing.T) {
		low, high := s.Below.Deploy(bridgeOfTokens+"ethereum/gateway/L1ERC20Gateway.sol/L1ERC20Gateway.json"), u.Deploy(bridgeOfTokens+"arbitrum/gateway/L2ERC20Gateway.sol/L2ERC20Gateway.json")
		factory := s.Below.Ask(s.Gateway, "l2BeaconProxyFactory")[0]
		s.Below.Send(owner, low, "initialize", high.Address, s.Router.Address, s.Inbox.Address, s.Below.Ask(s.Gateway, "cloneableProxyHash")[0], factory)
		u.Send(u.Admin(), high, "initialize", low.Address, s.RouterAbove.Address, factory)
		s.Route(below, low.Address)
		s.crossed(below, big.NewInt(1))
		above.Contract = above.At(u.Ask(s.RouterAbove, "calculateL2TokenAddress", below.Address)[0].(common.Address))
		both(t, "neither the generic one nor that of WETH", above)
	})
}

const bridgeOfTokens = "@arbitrum/token-bridge-contracts/build/contracts/contracts/tokenbridge/"

// TestKitOverArbitrum is an exit that is signed on a quiet day, with its ticket's price in it, and carried out on one when gas is dear: it stays
// armed while fees move, and prepared again it is the same and keeps its signatures. Beyond what was promised it is stale, and says so.
func TestKitOverArbitrum(t *testing.T) {
	a := testbed.NewArbitrum(t)
	s := &passage{a, newShores(t, a.Below, a.Above, a.Line.URL)}
	s.usdcHigh = s.Arbitrum.Token(s.usdcBelow)
	s.open()
	kits, err := exit.OpenKits(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o, d := s.down("USDC"), s.desks["below"]
	o.Via = "presigned"
	gas := func(gwei int64) {
		s.Below.SetBaseFee(big.NewInt(gwei * 1e9))
		s.Below.Mine(1)
	}
	w := s.worker()
	w.Kits = kits
	prepare := func() exit.Kit {
		t.Helper()
		order, err := w.Order(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		kit, err := kits.Prepare(t.Context(), d, order)
		if err != nil {
			t.Fatal(err)
		}
		return kit
	}
	var kit exit.Kit
	is := func(want exit.Readiness, why string) {
		t.Helper()
		now, err := kits.Get(kit.Prepared.Hash)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.Status(t.Context(), now, 0)
		if err != nil || got.Is != want || !strings.Contains(strings.Join(got.Why, " "), why) {
			t.Errorf("it is %+v, want %s: %v", got, want, err)
		}
	}
	gas(2)
	kit = prepare()
	for _, owner := range s.here.Owners[:2] {
		signature, err := crypto.Sign(kit.Prepared.Hash[:], owner.Key)
		if err != nil {
			t.Fatal(err)
		}
		one, err := safe.FromWallet(kit.Prepared.Hash, signature, []common.Address{owner.Address})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kits.Store.Sign(s.Below.ChainID.Uint64(), s.here.Address, kit.Prepared.Hash, one); err != nil {
			t.Fatal(err)
		}
	}
	is(exit.Armed, "")
	for _, gwei := range []int64{1, 20, 60} {
		gas(gwei)
		is(exit.Armed, "")
		if again := prepare(); again.Prepared.Hash != kit.Prepared.Hash || len(again.Kept.Signatures) != 2 {
			t.Errorf("at %d gwei it is prepared as another with %d signatures", gwei, len(again.Kept.Signatures))
		}
	}
	gas(300)
	is(exit.Stale, "enough up to 200 gwei")
	gas(150)
	is(exit.Armed, "")
	found := s.beginAs(w, "exit-plan", o).ends()
	if found.Status != lifeboat.Performed {
		t.Fatal(found.Why)
	}
	gas(180)
	s.blocks()
	going := s.beginAs(w, "exit-apply", applied{o, found.Facts["hash"], found.Facts})
	going.hears("it has left below and is not on above yet")
	s.Derive()
	if r := going.ends(); r.Status != lifeboat.Performed {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	s.has(s.Above, s.usdcHigh, s.there.Address, testbed.Units(1000, 6))
}
