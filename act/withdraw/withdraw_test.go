package withdraw

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/act/venue/venuetest"
	"lifeboat/plan"
)

const key lifeboat.Key = "lb-withdraw-1"

var vaultAddress = venue.Address{Symbol: "BTC", Network: "BTC", Address: "bc1qvault"}

const planText = `
portfolio: {name: withdraw test, base_currency: USD, calendar: 24/7}
people: [{name: Alex, role: owner}]
accounts:
  - name: exchange
    kind: exchange
    venue: binance
    connect: {key: env:KEY, secret: env:SECRET, symbols: {BTC: BTCUSDT, USD: USDT}}
    canary: {symbol: BTC, amount: 2, to: vault, network: BTC}
  - {name: vault, kind: wallet, address: bc1qvault}
holdings:
  - {symbol: BTC, account: exchange, quantity: 100, class: crypto}
playbooks:
  - name: leave
    steps:
      - {name: out, withdraw: {account: exchange, symbol: BTC, fraction: 50%, to: vault, network: BTC, by: owner}, timeout: 6h}
`

// thePlan is read once: nobody changes it.
var thePlan = func() func(t testing.TB) *plan.Plan {
	var once sync.Once
	var p *plan.Plan
	return func(t testing.TB) *plan.Plan {
		t.Helper()
		once.Do(func() {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(planText), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			if p, _, err = plan.Load(dir); err != nil {
				t.Fatal(err)
			}
		})
		return p
	}
}()

// A bench is a desk, the venue that it withdraws from, and the note of one task.
type bench struct {
	*testing.T
	*Desk
	clock *exchangetest.Clock
	ends  time.Time // when the task's time is up
	vault *venuetest.Vault
	way   venue.Withdrawer // to the vault; what a test puts in between
	began time.Time
	again bool
	facts map[string]string // as last kept
	told  []string
	keep  func() error  // fails for a disk that is full
	held  func() string // why it may not be asked for; nil for never
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, clock: exchangetest.NewClock(), keep: func() error { return nil }}
	b.vault = &venuetest.Vault{Account: "exchange", Clock: b.clock, Sends: 20 * time.Minute, Says: venue.Terms{
		Asset: "BTC", Free: decimal.NewFromInt(100), Fee: decimal.New(1, -4), Least: decimal.New(1, -3), Step: decimal.New(1, -8)}}
	b.vault.Own([]venue.Address{vaultAddress})
	b.way, b.began = b.vault, b.clock.Now()
	b.Desk = New(Options{Plan: thePlan(t), Clock: limited{b.clock, b}, Open: func(context.Context, plan.Account) (venue.Withdrawer, string, error) {
		return line{b}, "Binance", nil
	}})
	return b
}

// restart is another process with the note of the one before.
func (b *bench) restart() {
	b.Desk, b.again = New(b.Options), true
}

func (b *bench) do(kind string, spec any) lifeboat.Receipt {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	return b.doWithin(ctx, kind, spec)
}

func (b *bench) doWithin(ctx context.Context, kind string, spec any) lifeboat.Receipt {
	b.Helper()
	b.ends = b.clock.Now().Add(24 * time.Hour)
	text, err := json.Marshal(spec)
	if err != nil {
		b.Fatal(err)
	}
	work, err := b.Prepare(key, lifeboat.Task{Kind: kind, Spec: text})
	if err != nil {
		b.Fatal(err)
	}
	return work.Do(ctx, task.Progress{At: b.began, Again: b.again, Facts: maps.Clone(b.facts), Held: b.held, Keep: func(why string, facts map[string]string) error {
		if err := b.keep(); err != nil {
			return err
		}
		b.told, b.facts = append(b.told, why), maps.Clone(facts)
		return nil
	}})
}

// limited is a clock on which the time of a task ends, as a crew ends it.
type limited struct {
	*exchangetest.Clock
	b *bench
}

