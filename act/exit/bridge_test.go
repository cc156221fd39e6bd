package exit_test

import (
	"context"
	"encoding/json"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/exit"
	"lifeboat/act/task"
	"lifeboat/chain"
	"lifeboat/plan"
	"lifeboat/testbed"
)

// Shores are two chains and a Safe of two in three owners on each side.
type shores struct {
	t                   *testing.T
	low, high           *testbed.Bed
	here, there         *testbed.Safe // below and above
	usdcBelow, usdcHigh testbed.Token
	relayer             testbed.Account
	batch               common.Address // MultiSend of the chain that an exit is on
	chains              map[string]*chain.Chain
	desks               map[string]*exit.Desk
	dir                 map[string]string
}

// newShores of two beds; the node above may be reached by another way.
func newShores(t *testing.T, low, high *testbed.Bed, highURL string) *shores {
	s := &shores{t: t, low: low, high: high, chains: map[string]*chain.Chain{}, desks: map[string]*exit.Desk{}, dir: map[string]string{"below": t.TempDir(), "above": t.TempDir()}}
	s.relayer = low.Accounts[5]
	s.here, s.there = low.Safe(low.Accounts[1:4], 2), high.Safe(high.Accounts[1:4], 2)
	s.usdcBelow = low.USDC()
	low.Mint(s.usdcBelow, s.here.Address, testbed.Units(1000, 6))
	low.Act(low.Whale(), testbed.Call{To: s.here.Address, Value: testbed.Ether(5)})
	for name, node := range map[string]string{"below": low.URL, "above": highURL} {
		id := map[string]uint64{"below": low.ChainID.Uint64(), "above": high.ChainID.Uint64()}[name]
		c, err := chain.New(chain.Config{ID: id, Nodes: []chain.Node{{URL: node}}, Network: chain.Network{BlockTime: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s.chains[name] = c
	}
	s.batch = s.here.MultiSend.Address
	return s
}

// A strait is shores with the real contracts of the OP Stack between them.
type strait struct {
	*testbed.Rollup
	*shores
}

func newStrait(t *testing.T) *strait {
	r := testbed.NewRollup(t)
	s := &strait{r, newShores(t, r.Below, r.Above, r.Above.URL)}
	s.usdcHigh = s.Rollup.Token(s.usdcBelow)
	s.open()
	s.blocks()
	return s
}

// open desks, as a new process would.
func (s *shores) open() {
	for name := range s.chains {
		d, err := exit.Open(exit.Options{Chain: s.chains[name], Name: name, Symbol: "ETH", Policy: exit.Policy{Poll: 50 * time.Millisecond, BumpAfter: time.Second}, Clock: lifeboat.WallClock{},
			Dir: s.dir[name], Signers: map[common.Address]exit.Signer{s.relayer.Address: signer{s.relayer}}, Token: s.token})
		if err != nil {
			s.t.Fatal(err)
		}
		s.desks[name] = d
	}
}

func (s *shores) token(a common.Address) (string, uint8, bool) {
	return "USDC", 6, a == s.usdcBelow.Address || a == s.usdcHigh.Address
}

// blocks come by themselves on both chains until the test ends.
func (s *shores) blocks() {
	ctx, stop := context.WithCancel(s.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for (lifeboat.WallClock{}).Sleep(ctx, time.Now().Add(200*time.Millisecond)) == nil {
			s.low.Mine(1)
			s.high.Mine(1)
		}
	})
	s.t.Cleanup(func() { stop(); done.Wait() })
}

func (s *shores) worker() *exit.Worker {
	return &exit.Worker{Desk: func(chain string) *exit.Desk { return s.desks[chain] }, Batch: s.batch, Poll: 50 * time.Millisecond,
		Sender: func(string, bool) (common.Address, error) { return s.relayer.Address, nil },
		Paid: func(_ context.Context, _ string, mined *chain.Receipt) ([]lifeboat.Move, error) {
			fee, _ := mined.Fee()
			return []lifeboat.Move{{Account: "fuel", Symbol: "ETH", Quantity: decimal.NewFromBigInt(fee, -18).Neg(), Height: mined.BlockNumber.Uint64()}}, nil
		}}
}

// down orders an exit from the chain below to the rollup.
func (s *strait) down(assets ...string) plan.ExitOrder {
	return s.over(plan.Contract{Adapter: "op-bridge", Chain: "below", Address: s.Bridge.Address.Hex()}, assets...)
}

// up orders one from the rollup to the chain below.
func (s *strait) up(assets ...string) plan.ExitOrder {
	return s.home(plan.Contract{Adapter: "op-bridge", Chain: "above", Address: plan.OPBridgeOnRollup}, assets...)
}

// over orders an exit to the chain above, by a bridge.
func (s *shores) over(bridge plan.Contract, assets ...string) plan.ExitOrder {
	return plan.ExitOrder{
		Exit:  plan.Exit{Account: "treasury", Through: "Bridge", Do: []string{"bridge"}, Assets: assets, To: "harbour", Via: "owners", KeepTrying: briefly},
		Chain: "below", ChainID: 31337, Wallet: s.here.Address.Hex(), Receiver: s.there.Address.Hex(),
		Tokens:   []plan.Token{{Symbol: "USDC", Address: s.usdcBelow.Address.Hex()}, {Symbol: "ETH"}},
		Exchange: &bridge,
		Own:      map[string]string{s.here.Address.Hex(): "treasury"},
		Beyond:   &plan.Beyond{Chain: "above", ChainID: 31338, Tokens: s.twins(assets, s.usdcHigh), Safe: true},
	}
}

// home orders an exit to the chain below, by a bridge.
func (s *shores) home(bridge plan.Contract, assets ...string) plan.ExitOrder {
	return plan.ExitOrder{
		Exit:  plan.Exit{Account: "harbour", Through: "Bridge", Do: []string{"bridge"}, Assets: assets, To: "treasury", Via: "owners", KeepTrying: briefly},
		Chain: "above", ChainID: 31338, Wallet: s.there.Address.Hex(), Receiver: s.here.Address.Hex(),
		Tokens:   []plan.Token{{Symbol: "USDC", Address: s.usdcHigh.Address.Hex()}, {Symbol: "ETH"}},
		Exchange: &bridge,
		Own:      map[string]string{s.there.Address.Hex(): "harbour"},
		Beyond:   &plan.Beyond{Chain: "below", ChainID: 31337, Tokens: s.twins(assets, s.usdcBelow), Safe: true},
	}
}

func (s *shores) twins(assets []string, usdc testbed.Token) (all []plan.Token) {
	for _, symbol := range assets {
		all = append(all, plan.Token{Symbol: symbol, Address: map[string]string{"USDC": usdc.Address.Hex()}[symbol]})
	}
	return all
}

// work is a task as the crew would do it: what it tells meanwhile is heard, and its receipt comes at the end.
type work struct {
	s    *shores
	told chan string
	done chan lifeboat.Receipt
	stop context.CancelFunc
	held atomic.Value // why nothing more of it may be sent
}

func (s *shores) begin(kind string, spec any, consent ...lifeboat.Answer) *work {
	s.t.Helper()
	return s.beginAs(s.worker(), kind, spec, consent...)
}

func (s *shores) beginAs(by *exit.Worker, kind string, spec any, consent ...lifeboat.Answer) *work {
	s.t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		s.t.Fatal(err)
	}
	prepared, err := by.Prepare("exit-1", lifeboat.Task{Kind: kind, Spec: text, Consent: consent})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(s.t.Context(), 2*time.Minute)
	w := &work{s: s, told: make(chan string, 100), done: make(chan lifeboat.Receipt, 1), stop: stop}
	w.held.Store("")
	var running sync.WaitGroup
	running.Go(func() {
		w.done <- prepared.Do(ctx, task.Progress{Held: func() string { return w.held.Load().(string) },
			Keep: func(why string, _ map[string]string) error { w.told <- why; return nil }})
	})
	s.t.Cleanup(func() { stop(); running.Wait() })
	return w
}

// hears waits until the task tells something. That it has ended before is a failure.
func (w *work) hears(text string) {
	w.s.t.Helper()
	for {
		select {
		case told := <-w.told:
			w.s.t.Log(told)
			if strings.Contains(told, text) {
				return
			}
		case r := <-w.done:
			w.s.t.Fatalf("it ended before it told %q: %s: %s\n%s", text, r.Status, r.Why, r.Output)
		}
	}
}

func (w *work) ends() lifeboat.Receipt {
	w.s.t.Helper()
	r := <-w.done
	w.s.t.Log(r.Output)
	return r
}

// signed has two owners sign what was planned, and begins to carry it out.
func (s *shores) signed(o plan.ExitOrder) *work {
	s.t.Helper()
	found := s.begin("exit-plan", o).ends()
	if found.Status != lifeboat.Performed || found.Facts["hash"] == "" {
		s.t.Fatalf("it was not planned: %s", found.Why)
	}
	return s.begin("exit-apply", applied{o, found.Facts["hash"], found.Facts}, s.consent(found.Facts["hash"])...)
}

func (s *shores) consent(hash string) (all []lifeboat.Answer) {
	s.t.Helper()
	for _, o := range s.here.Owners[:2] {
		signature, err := crypto.Sign(common.HexToHash(hash).Bytes(), o.Key)
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, lifeboat.Answer{Yes: true, Factor: &lifeboat.Factor{Kind: "wallet", ID: o.Address.Hex(), Signature: hexutil.Encode(signature)}})
	}
	return all
}

