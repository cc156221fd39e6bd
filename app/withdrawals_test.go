package app_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/binance/binancetest"
	"lifeboat/act/venue/exchangetest"
	"lifeboat/app"
	"lifeboat/serve/api"
)

const withdrawPlan = `
portfolio: {name: Withdrawals, base_currency: USD, calendar: 24/7}
people: [{name: Alex, role: owner}]
accounts:
  - {name: exchange, kind: exchange, venue: binance, connect: {url: "URL", key: env:LIFEBOAT_TEST_KEY, secret: env:LIFEBOAT_TEST_SECRET, symbols: {BTC: BTCUSDT, USD: USDT}}}
  - {name: vault, kind: wallet, address: bc1qvault}
holdings:
  - {symbol: BTC, account: exchange, quantity: 100, class: crypto}
  - {symbol: USD, account: exchange, quantity: 1000}
playbooks:
  - name: leave
    steps:
      - {name: out, withdraw: {account: exchange, symbol: BTC, fraction: 50%, to: vault, network: BTC, by: owner}, timeout: 6h}
`

// A vault's way out: a daemon, the stand-in of Binance, and what stands between them.
type wayOut struct {
	clock            *watchClock
	exchange         *binancetest.Server
	planDir, dataDir string
	d                *app.Daemon
	stop             func()
}

// serial lets one call after the other through, because what spoils calls counts them.
type serial struct {
	mu sync.Mutex
	http.Handler
}

func (s *serial) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Handler.ServeHTTP(w, r)
}

func openWayOut(t *testing.T, spoil func(http.Handler) http.Handler) *wayOut {
	t.Helper()
	t.Setenv("LIFEBOAT_TEST_KEY", binancetest.Key)
	t.Setenv("LIFEBOAT_TEST_SECRET", binancetest.Secret)
	o := &wayOut{clock: newWatchClock(time.Date(2026, 3, 16, 15, 0, 0, 0, time.UTC)), exchange: binancetest.New(), planDir: t.TempDir(), dataDir: t.TempDir()}
	o.exchange.Clock, o.exchange.White = o.clock, "bc1qvault"
	o.exchange.Show("50", 1000)
	var handler http.Handler = o.exchange
	if spoil != nil {
		handler = spoil(handler)
	}
	server := httptest.NewServer(&serial{Handler: handler})
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	o.write(t, strings.ReplaceAll(withdrawPlan, "URL", server.URL))
	o.start(t)
	return o
}

func (o *wayOut) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(o.planDir, "plan.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o *wayOut) start(t *testing.T) { o.d, o.stop = running(t, o.clock, o.planDir, o.dataDir) }

func (o *wayOut) tick() { o.clock.move(time.Minute) }

func (o *wayOut) within(t *testing.T, what string, is func(api.Status) bool) {
	t.Helper()
	within(t, o.d, o.tick, what, is)
}

// leaves starts the playbook and waits until somebody is asked.
func (o *wayOut) leaves(t *testing.T) api.Question {
	t.Helper()
	o.within(t, "a statement", func(s api.Status) bool { return len(s.Venues) == 1 && s.Venues[0].Stated != nil && len(s.Held) == 0 })
	o.say(t, lifeboat.Request{Verb: lifeboat.StartPlaybook, Object: "leave", By: "Alex"})
	return o.asked(t)
}

func (o *wayOut) asked(t *testing.T) (q api.Question) {
	t.Helper()
	o.within(t, "the question", func(s api.Status) bool {
		if len(s.Questions) == 1 {
			q = s.Questions[0]
		}
		return q.Key != ""
	})
	return q
}

func (o *wayOut) say(t *testing.T, said lifeboat.Event) {
	t.Helper()
	if _, err := o.d.Say(t.Context(), said, nil); err != nil {
		t.Fatal(err)
	}
}

func (o *wayOut) approves(t *testing.T, q api.Question) {
	t.Helper()
	o.say(t, lifeboat.Answer{Question: q.Key, By: "Alex", Yes: true, Content: q.Content})
}

// sends lets the exchange send what it has taken.
func (o *wayOut) sends() {
	o.exchange.Withdrawals(func(w map[string]any) { w["status"], w["txId"] = 6, "f4184fc5" })
}

func (o *wayOut) ended(t *testing.T) {
	t.Helper()
	o.within(t, "the end of the run", func(s api.Status) bool { return len(s.Runs) == 0 })
}

// told is how the step and the run ended.
func (o *wayOut) told(t *testing.T) (step, run string) {
	t.Helper()
	o.stop()
	for _, e := range journalOf(t, o.dataDir) {
		switch e := e.(type) {
		case lifeboat.StepFinished:
			step = string(e.Status) + ": " + e.Why
		case lifeboat.RunFinished:
			run = string(e.Status)
		}
	}
	return step, run
}

// What leaves is shown, approved, asked for once, and told when it was sent – whatever gets lost on the way.
func TestWithdrawal(t *testing.T) {
	const apply, history = "POST /sapi/v1/capital/withdraw/apply", "GET /sapi/v1/capital/withdraw/history"
	for name, spoiled := range map[string]*exchangetest.Spoiled{
		"a good day":               nil,
		"the request is lost":      {Call: apply, Status: 504, Body: "<html>", Times: 1},
		"the answer is lost":       {Call: apply, Status: 504, Body: "<html>", After: true, Times: 1},
		"the connection breaks":    {Call: apply, Body: `{"id":`, After: true, Times: 1},
		"nobody can be asked":      {Call: history, Status: 500, Body: "no", Times: 4},
		"too many calls, and wait": {Call: apply, Status: 429, Body: `{"code":-1003,"msg":"Too many requests."}`, Header: http.Header{"Retry-After": {"60"}}, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			o := openWayOut(t, func(h http.Handler) http.Handler {
				if spoiled == nil {
					return h
				}
				spoiled.Handler = h
				return spoiled
			})
			q := o.leaves(t)
			for _, says := range []string{"50 BTC leaves exchange at Binance, where 100 is free", "0.0001 BTC of it is the fee", "49.9999 BTC arrives at vault", "Address: bc1qvault, on the network BTC", "on Binance's own list"} {
				if !strings.Contains(q.Text, says) {
					t.Errorf("the question does not say %q:\n%s", says, q.Text)
				}
			}
			if n := o.exchange.Withdrawals(nil); n != 0 {
				t.Fatalf("%d withdrawals before anybody said yes", n)
			}
			o.approves(t, q)
			o.within(t, "the withdrawal", func(s api.Status) bool {
				return o.exchange.Withdrawals(nil) == 1 && len(s.Runs) == 1
			})
			o.sends()
			o.ended(t)
			step, run := o.told(t)
			if run != "done" || !strings.Contains(step, "Binance has sent 49.9999 BTC to vault in the transaction f4184fc5") {
				t.Errorf("the run is %s, the step %s", run, step)
			}
			if n := o.exchange.Withdrawals(nil); n != 1 {
				t.Errorf("%d withdrawals", n)
			}
		})
	}
}

