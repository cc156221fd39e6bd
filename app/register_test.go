package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
	"lifeboat/statement"
	"lifeboat/testbed"
)

// registerPlan is a Safe with tokens and a loan, of which the owner remembered little: nearly every quantity is wrong.
const registerPlan = `
portfolio: {name: Treasury, base_currency: USD, calendar: 24/7}
people:
  - {name: Ada, role: owner, wallets: ["ADA"]}
  - {name: Bo, role: signer, wallets: ["BO"]}
  - {name: Cy, role: signer, wallets: ["CY"]}
mandates:
  - {name: signers, by: signer, need: 2, factor: wallet}
dependencies:
  - {name: Testnet, kind: chain, chain: {id: CHAINID, nodes: [NODES], per_second: 10000, quorum: 2, confirmations: 1, gas_ceiling: 1000 gwei}}
  - {name: Lend, kind: protocol, contract: {adapter: aave-v3, chain: Testnet, address: "POOL"}}
accounts:
  - name: vault
    kind: safe
    chain: Testnet
    address: "SAFE"
    safe: {relayer: {kind: secret, address: "RELAYER", secret: "file:KEYS/relayer"}, trusted: ["MULTISEND"]}
  - {name: loan, kind: safe, chain: Testnet, protocol: Lend, address: "SAFE"}
  - {name: bank, kind: bank}
holdings:
  - {symbol: WETH, account: vault, quantity: 0, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: vault, quantity: 1, class: stablecoin, price: 1, token: "USDCTOKEN"}
  - {symbol: WETH, account: loan, quantity: 9, class: crypto, price: 2000, token: "WETHTOKEN"}
  - {symbol: USDC, account: loan, quantity: -1, class: stablecoin, price: 1, token: "USDCTOKEN"}
  - {symbol: USD, account: bank, quantity: 20000}
triggers:
  - {name: Health is low, tier: 3, condition: health_factor.loan < 1.1, playbook: leave}
  - {name: Much in one protocol, tier: 1, condition: concentration(protocol) > 40%}
  - {name: Much on one chain, tier: 1, condition: concentration(chain) > 50%}
playbooks:
  - name: leave
    rto: 30m
    steps:
      - {name: out, timeout: 1h, exit: {account: vault, protocol: Lend, do: [repay, withdraw], assets: [WETH, USDC], via: owners, by: signers}}
`

// register is a treasury whose register is held against its chain, by three nodes on lines that can be cut.
type register struct {
	*treasury
	d     *app.Daemon
	clock *watchClock
	lines []*testbed.Line

	slowly bool // minutes pass no faster than the watching reads a market
}

// minute on the chain and at the daemon.
func (r *register) minute() {
	r.Forward(time.Minute)
	r.clock.move(time.Minute)
}

// holds is what the book has of an account, by the journal alone.
func (r *register) holds(account, symbol string) decimal.Decimal {
	r.t.Helper()
	return r.ledger().Book.Quantity(account, symbol)
}

func (r *register) ledger() *app.Ledger {
	r.t.Helper()
	l := app.NewLedger("USD")
	if err := app.EachEntry(r.t.Context(), r.data, l.Apply); err != nil {
		r.t.Fatal(err)
	}
	return l
}

// near says that the book has about so much; interest adds a little all the time.
func (r *register) near(account, symbol, want string) bool {
	r.t.Helper()
	line := lifeboat.StatementLine{Quantity: r.holds(account, symbol), Accrues: true}
	return line.Says(decimal.RequireFromString(want))
}

// told are the messages that an account holds something else, in their order.
func (r *register) told(account string) []lifeboat.Message {
	r.t.Helper()
	return r.messages(account + " holds something else than the book")
}

func (r *register) messages(subject string) (all []lifeboat.Message) {
	r.t.Helper()
	for _, e := range journalOf(r.t, r.data) {
		if i, is := e.(lifeboat.Intent); is && i.Message != nil && i.Message.Subject == subject {
			all = append(all, *i.Message)
		}
	}
	return all
}

func (r *register) restated(account string) (n int) {
	r.t.Helper()
	for _, e := range journalOf(r.t, r.data) {
		if e, is := e.(lifeboat.Restated); is && e.Account == account {
			n++
		}
	}
	return n
}

// keepsUp says that the watching has seen what was a minute or two ago: what is older than five is no data, and a busy machine does not read
// a market in the time in which minutes pass here.
func (r *register) keepsUp() bool {
	return slices.ContainsFunc(r.d.Status().Series, func(s api.Series) bool {
		return s.Name == "health_factor.loan" && s.At != nil && r.clock.Now().Sub(*s.At) <= 2*time.Minute
	})
}