func (s *shores) has(bed *testbed.Bed, token testbed.Token, of common.Address, want *big.Int) {
	s.t.Helper()
	if got := bed.Balance(token, of); got.Cmp(want) != 0 {
		s.t.Errorf("%s has %s of %s, not %s", of, got, token.Symbol, want)
	}
}

func (s *shores) coins(bed *testbed.Bed, of common.Address, want *big.Int) {
	s.t.Helper()
	if got, err := bed.Client.BalanceAt(s.t.Context(), of, nil); err != nil || got.Cmp(want) != 0 {
		s.t.Errorf("%s has %s wei, not %s: %v", of, got, want, err)
	}
}

// TestToARollup is a deposit of tokens and coins: it is not over when the money has left, but when the rollup has taken it in.
func TestToARollup(t *testing.T) {
	s := newStrait(t)
	w := s.signed(s.down("USDC", "ETH"))
	w.hears("it has left below and is not on above yet")
	s.has(s.Below, s.usdcBelow, s.here.Address, new(big.Int))
	s.has(s.Above, s.usdcHigh, s.there.Address, new(big.Int))
	if under, err := exit.Crossings(s.dir["below"]); err != nil || len(under) != 1 {
		t.Errorf("on its way are %v: %v", under, err)
	}
	s.Derive()
	r := w.ends()
	if r.Status != lifeboat.Performed || r.Facts["arrived_at"] == "" {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "1000 USDC arrived on above", "5 ETH arrived on above", "who has 1000 USDC there", "a Safe of 2 of 3 owners")
	s.has(s.Above, s.usdcHigh, s.there.Address, testbed.Units(1000, 6))
	s.coins(s.Above, s.there.Address, testbed.Ether(5))
	if under, err := exit.Crossings(s.dir["below"]); err != nil || len(under) != 0 {
		t.Errorf("on its way are still %v: %v", under, err)
	}
}