func (c limited) Sleep(ctx context.Context, until time.Time) error {
	if until.After(c.b.ends) {
		return context.DeadlineExceeded
	}
	return c.Clock.Sleep(ctx, until)
}

// order is what the step of the plan tells both of its tasks.
func (b *bench) order() step {
	order, err := b.Plan.WithdrawOrder(b.Plan.Withdrawals()[0])
	if err != nil {
		b.Fatal(err)
	}
	return step{WithdrawOrder: order}
}

// approved is the second task after a yes to what the first one worked out.
func (b *bench) approved() step {
	b.Helper()
	planned := b.do(Planning, b.order())
	if planned.Status != lifeboat.Performed {
		b.Fatalf("planned: %+v", planned)
	}
	s := b.order()
	s.Timeout, s.Hash = plan.Duration(6*time.Hour), planned.Facts["hash"]
	s.Planned = map[string]string{"amount": planned.Facts["amount"], "fee": planned.Facts["fee"]}
	return s
}

func (b *bench) trialSpec() step {
	t, is := b.Plan.Trial("exchange")
	if !is {
		b.Fatal("the plan has no canary")
	}
	var s step
	if err := json.Unmarshal(t.Spec, &s); err != nil {
		b.Fatal(err)
	}
	return s
}

// expect holds how a task ended, and how many withdrawals there are, to what must be true.
func (b *bench) expect(r lifeboat.Receipt, status lifeboat.ReceiptStatus, lost bool, made int, says string) {
	b.Helper()
	if n := b.vault.Made(key); r.Status != status || r.Lost != lost || n != made || !strings.Contains(r.Why, says) {
		b.Errorf("%d withdrawals, and the receipt is %+v; want %d, %s, lost %v, %q", n, r, made, status, lost, says)
	}
}

// A line leads where the bench's way leads now; a desk opens it once.
type line struct{ b *bench }

func (l line) Own(addresses []venue.Address)   { l.b.way.Own(addresses) }
func (l line) WithdrawalMemory() time.Duration { return l.b.way.WithdrawalMemory() }

func (l line) Terms(ctx context.Context, w venue.Withdrawal) (venue.Terms, error) {
	return l.b.way.Terms(ctx, w)
}

func (l line) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	return l.b.way.Withdraw(ctx, key, w)
}

func (l line) AskWithdrawal(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	return l.b.way.AskWithdrawal(ctx, key, w)
}

// before is a way to the vault on which something happens before each call.
type before struct {
	venue.Withdrawer
	happens func(method string) error
}

func (w before) Terms(ctx context.Context, asked venue.Withdrawal) (venue.Terms, error) {
	if err := w.happens("Terms"); err != nil {
		return venue.Terms{}, err
	}
	return w.Withdrawer.Terms(ctx, asked)
}

func (w before) Withdraw(ctx context.Context, key lifeboat.Key, asked venue.Withdrawal) (lifeboat.Receipt, error) {
	if err := w.happens("Withdraw"); err != nil {
		return lifeboat.Receipt{}, err
	}
	r, err := w.Withdrawer.Withdraw(ctx, key, asked)
	if err == nil {
		err = w.happens("Withdraw answered")
	}
	return r, err
}

func (w before) AskWithdrawal(ctx context.Context, key lifeboat.Key, asked venue.Withdrawal) (lifeboat.Receipt, error) {
	if err := w.happens("AskWithdrawal"); err != nil {
		return lifeboat.Receipt{}, err
	}
	r, err := w.Withdrawer.AskWithdrawal(ctx, key, asked)
	if err == nil {
		err = w.happens("AskWithdrawal answered")
	}
	return r, err
}

var errLine = errors.New("the line is dead")

