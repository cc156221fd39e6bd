package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/serve/api"
)

// The plan of these tests: a rise of the VIX starts a run at a broker that speaks Alpaca's API, with orders of every kind. The
// shares are registered as crypto, because orders wait while the calendar of shares says closed, and tests run at night too.
const brokerPlan = `
portfolio: {name: broker test, calendar: 24/7}
accounts:
  - {name: broker, kind: broker, venue: alpaca, connect: {url: "%s", key: env:LIFEBOAT_TEST_KEY, secret: env:LIFEBOAT_TEST_SECRET, per_minute: 3000}}
people: [{name: Ana, role: owner}]
holdings:
  - {symbol: SPY, account: broker, quantity: 50, class: crypto, fractional: false}
  - {symbol: QQQ, account: broker, quantity: 50, class: crypto, fractional: true}
  - {symbol: BND, account: broker, quantity: 100, class: stablecoin, fractional: false}
  - {symbol: USD, account: broker, quantity: %s}
feeds:
  - {series: VIX, source: file, file: prices.csv, format: csv, column: VIX, time: time, every: 1s, stale_after: 10m}
  - {series: SPY, source: file, file: prices.csv, format: csv, column: SPY, time: time, every: 1s, stale_after: 10m}
  - {series: QQQ, source: file, file: prices.csv, format: csv, column: QQQ, time: time, every: 1s, stale_after: 10m}
  - {series: BND, source: file, file: prices.csv, format: csv, column: BND, time: time, every: 1s, stale_after: 10m}
triggers:
  - {name: fear, tier: 2, condition: VIX > 40, playbook: leave}
playbooks:
  - name: leave
    steps:
      - {name: a few, order: {symbol: SPY, account: broker, side: sell, quantity: 5, limit: 2%%}, timeout: 10m}
      - {name: first, rebalance: "reduce crypto by 25%%", timeout: 10m}
      - {name: breathe, wait: 1s}
      - {name: second, rebalance: "reduce crypto by 25%%", timeout: 10m}
      - {name: breathe again, wait: 2s}
      - {name: into bonds, order: {symbol: BND, account: broker, side: buy, quantity: 40}, timeout: 10m}
      - {name: tell, notify: {to: [owner], text: done}, timeout: 10m}
`

// A paperBroker is lifeboat paper in a process of its own.
type paperBroker struct {
	t         *testing.T
	bin, data string
	process   *exec.Cmd
	address   string
	says      *told
}

func (b *paperBroker) start() {
	b.t.Helper()
	b.process, b.says = exec.Command(b.bin, "paper", "--always-open", "--listen", "127.0.0.1:0", "--data", b.data), &told{}
	b.process.Stdout, b.process.Stderr = b.says, b.says
	if err := b.process.Start(); err != nil {
		b.t.Fatal(err)
	}
	process := b.process.Process
	b.t.Cleanup(func() { _ = process.Kill() })
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, after, ok := strings.Cut(b.says.String(), "paper broker on http://"); ok {
			if address, _, ok := strings.Cut(after, ","); ok {
				b.address = address
				return
			}
		}
	}
	b.t.Fatalf("the paper broker did not start:\n%s", b.says)
}

func (b *paperBroker) kill() {
	_ = b.process.Process.Kill()
	_ = b.process.Wait()
}