// TestHome is a withdrawal from a rollup: proven against an honest proposal and no other, challenged by nobody for a week, finalised, all
// by the key that pays the receiver's gas; and only then it is over. While its run is paused nothing is proven.
func TestHome(t *testing.T) {
	s := newStrait(t)
	s.filled()
	s.batch = s.there.MultiSend.Address
	fuel := s.fuel()
	w := s.signed(s.up("USDC", "ETH"))
	w.hears("has no proof of it yet")
	s.has(s.Above, s.usdcHigh, s.there.Address, new(big.Int))
	s.coins(s.Above, s.there.Address, new(big.Int))
	s.Propose(false)
	w.held.Store("Ana paused the run")
	game := s.Propose(true)
	w.hears("can be proven on below now")
	w.hears("Ana paused the run")
	if !fuel.Equal(s.fuel()) {
		t.Error("it was proven while the run was paused")
	}
	w.held.Store("")
	w.hears("is proven on below and can be challenged; it can be finalised after")
	s.Below.Forward(testbed.ProofDelay + time.Hour)
	w.hears("does not let it out yet: OptimismPortal: output proposal has not been validated")
	s.Below.Send(s.Below.Whale(), game, "end", uint8(2))
	w.hears("output proposal in air-gap")
	s.Below.Forward(testbed.GameDelay + time.Hour)
	r := w.ends()
	if r.Status != lifeboat.Performed {
		t.Fatalf("%s: %s", r.Status, r.Why)
	}
	says(t, r.Why, "1000 USDC arrived on below", "4 ETH arrived on below")
	says(t, r.Output, "can be finalised on below now", "sent on below in transaction")
	paid, sent := decimal.Zero, 0
	for _, m := range r.Moved() {
		if m.Account == "fuel" {
			paid, sent = paid.Add(m.Quantity), sent+1
		}
	}
	if left := fuel.Add(paid); !left.Equal(s.fuel()) || sent < 4 {
		t.Errorf("%d transactions on below cost %s, and %s is left of %s", sent, paid, s.fuel(), fuel)
	}
	s.has(s.Below, s.usdcBelow, s.here.Address, testbed.Units(1000, 6))
	s.coins(s.Below, s.here.Address, testbed.Ether(5))
}