// A process that ends between any two steps is followed by one that goes on, and nothing is asked for twice: not while the
// question is open, and not while Binance has taken it and does not list it yet.
func TestWithdrawalAcrossRestarts(t *testing.T) {
	o := openWayOut(t, nil)
	q := o.leaves(t)
	o.stop()
	o.start(t)
	if again := o.asked(t); again.Key != q.Key || again.Content != q.Content {
		t.Fatalf("after a restart it asks for %s %s instead of %s %s", again.Key, again.Content, q.Key, q.Content)
	}
	o.exchange.Hide(true)
	o.approves(t, q)
	o.within(t, "word that it was taken", func(s api.Status) bool {
		return len(s.Runs) == 1 && strings.Contains(s.Runs[0].Waits, "has taken it and has not sent it yet")
	})
	for range 2 {
		o.stop()
		o.start(t)
		for range 20 { // longer than it takes to prove a request absent
			o.tick()
			time.Sleep(5 * time.Millisecond)
		}
		if n := o.exchange.Withdrawals(nil); n != 1 {
			t.Fatalf("%d withdrawals", n)
		}
	}
	o.exchange.Hide(false)
	o.sends()
	o.ended(t)
	if step, run := o.told(t); run != "done" || o.exchange.Withdrawals(nil) != 1 {
		t.Errorf("the run is %s, the step %s, %d withdrawals", run, step, o.exchange.Withdrawals(nil))
	}
}

// What was approved is what is sent. When the fee has risen since, when the exchange has closed, or when the plan has another
// address by then, nothing is.
func TestWithdrawalThatHasChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, o *wayOut)
		says   string
	}{
		"the fee": {func(_ *testing.T, o *wayOut) { o.exchange.Charge("0.5") }, "Binance now keeps 0.5 BTC of it, and 0.0001 was approved"},
		"closed":  {func(_ *testing.T, o *wayOut) { o.exchange.Close("Under maintenance") }, "Binance lets no BTC out on BTC at present: Under maintenance"},
		"the address": {func(t *testing.T, o *wayOut) {
			o.stop()
			text, err := os.ReadFile(filepath.Join(o.planDir, "plan.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			o.write(t, strings.ReplaceAll(string(text), "bc1qvault", "bc1qother"))
			o.start(t)
			o.asked(t)
		}, "the plan in force has another address for vault than the one that was approved"},
	} {
		t.Run(name, func(t *testing.T) {
			o := openWayOut(t, nil)
			q := o.leaves(t)
			tc.change(t, o)
			o.approves(t, q)
			o.ended(t)
			if step, run := o.told(t); run != "failed" || !strings.Contains(step, tc.says) || o.exchange.Withdrawals(nil) != 0 {
				t.Errorf("the run is %s, the step %s, %d withdrawals", run, step, o.exchange.Withdrawals(nil))
			}
		})
	}
}

// While the breaker is halted a run that nobody started by hand gets as far as its question; nothing is withdrawn before somebody says yes.
func TestHaltHoldsAWithdrawal(t *testing.T) {
	o := openWayOut(t, nil)
	o.stop()
	text, err := os.ReadFile(filepath.Join(o.planDir, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	o.write(t, string(text)+"triggers: [{name: always, tier: 3, condition: session.exchange >= 0, playbook: leave}]\n")
	if err := os.WriteFile(filepath.Join(o.dataDir, "HALT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.start(t)
	q := o.asked(t)
	for range 5 {
		o.tick()
		at := o.clock.Now()
		within(t, o.d, func() {}, "a minute of the halt", func(s api.Status) bool { return !s.At.Before(at) && s.Breaker.State == "halted" })
	}
	if n := o.exchange.Withdrawals(nil); n > 0 {
		t.Errorf("during a halt %d withdrawals are made without a yes", n)
	}
	o.approves(t, q)
	o.within(t, "the withdrawal that was approved during the halt", func(s api.Status) bool {
		return o.exchange.Withdrawals(nil) == 1 && s.Breaker.State == "halted"
	})
	o.sends()
	o.ended(t)
	if step, run := o.told(t); !strings.HasPrefix(step, "done: ") || run != "done" {
		t.Errorf("the step ended as %s and the run as %s", step, run)
	}
}
