package app_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/custodian/bitcoin/bitcointest"
	"lifeboat/custodian/bitcoin/btcdtest"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

const (
	coldAddress  = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
	genesisBlock = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
)

const coldPlan = `
portfolio: {name: Cold, base_currency: USD, calendar: 24/7}
people: [{name: Alex, role: owner}]
dependencies:
  - {name: Bitcoin, kind: chain, chain: {nodes: [NODES], every: 1m}}
accounts:
  - {name: cold, kind: wallet, chain: Bitcoin, address: 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa}
holdings:
  - {symbol: BTC, account: cold, quantity: 1.5, class: crypto, price: 100000}
triggers:
  - {name: All on one chain, tier: 1, condition: concentration(chain) > 90%}
`

// anEsplora is a stand-in for a server of Bitcoin's, whose answers a test changes while it is asked.
type anEsplora struct {
	mu    sync.Mutex
	chain *bitcointest.Chain
	away  bool
	url   string
}

func newEsplora(t *testing.T, at time.Time, satoshi int64) *anEsplora {
	t.Helper()
	e := &anEsplora{chain: &bitcointest.Chain{Genesis: genesisBlock, Address: coldAddress, Spent: "0", Leaving: "0"}}
	e.mine(900_000, at, satoshi)
	inner := e.chain.Esplora()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.away {
			http.Error(w, "upstream is down", http.StatusBadGateway)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// mine a block, after which so much lies at the address.
func (e *anEsplora) mine(height uint64, at time.Time, satoshi int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.chain.Height, e.chain.Time, e.chain.Funded = height, at.Unix(), strconv.FormatInt(satoshi, 10)
	e.chain.Tips = []string{strings.Repeat("0", 56) + strconv.FormatUint(10_000_000+height, 10)}
}

func (e *anEsplora) leave(away bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = away
}

func coldPlanAt(t *testing.T, nodes ...*anEsplora) (planDir string) {
	t.Helper()
	var urls []string
	for _, n := range nodes {
		urls = append(urls, `"`+n.url+`"`)
	}
	planDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(strings.ReplaceAll(coldPlan, "NODES", strings.Join(urls, ", "))), 0o600); err != nil {
		t.Fatal(err)
	}
	return planDir
}

const coin = 100_000_000 // satoshi

// A wallet that no venue knows: the chain says what lies there, and what it says twice the book follows. A server that lies beside two
// that do not changes nothing; when all are away the owner is told, the last word stays, and the account is at no time empty.
func TestWhatAChainSaysOfAnAccount(t *testing.T) {
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	height := uint64(900_000)
	honest, other, liar := newEsplora(t, clock.Now(), coin*6/5), newEsplora(t, clock.Now(), coin*6/5), newEsplora(t, clock.Now(), 0)
	holds := int64(coin * 6 / 5)
	planDir, dataDir := coldPlanAt(t, honest, other, liar), t.TempDir()
	d, stop := running(t, clock, planDir, dataDir)
	tick := func() { // a minute; a block comes every ten
		clock.move(time.Minute)
		if clock.Now().Minute()%10 == 0 {
			height++
			honest.mine(height, clock.Now(), holds)
			other.mine(height, clock.Now(), holds)
			liar.mine(height, clock.Now(), 0)
		}
	}
	worth := func(want float64) func(api.Status) bool {
		return func(s api.Status) bool { return s.Value != nil && *s.Value == want }
	}
	within(t, d, tick, "a statement", func(s api.Status) bool {
		return len(s.Venues) == 1 && s.Venues[0].Chain && s.Venues[0].Venue == "Bitcoin" && s.Venues[0].Stated != nil && s.Venues[0].Problem == ""
	})
	if s := d.Status(); !worth(150_000)(s) {
		t.Errorf("one statement alone has moved the book: %v", *s.Value)
	}
	within(t, d, tick, "the book of 1.2 where the plan registers 1.5", worth(120_000))
	within(t, d, tick, "that all lies on one chain, which the account alone says", func(s api.Status) bool { return s.Triggers[0].State == "fired" })

	for _, n := range []*anEsplora{honest, other, liar} {
		n.leave(true)
	}
	within(t, d, tick, "word that nobody answers", func(s api.Status) bool { return s.Venues[0].Problem != "" && s.Venues[0].Since != nil })
	for range 20 {
		tick()
		at := clock.Now()
		within(t, d, func() {}, "the last word, while nobody answers", func(s api.Status) bool { return worth(120_000)(s) && !s.At.Before(at) })
	}
	for _, n := range []*anEsplora{honest, other, liar} {
		n.leave(false)
	}
	holds = coin / 2 // it was taken meanwhile
	within(t, d, tick, "what was taken", worth(50_000))
	stop()

	var restated, subjects []string
	for at, e := range journalOf(t, dataDir) {
		switch e := e.(type) {
		case lifeboat.Restated:
			restated = append(restated, e.Why)
		case lifeboat.PlanLoaded:
			if e.Chains["cold"] != "Bitcoin" || len(e.Venues) > 0 {
				t.Errorf("the plan is loaded as %+v", e)
			}
		case lifeboat.Intent:
			if m := e.Message; m != nil && !strings.Contains(m.Subject, "one chain") && !strings.HasPrefix(m.Subject, "again: ") {
				subjects = append(subjects, m.Subject)
				if strings.Contains(m.Text, "Orders") || strings.HasPrefix(m.Subject, "Nothing") && !strings.Contains(m.Text, "What the account cold holds on Bitcoin is not known since") {
					t.Errorf("at %s the owner was told: %s", at, m.Text)
				}
			}
		}
	}
	if want := "1.2 BTC where the book had 1.5; 0.5 BTC where the book had 1.2"; strings.Join(restated, "; ") != want {
		t.Errorf("restated %q, not %q", restated, want)
	}
	if want := "cold holds something else than the book; Nothing is heard of cold; cold holds something else than the book"; strings.Join(subjects, "; ") != want {
		t.Errorf("the owner was told %q", subjects)
	}
	held := inventoryOf(t, planDir, dataDir, clock.Now())
	if len(held) != 1 || held[0].From != "Bitcoin" || held[0].At.IsZero() || held[0].Quantity.String() != "0.5" {
		t.Errorf("the positions are %+v", held)
	}
}

func inventoryOf(t *testing.T, planDir, dataDir string, now time.Time) []app.Held {
	t.Helper()
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	ledger := app.NewLedger(p.Portfolio.BaseCurrency)
	for at, e := range journalOf(t, dataDir) {
		ledger.Apply(at, e)
	}
	taken, err := app.Take(p, ledger, now)
	if err != nil {
		t.Fatal(err)
	}
	return taken.Held
}

// An hour without a block is an hour in which the chain says the same of the same moment. That is word of the account all the same.
func TestAChainWhoseNextBlockIsLate(t *testing.T) {
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	node := newEsplora(t, clock.Now(), coin*3/2)
	planDir, dataDir := coldPlanAt(t, node), t.TempDir()
	d, stop := running(t, clock, planDir, dataDir)
	for range 60 {
		clock.move(time.Minute)
		at := clock.Now()
		within(t, d, func() {}, "an answer a minute", func(s api.Status) bool {
			return len(s.Venues) == 1 && s.Venues[0].LastOK != nil && !s.Venues[0].LastOK.Before(at)
		})
	}
	stop()
	statements := 0
	for at, e := range journalOf(t, dataDir) {
		switch e := e.(type) {
		case lifeboat.Statement:
			statements++
		case lifeboat.Intent:
			if e.Message != nil && strings.HasPrefix(e.Message.Subject, "Nothing is heard") {
				t.Errorf("at %s the owner was told: %s", at, e.Message.Text)
			}
		}
	}
	if statements < 6 || statements > 14 {
		t.Errorf("in an hour %d statements were written", statements)
	}
}

// TestAChainThatSaysTheSame: blocks come and nothing moves, so little is written. What is taken is told as soon as ever, and that nobody
// answers is told a quarter of an hour after something was heard.
func TestAChainThatSaysTheSame(t *testing.T) {
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	node := newEsplora(t, clock.Now(), coin*3/2)
	planDir, dataDir := coldPlanAt(t, node), t.TempDir()
	d, stop := running(t, clock, planDir, dataDir)
	height, holds := uint64(900_000), int64(coin*3/2)
	minutes := func(n int) { // with a block in each, unless nobody answers
		for range n {
			clock.move(time.Minute)
			height++
			node.mine(height, clock.Now(), holds)
			at := clock.Now()
			within(t, d, func() {}, "an answer, or none, a minute", func(s api.Status) bool {
				v := s.Venues
				return len(v) == 1 && (v[0].LastOK != nil && !v[0].LastOK.Before(at) || v[0].Problem != "" && !s.At.Before(at))
			})
		}
	}
	const hours = 3
	minutes(60 * hours)
	taken := clock.Now()
	holds = coin
	minutes(6)
	gone := clock.Now()
	node.leave(true)
	minutes(20)
	stop()

	quiet, restated, silent := 0, time.Time{}, time.Time{}
	var heard time.Time
	for at, e := range journalOf(t, dataDir) {
		switch e := e.(type) {
		case lifeboat.Statement:
			if heard = at; !at.After(taken) {
				quiet++
			}
		case lifeboat.Restated:
			restated = at
		case lifeboat.Intent:
			if e.Message != nil && strings.HasPrefix(e.Message.Subject, "Nothing is heard") && silent.IsZero() {
				silent = at
			}
		}
	}
	if quiet < 12*hours-2 || quiet > 12*hours+4 {
		t.Errorf("in %d hours in which nothing moved %d statements were written", hours, quiet)
	}
	if late := restated.Sub(taken); late <= 0 || late > 5*time.Minute {
		t.Errorf("what was taken moved the book %s after it", late)
	}
	if early, late := silent.Sub(gone), silent.Sub(heard); early < 9*time.Minute || late > 16*time.Minute {
		t.Errorf("that nobody answers was told %s after the last answer, and %s after the last statement", early, late)
	}
}

// In a sandbox nobody says what accounts hold.
func TestSandboxAsksNoChain(t *testing.T) {
	clock := newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC))
	planDir := coldPlanAt(t, newEsplora(t, clock.Now(), 0))
	d, stop := running(t, clock, planDir, t.TempDir(), func(o *app.DaemonOptions) { o.Sandbox = true })
	within(t, d, func() { clock.move(time.Minute) }, "a status without venues", func(s api.Status) bool { return !s.At.IsZero() && len(s.Venues) == 0 })
	stop()
}