// fuel is what the key has below that pays for what is sent there.
func (s *strait) fuel() decimal.Decimal {
	s.t.Helper()
	balance, err := s.Below.Client.BalanceAt(s.t.Context(), s.relayer.Address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return decimal.NewFromBigInt(balance, -18)
}

// filled brings to the rollup what the withdrawals take back: 1000 USDC and 4 of the 5 ether.
func (s *strait) filled() {
	s.t.Helper()
	bridge, usdc, none := s.Bridge, s.usdcBelow, []byte{}
	coins := bridge.Do("bridgeETHTo", s.there.Address, uint32(200_000), none)
	coins.Value = testbed.Ether(4)
	s.here.Batch(usdc.Do("approve", bridge.Address, testbed.Units(1000, 6)),
		bridge.Do("bridgeERC20To", usdc.Address, s.usdcHigh.Address, s.there.Address, testbed.Units(1000, 6), uint32(200_000), none), coins)
	s.Derive()
	s.has(s.Above, s.usdcHigh, s.there.Address, testbed.Units(1000, 6))
	s.coins(s.Above, s.there.Address, testbed.Ether(4))
}

// TestStranded is a deposit that the receiver does not take, though it would have when it was planned. The run says where the money is
// and stops; once somebody has relayed the message again, the same task finds it there.
func TestStranded(t *testing.T) {
	s := newStrait(t)
	picky := s.Above.Deploy("ours/Rollup.sol/Picky")
	o := s.down("ETH")
	o.Receiver, o.Beyond.Safe = picky.Address.Hex(), false
	says(t, s.begin("exit-plan", o).ends().Why, "could not take 5 ETH in on above")
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
	says(t, r.Why, "could not be paid out", "Nothing is lost", s.MessengerAbove.Address.Hex())

	s.open() // a later start
	s.Above.Send(s.Above.Whale(), picky, "set", true)
	s.Above.Act(s.Above.Whale(), testbed.Call{To: common.HexToAddress(r.Facts["relay_to"]), Data: common.FromHex(r.Facts["relay_call"])})
	if again := s.begin("exit-apply", spec, s.consent(spec.Hash)...).ends(); again.Status != lifeboat.Performed {
		t.Errorf("relayed again it is %s: %s", again.Status, again.Why)
	}
	s.coins(s.Above, picky.Address, testbed.Ether(5))
	if n, err := s.Below.Client.NonceAt(t.Context(), s.relayer.Address, nil); n != 1 || err != nil {
		t.Errorf("%d transactions were sent below: %v", n, err)
	}
}

// TestKilledBetweenTwoChains is a stop while the money is on neither side. The next start asks the chains and sends nothing again.
func TestKilledBetweenTwoChains(t *testing.T) {
	for name, over := range map[string]func(t *testing.T) (*shores, plan.ExitOrder, func()){
		"to a rollup of the OP Stack": func(t *testing.T) (*shores, plan.ExitOrder, func()) {
			s := newStrait(t)
			return s.shores, s.down("USDC"), func() { s.Derive() }
		},
		"to Arbitrum": func(t *testing.T) (*shores, plan.ExitOrder, func()) {
			s := newPassage(t)
			return s.shores, s.down("USDC"), s.Derive
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, o, derive := over(t)
			found := s.begin("exit-plan", o).ends()
			spec := applied{o, found.Facts["hash"], found.Facts}
			w := s.begin("exit-apply", spec, s.consent(spec.Hash)...)
			w.hears("it has left below")
			w.stop()
			if r := w.ends(); !r.Lost || !strings.Contains(r.Why, "it had not arrived on above") {
				t.Errorf("stopped it is %s: %s", r.Status, r.Why)
			}
			s.open()
			derive()
			if r := s.begin("exit-apply", spec, s.consent(spec.Hash)...).ends(); r.Status != lifeboat.Performed {
				t.Errorf("gone on with it is %s: %s", r.Status, r.Why)
			}
			if n, err := s.low.Client.NonceAt(t.Context(), s.relayer.Address, nil); n != 1 || err != nil {
				t.Errorf("%d transactions were sent below: %v", n, err)
			}
		})
	}
}