// call asks the broker itself, with no network in between.
func (b *paperBroker) call(method, path, body string, into any) {
	b.t.Helper()
	r, err := http.NewRequest(method, "http://"+b.address+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("APCA-API-KEY-ID", "PK")
	r.Header.Set("APCA-API-SECRET-KEY", "secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode/100 != 2 {
		b.t.Fatalf("%s %s: %s %v\n%s", method, path, answer.Status, err, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		b.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

func (b *paperBroker) faults(text string) { b.call(http.MethodPost, "/lifeboat/faults", text, nil) }

type brokerOrder struct {
	Key    string          `json:"client_order_id"`
	Symbol string          `json:"symbol"`
	Side   lifeboat.Side   `json:"side"`
	Status string          `json:"status"`
	Filled decimal.Decimal `json:"filled_qty"`
}

func (b *paperBroker) orders() (all []brokerOrder) {
	b.t.Helper()
	b.call(http.MethodGet, "/v2/orders?status=all&limit=500", "", &all)
	return all
}

// holds is what lies in the account, :: symbol → quantity.
func (b *paperBroker) holds() map[string]decimal.Decimal {
	b.t.Helper()
	var positions []struct {
		Symbol   string          `json:"symbol"`
		Quantity decimal.Decimal `json:"qty"`
	}
	b.call(http.MethodGet, "/v2/positions", "", &positions)
	held := map[string]decimal.Decimal{}
	for _, p := range positions {
		held[p.Symbol] = p.Quantity
	}
	return held
}

// A rig is a daemon, a broker and the wire between them.
type rig struct {
	*live
	*wire
	broker *paperBroker
	began  map[string]decimal.Decimal // what the account held before
	dice   *rand.Rand
	vix    int
	did    []string // what was done to it
}

func newRig(t *testing.T, seed uint64) *rig {
	t.Helper()
	t.Setenv("LIFEBOAT_TEST_KEY", "PKTEST")
	t.Setenv("LIFEBOAT_TEST_SECRET", "secret of the test")
	r := &rig{live: newLive(t), wire: newWire(t), dice: rand.New(rand.NewPCG(seed, 11)), vix: 20}
	r.broker = &paperBroker{t: t, bin: r.bin, data: filepath.Join(r.dir, "broker")}
	r.broker.start()
	r.lead(r.broker.address)
	for symbol, quantity := range map[string]int{"SPY": 50, "QQQ": 50, "BND": 100} {
		r.broker.call(http.MethodPost, "/v2/orders", fmt.Sprintf(
			`{"symbol":%q,"qty":"%d","side":"buy","type":"market","time_in_force":"day","client_order_id":"owner-%[1]s"}`, symbol, quantity), nil)
	}
	r.began = r.broker.holds()
	if len(r.began) != 3 {
		t.Fatalf("the broker holds %v", r.began)
	}
	var account struct{ Cash string }
	r.broker.call(http.MethodGet, "/v2/account", "", &account)
	for name, text := range map[string]string{"plan.yaml": fmt.Sprintf(brokerPlan, r.wire.URL, account.Cash), "prices.csv": "time,VIX,SPY,QQQ,BND\n"} {
		if err := os.WriteFile(filepath.Join(r.dir, "plan", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// quote is a line of fresh prices.
func (r *rig) quote() {
	r.write("prices.csv", fmt.Sprintf("%s,%d,634,562.5,73.7\n", time.Now().UTC().Format(time.RFC3339Nano), r.vix))
}

// again ends the daemon, with signal 9 and perhaps while it stops by itself, and starts the next one.
func (r *rig) again() {
	r.t.Helper()
	if r.dice.IntN(3) == 0 {
		_ = r.process.Process.Signal(syscall.SIGTERM)
		time.Sleep(time.Duration(r.dice.IntN(8000)) * time.Microsecond)
	}
	_ = r.process.Process.Kill()
	r.wait()
	r.quote()
	r.start("")
}

// A trouble is something that happens to a rig.
type trouble struct {
	name string
	do   func(*rig)
}

var troubles = []trouble{
	{"kill", func(r *rig) { r.again() }},
	{"kill with an order on its way", func(r *rig) {
		select {
		case <-r.holdNext(time.Duration(1500+r.dice.IntN(4000)) * time.Millisecond):
			r.again()
		case <-time.After(3 * time.Second):
			r.did = append(r.did, "(there was none)")
		}
	}},
	{"kill the broker", func(r *rig) {
		r.broker.kill()
		time.Sleep(time.Duration(r.dice.IntN(1500)) * time.Millisecond)
		r.broker.start()
		r.lead(r.broker.address)
	}},
	{"kill both", func(r *rig) {
		r.broker.kill()
		r.again()
		r.broker.start()
		r.lead(r.broker.address)
	}},
	{"lose an answer", sick(`{"on": "POST /v2/orders", "lose_answer": 1}`)},
	{"cut an answer", sick(`{"on": "POST /v2/orders", "cut_answer": 2, "cut_after": 40}`)},
	{"a page for an answer", sick(`{"on": "POST /v2/orders", "page": 1}`)},
	{"throttle", sick(`{"on": "POST /v2/orders", "throttle": 2}`)},
	{"fail", sick(`{"on": "GET /v2/", "fail": 5}`)},
	{"cut what is asked", sick(`{"on": "GET /v2/orders", "cut_answer": 3, "cut_after": 25}`)},
	{"pages for what is asked", sick(`{"on": "GET /v2/", "page": 4}`)},
	{"outage", func(r *rig) {
		r.broker.faults(`{"outage": true}`)
		time.Sleep(time.Duration(500+r.dice.IntN(2000)) * time.Millisecond)
		r.broker.faults(`{}`)
	}},
	// What comes from here on takes half a minute each, until it is proven that the order is not there.
	{"lose a request", sick(`{"on": "POST /v2/orders", "lose_request": 1}`)},
}

func sick(text string) func(*rig) { return func(r *rig) { r.broker.faults(text) } }

// TestBrokerAndDaemonKilled lets a run begin at a broker's, in another process behind a network, and then kills the daemon
// with signal 9 at random instants, and the broker too, and lets requests and answers get lost, until enough has happened.
// Then what the broker did must be what the journal says, to the share, with every order once.
//
// An order of which nothing is known after a start goes out again 30 seconds later at the earliest: that is what the
// patience of this test is for. make soak does it with twelve seeds, and more troubles each: orders that were lost on their
// way to the broker are among them.
func TestBrokerAndDaemonKilled(t *testing.T) {
	seeds, much, of := 1, 3, len(troubles)-1
	if os.Getenv("LIFEBOAT_SOAK") != "" {
		seeds, much, of = 12, 10, len(troubles)
	}
	for i := range seeds {
		seed := uint64(20261128 + i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := newRig(t, seed)
			defer func() {
				if t.Failed() {
					t.Logf("seed %d; what happened: %s", seed, strings.Join(r.did, ", "))
				}
			}()
			r.trouble(much, of)
			r.account()
		})
	}
}

// trouble starts the run, and lets so much of the first troubles happen to it.
func (r *rig) trouble(much, of int) {
	r.t.Helper()
	r.quote()
	r.start("")
	r.until("what the broker says", func(s api.Status) bool { return s.Value != nil && len(s.Venues) == 1 && s.Venues[0].Stated != nil })
	first := r.holdNext(2 * time.Second)
	r.vix = 60
	r.quote()
	select { // an order is on its way when the daemon dies: what all of this is about
	case <-first:
		r.again()
	case <-time.After(patience):
		r.t.Fatalf("no order was sent\n%s\n%s%s", r.run("status"), r.out, r.errs)
	}
	for range much {
		r.quote()
		time.Sleep(time.Duration(r.dice.IntN(1500)) * time.Millisecond)
		one := troubles[r.dice.IntN(of)]
		r.did = append(r.did, one.name)
		one.do(r)
	}
	r.broker.faults(`{}`)
	for range 4 {
		r.quote()
		if r.ended(25 * time.Second) {
			return
		}
	}
	r.t.Fatalf("the run does not end\n%s\n%s\n%s%s", r.run("log"), r.run("status"), r.out, r.errs)
}

// ended waits for the end of the run.
func (r *rig) ended(patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, err := exec.Command(r.bin, "log", "--data", r.data()).Output()
		if err == nil && bytes.Contains(out, []byte("ended done")) {
			return true
		}
	}
	return false
}

// account holds the broker and the journal against each other.
func (r *rig) account() {
	r.t.Helper()
	r.until("the end of all orders", func(s api.Status) bool { return len(s.Runs) == 0 && s.Orders == 0 })
	_ = r.process.Process.Signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		r.t.Errorf("a stop by SIGTERM gave exit code %d\n%s", code, r.errs)
	}
	r.run("journal", "verify")
	wanted, receipts, runs := r.journal()
	if runs != "1 started, 1 done" || len(wanted) < 6 {
		r.t.Errorf("%s, with %d orders\n%s", runs, len(wanted), r.run("log"))
	}
	at := map[string]int{}
	for _, o := range r.broker.orders() {
		at[o.Key]++
		_, known := wanted[lifeboat.Key(o.Key)]
		switch {
		case strings.HasPrefix(o.Key, "owner-"):
		case !known:
			r.t.Errorf("the broker has an order %s that the journal knows nothing of", o.Key)
		case !receipts[lifeboat.Key(o.Key)].Filled.Equal(o.Filled):
			r.t.Errorf("of the order %s the broker has filled %s, and the journal says %s", o.Key, o.Filled, receipts[lifeboat.Key(o.Key)].Filled)
		}
	}
	held := r.began
	for key, o := range wanted {
		receipt := receipts[key]
		if !receipt.Status.Final() {
			r.t.Errorf("the journal does not say how the order %s ended: %q", key, receipt.Status)
		}
		if n := at[string(key)]; n > 1 || n == 0 && receipt.Filled.IsPositive() {
			r.t.Errorf("the broker has the order %s %d times, and the journal says that it filled %s", key, n, receipt.Filled)
		}
		moved := receipt.Filled
		if o.Side == lifeboat.Sell {
			moved = moved.Neg()
		}
		held[o.Symbol] = held[o.Symbol].Add(moved)
	}
	for symbol, have := range r.broker.holds() {
		if !have.Equal(held[symbol]) {
			r.t.Errorf("the broker has %s %s, and by the journal it would be %s", have, symbol, held[symbol])
		}
	}
	if again := r.repeated(); len(again) > 0 {
		r.t.Errorf("sent although the broker had them: %v", again)
	}
	r.run("sync", "--plan", filepath.Join(r.dir, "plan")) // the daemon's book is the broker's
	r.t.Logf("%d orders, each once; %s", len(wanted), strings.Join(r.did, ", "))
}

// journal tells which orders were wanted, what became of each, and how the runs ended.
func (r *rig) journal() (wanted map[lifeboat.Key]lifeboat.Order, receipts map[lifeboat.Key]lifeboat.Receipt, runs string) {
	r.t.Helper()
	reader, err := app.ReadJournal(r.t.Context(), r.data())
	if err != nil {
		r.t.Fatal(err)
	}
	defer reader.Close()
	wanted, receipts = map[lifeboat.Key]lifeboat.Order{}, map[lifeboat.Key]lifeboat.Receipt{}
	started, ends := 0, []string{}
	for entry, err := range reader.Entries(r.t.Context(), 1) {
		if err != nil {
			r.t.Fatal(err)
		}
		event, err := entry.Event()
		if err != nil {
			r.t.Fatal(err)
		}
		switch e := event.(type) {
		case lifeboat.RunStarted:
			started++
		case lifeboat.RunFinished:
			ends = append(ends, string(e.Status))
		case lifeboat.Intent:
			if e.Act == lifeboat.PlaceOrder {
				wanted[e.Key] = *e.Order
			}
		case lifeboat.Receipt:
			receipts[e.Key] = e
		}
	}
	slices.Sort(ends)
	return wanted, receipts, fmt.Sprintf("%d started, %d %s", started, len(ends), strings.Join(ends, " "))
}