// What is shown to people says to the last digit what leaves, what is kept and what arrives, and stands under a hash that
// nothing else has.
func TestPlanning(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *bench, s *step)
		says   []string // of the output, or of the refusal
		status lifeboat.ReceiptStatus
	}{
		"a share of what is free": {func(b *bench, _ *step) { b.vault.Says.Free = decimal.RequireFromString("0.123456789") },
			[]string{"0.06172839 BTC leaves exchange at Binance, where 0.123456789 is free", "0.0001 BTC of it is the fee", "0.06162839 BTC arrives at vault", "bc1qvault, on the network BTC"}, lifeboat.Performed},
		"an amount": {func(_ *bench, s *step) { s.Fraction, s.Amount = 0, decimal.RequireFromString("1.5") }, []string{"1.5 BTC leaves", "1.4999 BTC arrives"}, lifeboat.Performed},
		"words": {func(b *bench, _ *step) {
			b.vault.Says.Notes, b.vault.Says.Takes = []string{"The network is busy"}, time.Hour
		}, []string{"The network is busy.", "it takes 1 h"}, lifeboat.Performed},
		"a fee on top": {func(b *bench, s *step) {
			b.vault.Says.Fee, b.vault.Says.FeeOnTop, s.Fraction, s.Amount = decimal.Zero, true, 0, decimal.NewFromInt(2)
		}, []string{"2 BTC leaves", "Binance takes its fee on top, and names it only once", "2 BTC arrives"}, lifeboat.Performed},
		"nothing for a fee on top": {func(b *bench, s *step) {
			b.vault.Says.Fee, b.vault.Says.FeeOnTop, s.Fraction, s.Amount = decimal.Zero, true, 0, decimal.NewFromInt(100)
		}, []string{"all of 100 BTC would leave, and nothing would be there for the fee"}, lifeboat.NotPerformed},
		"nothing there": {func(b *bench, _ *step) { b.vault.Says.Free = decimal.Zero }, []string{"Binance would not withdraw it: nothing of BTC is free there"}, lifeboat.NotPerformed},
		"too much":      {func(_ *bench, s *step) { s.Fraction, s.Amount = 0, decimal.NewFromInt(101) }, []string{"101 BTC would leave, and 100 BTC is free"}, lifeboat.NotPerformed},
		"too little":    {func(_ *bench, s *step) { s.Fraction, s.Amount = 0, decimal.New(5, -4) }, []string{"the least is 0.001 BTC"}, lifeboat.NotPerformed},
		"over the most": {func(b *bench, _ *step) { b.vault.Says.Most = decimal.NewFromInt(7) }, []string{"the most at once is 7 BTC"}, lifeboat.NotPerformed},
		"a wrong step":  {func(_ *bench, s *step) { s.Fraction, s.Amount = 0, decimal.RequireFromString("0.123456789") }, []string{"no multiple of 0.00000001 BTC"}, lifeboat.NotPerformed},
		"all is fee":    {func(b *bench, _ *step) { b.vault.Says.Fee = decimal.NewFromInt(50) }, []string{"its fee of 50 BTC takes all of it"}, lifeboat.NotPerformed},
		"obstacles":     {func(b *bench, _ *step) { b.vault.Says.Obstacles = []string{"it is closed", "it is Sunday"} }, []string{"it is closed; it is Sunday"}, lifeboat.NotPerformed},
		"no answer": {func(b *bench, _ *step) { b.way = before{b.vault, func(string) error { return errLine }} },
			[]string{"Binance could not be asked what a withdrawal would do: the line is dead"}, lifeboat.NotPerformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.order()
			tc.change(b, &s)
			r := b.do(Planning, s)
			for _, says := range tc.says {
				if r.Status != tc.status || !strings.Contains(r.Output+r.Why, says) {
					t.Errorf("it is %s and does not say %q:\n%s%s", r.Status, says, r.Why, r.Output)
				}
			}
			if transient := r.Facts["failure"] == "transient"; transient != (name == "no answer") {
				t.Errorf("transient: %v", transient)
			}
			if b.vault.Made("") != 0 {
				t.Error("planning withdraws")
			}
		})
	}
}