// TestNoWayOver are bridges that must not be gone over, and why: on each of them the money would leave and not arrive.
func TestNoWayOver(t *testing.T) {
	s := newStrait(t)
	s.filled()
	native := s.Above.Token("USD Coin", "USDC", 6)
	stranger := s.Above.Deploy("@eth-optimism/contracts-bedrock/forge-artifacts/OptimismMintableERC20.sol/OptimismMintableERC20.json", s.Above.Whale().Address, s.usdcBelow.Address, "False", "USDC", uint8(6))
	refused := func(name, why string, o plan.ExitOrder, change func(o *plan.ExitOrder)) {
		t.Run(name, func(t *testing.T) {
			if change != nil {
				change(&o)
			}
			s.t = t
			r := s.begin("exit-plan", o).ends()
			if r.Status != lifeboat.NotPerformed {
				t.Errorf("it was planned: %s", r.Why)
			}
			says(t, r.Why, why)
		})
	}
	s.Below.Mint(s.usdcBelow, s.here.Address, testbed.Units(1000, 6))
	refused("a token made on the rollup", "is no token of this bridge", s.down("USDC"), func(o *plan.ExitOrder) { o.Beyond.Tokens[0].Address = native.Address.Hex() })
	refused("a token of another bridge", "listens to the bridge "+s.Above.Whale().Address.Hex(), s.down("USDC"), func(o *plan.ExitOrder) { o.Beyond.Tokens[0].Address = stranger.Address.Hex() })
	refused("a token for another", "stands for "+s.usdcBelow.Address.Hex(), s.up("USDC"), func(o *plan.ExitOrder) { o.Beyond.Tokens[0].Address = s.Below.WETH().Address.Hex() })
	refused("a Safe that is not there", "no Safe stands at "+s.here.Address.Hex(), s.down("USDC"), func(o *plan.ExitOrder) { o.Receiver = s.here.Address.Hex() })
	refused("more than there is", "is asked for and there is", s.down("USDC"), func(o *plan.ExitOrder) { o.Amount = decimal.RequireFromString("1000.000001") })
	refused("no bridge", "it is no bridge of the OP Stack", s.down("USDC"), func(o *plan.ExitOrder) {
		o.Exchange = &plan.Contract{Adapter: "op-bridge", Address: s.usdcBelow.Address.Hex()}
	})
	refused("a false end", "belongs to the bridge", s.down("USDC"), func(o *plan.ExitOrder) {
		fake := s.Below.Deploy("@eth-optimism/contracts-bedrock/forge-artifacts/Proxy.sol/Proxy.json", s.Below.Admin().Address)
		s.Below.Send(s.Below.Admin(), fake, "upgradeTo", s.BridgeCode)
		s.Below.Send(s.Below.Whale(), s.Bridge.At(fake.Address), "initialize", s.Messenger.Address, s.Guard.Address, s.Guard.Address)
		o.Exchange = &plan.Contract{Adapter: "op-bridge", Address: fake.Address.Hex()}
	})
	s.Below.Send(s.Below.Admin(), s.Guard, "pause", "a drill")
	refused("paused", "the bridge is paused on below", s.up("USDC"), nil)
}