// comes lets minutes pass until something is so.
func (r *register) comes(what string, is func() bool) {
	r.t.Helper()
	for range 60 {
		for begun := time.Now(); time.Since(begun) < 400*time.Millisecond || r.slowly && !r.keepsUp() && time.Since(begun) < 5*time.Second; time.Sleep(20 * time.Millisecond) {
			if is() {
				return
			}
		}
		r.minute()
	}
	for at, e := range journalOf(r.t, r.data) {
		switch e := e.(type) {
		case lifeboat.Restated, lifeboat.Firing, lifeboat.Decision, lifeboat.Refused, lifeboat.StepFinished, lifeboat.RunFinished, lifeboat.Receipt:
			r.t.Logf("%s %T %+v", at.Format(time.TimeOnly), e, e)
		}
	}
	s := r.d.Status()
	for _, x := range s.Series {
		if x.At != nil {
			r.t.Logf("%s by %s of %s, fresh: %t", x.Name, x.Source, x.At.Format(time.TimeOnly), x.Fresh)
		}
	}
	r.t.Fatalf("never came: %s at %s; accounts %+v, triggers %+v, nodes %+v", what, r.clock.Now().Format(time.TimeOnly), s.Venues, s.Triggers, s.Nodes)
}

// A Safe and its loan are registered wrongly. The chain says what is there, and the book follows; interest is nobody's business, a token
// that leaves is the owner's, a node that lies is nobody's, and nodes that are away make no account empty. After an exit the register
// follows by itself.
func TestRegisterFollowsTheChain(t *testing.T) {
	t.Parallel()
	testbed.Each(t, func(t *testing.T, bed *testbed.Bed) {
		w := newTreasury(t, bed, true)
		r := &register{treasury: w, clock: newWatchClock(time.Now().UTC())}
		var nodes []string
		for range 3 {
			line := bed.Through(testbed.Fault{})
			r.lines, nodes = append(r.lines, line), append(nodes, `"`+line.WS+`"`)
		}
		w.write(registerPlan, "NODES", strings.Join(nodes, ", "))
		d, stop := running(t, r.clock, w.dir, w.data)
		r.d = d

		r.comes("the quantities of the chain", func() bool {
			return r.near("loan", "WETH", "10") && r.near("loan", "USDC", "-12000") && r.holds("vault", "USDC").String() == "12500"
		})
		r.comes("what depends on them", func() bool {
			return triggered(d, "Much in one protocol") == "calm" && triggered(d, "Much on one chain") == "fired"
		})
		if told := r.told("loan"); len(told) != 1 || !strings.Contains(told[0].Text, "WETH where the book had 9") || !strings.Contains(told[0].Text, "USDC where the book had -1") {
			t.Fatalf("of the loan was told %+v", told)
		}
		r.peopleSeeIt()
		r.interestIsQuiet()
		r.theftIsTold()
		r.aLiarChangesNothing()
		r.silenceIsTold()
		r.theExitIsFollowed()
		stop()
	})
}

func triggered(d *app.Daemon, trigger string) string {
	for _, x := range d.Status().Triggers {
		if x.Name == trigger {
			return x.State
		}
	}
	return ""
}