// What cannot be asked is told when the daemon starts, and nothing of a node but its host.
func TestAChainThatCannotBeAsked(t *testing.T) {
	t.Setenv("LIFEBOAT_TEST_NODE", "https://user:hunter2hunter2@bitcoin.example.org/hunter2hunter2hunter2")
	t.Setenv("LIFEBOAT_TEST_OPEN", "http://bitcoin.example.org/hunter2hunter2hunter2")
	for name, nodes := range map[string]string{"not there": "env:LIFEBOAT_TEST_NOBODY", "twice": `["env:LIFEBOAT_TEST_NODE", "${LIFEBOAT_TEST_NODE}"]`,
		"through the open": "env:LIFEBOAT_TEST_OPEN"} {
		planDir := t.TempDir()
		text := strings.ReplaceAll(strings.ReplaceAll(coldPlan, "[NODES]", nodes), "NODES", nodes)
		if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := app.LoadPlan(planDir)
		if err != nil {
			t.Fatal(err)
		}
		_, err = app.Sync(t.Context(), p, planDir, nil, account(t, p, "cold"), lifeboat.WallClock{})
		if err == nil || !strings.Contains(err.Error(), "nobody can be asked what cold holds on Bitcoin") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func account(t *testing.T, p *plan.Plan, name string) plan.Account {
	t.Helper()
	a, err := app.StatedAccount(p, name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The daemon beside a real node of btcd: what is paid to the account in blocks that are really mined, the book follows, and what waits
// to be mined it does not. The blocks are of today and the daemon's clock is of yesterday, so that its minutes pass at once.
func TestDaemonAtBtcd(t *testing.T) {
	btcd := btcdtest.Start(t)
	key, _ := btcec.PrivKeyFromBytes(bytes.Repeat([]byte{9}, 32))
	vault := btcdtest.Witness(t, key)
	btcd.Generate(110)
	pay := func(height int, satoshi int64) {
		id, value := btcd.Coinbase(height)
		btcd.Spend(id, 0, value, btcdtest.Payment{To: vault, Satoshi: satoshi}, btcdtest.Payment{To: btcd.Mine, Satoshi: value - satoshi - 1000})
	}
	clock := newWatchClock(time.Now().Add(-24 * time.Hour).UTC().Truncate(time.Second))
	t.Setenv("LIFEBOAT_TEST_NODE", btcd.URL)
	text := strings.NewReplacer("[NODES]", `["env:LIFEBOAT_TEST_NODE"], kind: bitcoin, network: regtest`, coldAddress, vault.Text).Replace(coldPlan)
	planDir, dataDir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	pay(1, coin*5/4)
	d, stop := running(t, clock, planDir, dataDir)
	tick := func() { clock.move(time.Minute) }
	worth := func(want float64) func(api.Status) bool {
		return func(s api.Status) bool { return s.Value != nil && *s.Value == want }
	}
	within(t, d, tick, "that nothing is there while the payment waits", worth(0))
	btcd.Generate(1)
	within(t, d, tick, "what was paid", worth(125_000))
	pay(2, coin/4)
	btcd.Generate(1)
	within(t, d, tick, "what was paid then", worth(150_000))
	stop()
	p, err := app.LoadPlan(planDir)
	if err != nil {
		t.Fatal(err)
	}
	transfers, err := app.Transfers(t.Context(), p, planDir, nil, account(t, p, "cold"), lifeboat.WallClock{}, 10)
	if err != nil || len(transfers) != 2 || transfers[0].Amount.String() != "0.25" || transfers[1].Amount.String() != "1.25" || transfers[0].Counterpart != btcd.Mine.Text {
		t.Errorf("the transfers are %+v, %v", transfers, err)
	}
}