func TestHashStandsForOneWithdrawal(t *testing.T) {
	b := newBench(t)
	p, err := approved(b.approved())
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(p *proposed){
		"account": func(p *proposed) { p.Account += "x" }, "symbol": func(p *proposed) { p.Symbol += "x" },
		"amount": func(p *proposed) { p.Amount = p.Amount.Add(decimal.New(1, -8)) }, "fee": func(p *proposed) { p.Fee = decimal.Zero },
		"receiver": func(p *proposed) { p.To += "x" }, "address": func(p *proposed) { p.Address += "x" },
		"network": func(p *proposed) { p.Network += "x" }, "tag": func(p *proposed) { p.Tag += "x" },
	} {
		other := p
		if change(&other); other.hash() == p.hash() {
			t.Errorf("another %s has the same hash", what)
		}
	}
}

// What cannot be what was approved is refused before anything is noted.
func TestPrepare(t *testing.T) {
	b := newBench(t)
	good, trial := b.approved(), b.trialSpec()
	for name, tc := range map[string]struct {
		kind string
		spec func() any
		says string
	}{
		"no JSON":           {Applying, func() any { return json.RawMessage(`7`) }, "cannot be read"},
		"a word too many":   {Applying, func() any { return json.RawMessage(`{"account":"exchange","now":true}`) }, "cannot be read"},
		"another account":   {Planning, func() any { s := b.order(); s.Account = "other"; return s }, `no account "other"`},
		"another address":   {Applying, func() any { s := good; s.Address = "bc1qthief"; return s }, "another address for vault"},
		"another receiver":  {Applying, func() any { s := good; s.To = "nobody"; return s }, `no longer has an account "nobody"`},
		"a hash too early":  {Planning, func() any { return good }, "has no hash yet"},
		"no hash":           {Applying, func() any { s := good; s.Hash = ""; return s }, "nothing was approved"},
		"no amount":         {Applying, func() any { s := good; s.Planned = map[string]string{"fee": "0"}; return s }, "nothing was approved"},
		"another amount":    {Applying, func() any { s := good; s.Planned = map[string]string{"amount": "51", "fee": "0.0001"}; return s }, "not the one that was approved"},
		"another network":   {Applying, func() any { s := good; s.Network = "BSC"; return s }, "not the one that was approved"},
		"another canary":    {plan.TrialTask, func() any { s := trial; s.Amount = decimal.NewFromInt(3); return s }, "another canary for exchange, or none"},
		"a canary's thief":  {plan.TrialTask, func() any { s := trial; s.Address = "bc1qthief"; return s }, "another address for vault"},
		"a step for canary": {plan.TrialTask, func() any { return good }, "another canary for exchange, or none"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(tc.spec())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Prepare(key, lifeboat.Task{Kind: tc.kind, Spec: text}); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
	if b.vault.Made("") != 0 {
		t.Error("preparing withdraws")
	}
}

func FuzzPrepare(f *testing.F) {
	for _, seed := range []string{`{}`, `null`, `{"account":"exchange","to":"vault","address":"bc1qvault","hash":"00","planned":{"amount":"1e99999999","fee":"-1"}}`,
		`{"account":"exchange","symbol":"BTC","amount":"2","to":"vault","network":"BTC","by":"","address":"bc1qvault"}`} {
		f.Add(Applying, []byte(seed))
		f.Add(plan.TrialTask, []byte(seed))
	}
	d := New(Options{Plan: thePlan(f), Open: func(context.Context, plan.Account) (venue.Withdrawer, string, error) {
		panic("nothing is opened before the work begins")
	}})
	f.Fuzz(func(t *testing.T, kind string, spec []byte) {
		work, err := d.Prepare(key, lifeboat.Task{Kind: kind, Spec: spec})
		if err == nil && work.Do == nil {
			t.Error("there is nothing to do, and nothing was said against it")
		}
		if err == nil && kind == plan.TrialTask {
			if written, _ := d.Plan.Trial("exchange"); string(written.Spec) != string(spec) {
				t.Errorf("a trial that the plan does not say: %s", spec)
			}
		}
	})
}