// peopleSeeIt: positions and sync show what the chain said, by whom and as of when.
func (r *register) peopleSeeIt() {
	r.t.Helper()
	l := r.ledger()
	stated := l.Statements["loan"]
	if line, _ := stated.Line("USDC"); stated.Source != "Testnet" || !line.Accrues || !line.Says(decimal.NewFromInt(-12000)) {
		r.t.Errorf("the statement is %+v", stated)
	}
	inventory, err := app.Take(r.d.DaemonOptions.Plan, l, r.clock.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	shown := 0
	for _, h := range inventory.Held {
		if h.Account == "loan" && h.From == "Testnet" && h.At.Equal(stated.At) {
			shown++
		}
	}
	if shown != 2 {
		r.t.Errorf("positions show %+v", inventory.Held)
	}
	for _, name := range []string{"loan", "vault"} {
		a, _ := r.d.DaemonOptions.Plan.Account(name)
		s, err := app.Sync(r.t.Context(), r.d.DaemonOptions.Plan, r.dir, nil, a, r.clock)
		if d := statement.Compare(l.Book.Positions(), s); err != nil || !d.Agree() || len(d.Lines) == 0 || s.At.Before(stated.At) {
			r.t.Errorf("sync says %s, %v", d.Report(), err)
		}
	}
}

// interestIsQuiet: the debt of two months is another number, which the book follows without a word.
func (r *register) interestIsQuiet() {
	r.t.Helper()
	before, owed := r.restated("loan"), r.holds("loan", "USDC")
	r.Forward(60 * 24 * time.Hour)
	r.clock.move(60 * 24 * time.Hour)
	r.comes("the interest", func() bool { return r.restated("loan") > before })
	if now := r.holds("loan", "USDC"); !now.LessThan(owed) {
		r.t.Errorf("after two months %s are owed, and %s were", now, owed)
	}
	if told := r.told("loan"); len(told) != 1 {
		r.t.Errorf("interest was told: %+v", told[1:])
	}
}

// theftIsTold: two owners send something away of which lifeboat knows nothing.
func (r *register) theftIsTold() {
	r.t.Helper()
	stranger := r.Accounts[8]
	r.safe.Exec(r.aave.USDC.Do("transfer", stranger.Address, testbed.Units(200, 6)), testbed.OperationCall)
	r.comes("word of what is gone", func() bool { return slices.ContainsFunc(r.told("vault"), isTheft) })
	r.comes("the book without it", func() bool { return r.holds("vault", "USDC").String() == "12300" })
	a, _ := r.d.DaemonOptions.Plan.Account("vault")
	went, err := app.Transfers(r.t.Context(), r.d.DaemonOptions.Plan, r.dir, nil, a, r.clock, 1)
	if err != nil || len(went) != 1 || went[0].Amount.String() != "-200" || went[0].Symbol != "USDC" || went[0].Counterpart != stranger.Hex() {
		r.t.Errorf("where it went: %+v, %v", went, err)
	}
}

func isTheft(m lifeboat.Message) bool {
	return m.Tier == lifeboat.Action && strings.Contains(m.Text, "12300 USDC where the book had 12500")
}

// aLiarChangesNothing: one node of three says that there is no USDC.
func (r *register) aLiarChangesNothing() {
	r.t.Helper()
	told, vault, loan := len(r.told("vault"))+len(r.told("loan")), r.restated("vault"), r.restated("loan")
	stated := r.ledger().Statements["vault"].At
	balance := fmt.Appendf(nil, "%064x", testbed.Units(12_300, 6))
	var lies atomic.Int64
	r.lines[1].Set(testbed.Fault{Lie: func(method string, _, result json.RawMessage) json.RawMessage {
		if method != "eth_call" || !bytes.Contains(result, balance) {
			return result
		}
		lies.Add(1)
		return bytes.ReplaceAll(result, balance, bytes.Repeat([]byte("0"), 64))
	}})
	r.lines[0].Set(testbed.Fault{Refuse: 503}) // so that it is asked, though two others answer faster
	r.comes("a lie", func() bool { return lies.Load() > 0 })
	r.lines[0].Set(testbed.Fault{})
	for range 6 {
		r.minute()
	}
	r.comes("a statement in spite of the liar", func() bool { return r.ledger().Statements["vault"].At.After(stated.Add(6 * time.Minute)) })
	if now := len(r.told("vault")) + len(r.told("loan")); now != told || r.restated("vault") != vault || r.restated("loan") != loan {
		r.t.Errorf("a liar moved the book: %d messages, %d and %d restatements", now-told, r.restated("vault")-vault, r.restated("loan")-loan)
	}
	r.lines[1].Set(testbed.Fault{})
}

// silenceIsTold: no node answers, the figures stay, and the owner hears of it.
func (r *register) silenceIsTold() {
	r.t.Helper()
	for _, l := range r.lines {
		l.Set(testbed.Fault{Refuse: 503})
	}
	silences := func(account string) int { return len(r.messages("Nothing is heard of " + account)) }
	vault, loan := silences("vault"), silences("loan")
	r.comes("word of the silence", func() bool { return silences("vault") > vault && silences("loan") > loan })
	if got := r.holds("vault", "USDC").String(); got != "12300" || !r.near("loan", "WETH", "10") {
		r.t.Errorf("in silence the vault has %s USDC", got)
	}
	for _, l := range r.lines {
		l.Set(testbed.Fault{})
	}
	heard := r.clock.Now()
	r.comes("a statement after the silence", func() bool { return !r.ledger().Statements["vault"].At.Before(heard.Add(-time.Minute)) })
}

// theExitIsFollowed: a price falls, two owners sign, and what was in the market lies in the vault, in the book as well.
func (r *register) theExitIsFollowed() {
	r.t.Helper()
	r.slowly = true
	r.aave.PriceTo(r.aave.WETH, 1500)
	r.comes("the owners' question", func() bool {
		return slices.ContainsFunc(r.d.Status().Questions, func(q api.Question) bool { return q.Proposal != nil })
	})
	r.agree(r.d, r.d.Status().Questions[0])
	r.comes("the end of the run", func() bool { return len(r.d.Status().Runs) == 0 })
	r.comes("the book after the exit", func() bool {
		return r.holds("loan", "WETH").IsZero() && r.holds("loan", "USDC").IsZero() && r.near("vault", "WETH", "10") && r.holds("vault", "USDC").LessThan(decimal.NewFromInt(300))
	})
}
