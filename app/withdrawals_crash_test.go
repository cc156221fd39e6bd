package app_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/act/venue/binance"
	"lifeboat/act/venue/binance/binancetest"
	"lifeboat/act/withdraw"
	"lifeboat/app"
	"lifeboat/keep/journal"
	"lifeboat/keep/sqlite"
	"lifeboat/plan"
)

// The plan of the processes that are killed while they withdraw: a run of a trigger that somebody has to say yes to, and a
// canary, which nobody has.
const deadlyWithdrawals = `
portfolio: {name: crash test, base_currency: USD, calendar: 24/7}
people: [{name: Ana, role: owner}]
accounts:
  - name: exchange
    kind: exchange
    venue: binance
    connect: {key: env:KEY, secret: env:SECRET, symbols: {BTC: BTCUSDT, USD: USDT}}
    canary: {symbol: BTC, amount: 0.5, to: vault, network: BTC}
  - {name: vault, kind: wallet, address: bc1qvault}
holdings:
  - {symbol: BTC, account: exchange, quantity: 100, class: crypto}
  - {symbol: USD, account: exchange, quantity: 1000}
triggers:
  - {name: fear, tier: 3, condition: BTC < 40, playbook: leave}
playbooks:
  - name: leave
    steps:
      - {name: out, withdraw: {account: exchange, symbol: BTC, fraction: 50%, to: vault, network: BTC, by: owner}, timeout: 6h}
`

// exchangeVariable names the address of the stand-in that a child withdraws from.
const exchangeVariable = "LIFEBOAT_TEST_EXCHANGE"

// What a child is to bring about, by how many withdrawals the exchange then has.
const (
	playbookRun = "the run of a playbook"
	canaryTrial = "the trial of a canary"
)

// TestKilledWhileWithdrawing kills the process before and after every entry of the journal, every note, every message, every
// request to the exchange and every answer of it, and whenever it waits, starts it again, and looks at the exchange: it has
// made the withdrawal once. Time is the exchange's, and both processes live in it one after the other.
func TestKilledWhileWithdrawing(t *testing.T) {
	for _, what := range []string{playbookRun, canaryTrial} {
		t.Run(what, func(t *testing.T) {
			whole := t.TempDir()
			exchange, address := anExchange(t)
			if !startWithdrawal(t, whole, address, what, 0) {
				t.Fatal("the undisturbed process was killed")
			}
			onceWithdrawn(t, whole, exchange, what)
			text, err := os.ReadFile(filepath.Join(whole, "points"))
			if err != nil {
				t.Fatal(err)
			}
			points, _ := strconv.Atoi(string(text))
			if points < 50 {
				t.Fatalf("there are %d points: too little to prove anything", points)
			}
			every := 3 // make soak takes all
			if os.Getenv("LIFEBOAT_SOAK") != "" {
				every = 1
			}
			var mu sync.Mutex
			killed := 0
			t.Run("points", func(t *testing.T) {
				for n := 1; n <= points; n += every {
					t.Run(strconv.Itoa(n), func(t *testing.T) {
						t.Parallel()
						dir := t.TempDir()
						exchange, address := anExchange(t)
						if !startWithdrawal(t, dir, address, what, n) { // the last points are not always reached: the crew works beside the flow
							mu.Lock()
							killed++
							mu.Unlock()
							if !startWithdrawal(t, dir, address, what, 0) {
								t.Fatal("the restarted process was killed")
							}
						}
						onceWithdrawn(t, dir, exchange, what)
					})
				}
			})
			if killed < points/every*9/10 {
				t.Errorf("killed at %d of %d points only", killed, points)
			}
			t.Logf("killed at %d of %d points; one withdrawal each time", killed, points)
		})
	}
}

// anExchange sends what it has taken in after ten minutes of its own clock, which its clients read and may put forward.
func anExchange(t *testing.T) (*binancetest.Server, string) {
	t.Helper()
	s := binancetest.New()
	s.White = "bc1qvault"
	s.Show("50", 1000)
	calls := http.NewServeMux()
	calls.Handle("/", &serial{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Withdrawals(func(w map[string]any) {
			if at, err := time.Parse("2006-01-02 15:04:05", w["applyTime"].(string)); err == nil && s.Book.Clock.Now().Sub(at) >= 10*time.Minute {
				w["status"], w["txId"] = 6, "f4184fc5"
			}
		})
		s.ServeHTTP(w, r)
	})})
	calls.HandleFunc("/clock", func(w http.ResponseWriter, r *http.Request) {
		if until, err := strconv.ParseInt(r.URL.Query().Get("until"), 10, 64); err == nil {
			_ = s.Book.Clock.Sleep(r.Context(), time.Unix(0, until))
		}
		_, _ = fmt.Fprint(w, s.Book.Clock.Now().UnixNano())
	})
	server := httptest.NewServer(calls)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return s, server.URL
}

// startWithdrawal runs the child to its end; false when it was killed.
func startWithdrawal(t *testing.T, dir, address, what string, killAt int) bool {
	t.Helper()
	return startChild(t, dir, killAt, exchangeVariable+"="+address+" "+what)
}

func onceWithdrawn(t *testing.T, dir string, exchange *binancetest.Server, what string) {
	t.Helper()
	if n := exchange.Withdrawals(nil); n != 1 {
		t.Errorf("%d withdrawals", n)
	}
	reader, err := sqlite.OpenReader(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := journal.Verify(t.Context(), reader); err != nil {
		t.Error(err)
	}
	asked, ends := map[lifeboat.Key]bool{}, []lifeboat.Receipt{}
	for entry, err := range reader.Entries(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		event, err := entry.Event()
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case lifeboat.Intent:
			if e.Act == lifeboat.PerformTask && e.Task.Kind != withdraw.Planning {
				asked[e.Key] = true
			}
		case lifeboat.Receipt:
			if asked[e.Key] && e.Status.Final() {
				ends = append(ends, e)
			}
		}
	}
	if len(asked) != 1 || len(ends) != 1 || ends[0].Status != lifeboat.Performed || ends[0].Facts["txid"] != "f4184fc5" {
		t.Errorf("the journal tells of %d withdrawals, which ended as %+v", len(asked), ends)
	}
}

// A mortal is a reaper that many goroutines are led past.
type mortal struct {
	mu sync.Mutex
	reaper
}

func (m *mortal) point() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reaper.point()
}

type mortalKeeper struct {
	journal.Keeper
	*mortal
}

func (k mortalKeeper) Append(at time.Time, events ...lifeboat.Event) error {
	k.point()
	defer k.point()
	return k.Keeper.Append(at, events...)
}

// A mortalWorker may die before and after each note of its work.
type mortalWorker struct {
	*withdraw.Desk
	*mortal
}

func (w mortalWorker) Prepare(key lifeboat.Key, t lifeboat.Task) (task.Work, error) {
	work, err := w.Desk.Prepare(key, t)
	do := work.Do
	work.Do = func(ctx context.Context, p task.Progress) lifeboat.Receipt {
		keep := p.Keep
		p.Keep = func(why string, facts map[string]string) error {
			w.point()
			defer w.point()
			return keep(why, facts)
		}
		w.point() // the note says that it has begun
		defer w.point()
		return do(ctx, p)
	}
	return work, err
}

// A mortalWire may die with a request on its way, and with the answer to it unread.
type mortalWire struct{ *mortal }

func (w mortalWire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.point()
	defer w.point()
	return http.DefaultTransport.RoundTrip(r)
}

// theirClock is the exchange's. Whoever sleeps puts it forward.
type theirClock struct {
	address string
	*mortal
}

func (c theirClock) ask(query string) time.Time {
	answer, err := http.Get(c.address + "/clock" + query)
	if err != nil {
		panic(err) // a child without a clock proves nothing
	}
	defer answer.Body.Close()
	var nanos int64
	if _, err := fmt.Fscan(answer.Body, &nanos); err != nil {
		panic(err)
	}
	return time.Unix(0, nanos).UTC()
}

func (c theirClock) Now() time.Time { return c.ask("") }

func (c theirClock) Sleep(ctx context.Context, until time.Time) error {
	c.point()
	c.ask("?until=" + strconv.FormatInt(until.UnixNano(), 10))
	return ctx.Err()
}

// withdrawChild is the system, with its journal and its notes on disk and the exchange in another process. Started again it
// goes on where they end.
func withdrawChild(dir, address, what string, killAt int) error {
	reap := &mortal{reaper: reaper{left: killAt}}
	store, err := sqlite.Open(filepath.Join(dir, "data"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := os.WriteFile(filepath.Join(dir, "plan", "plan.yaml"), []byte(deadlyWithdrawals), 0o600); err != nil {
		return err
	}
	p, err := app.LoadPlan(filepath.Join(dir, "plan"))
	if err != nil {
		return err
	}
	clock := theirClock{address, reap}
	woken := make(chan struct{}, 1)
	crew, err := crewOf(p, dir, address, clock, reap, store.Fence, woken)
	if err != nil {
		return err
	}
	defer crew.Close()
	people := &quick{reaper: &reaper{}}
	hands := venue.NewDesk(nil, mortalPeople{people, reap})
	for _, kind := range crew.Kinds() {
		hands.Perform(kind, crew)
	}
	system, err := app.Build(app.Parts{Plan: p, Sources: map[lifeboat.Series][]string{"BTC": {""}}, Journal: mortalKeeper{store, reap}, Hands: hands,
		StaleAfter: func(lifeboat.Series, string) time.Duration { return 1000 * time.Hour }, Trials: what == canaryTrial})
	if err != nil {
		return err
	}
	system.Flow.Fence = store.Fence
	last, err := recoverFrom(store, system.Flow, people)
	if err != nil {
		return err
	}
	if last.IsZero() {
		if err := system.Flow.Begin(clock.Now(), app.Loaded(p, "drill")); err != nil {
			return err
		}
	}
	if err := untilWithdrawn(system, store, clock, people, woken, what); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "points"), []byte(strconv.Itoa(reap.passed)), 0o600)
}

// crewOf performs withdrawals at the exchange, and may die at every step.
func crewOf(p *plan.Plan, dir, address string, clock lifeboat.Clock, reap *mortal, fence func() error, woken chan struct{}) (*task.Crew, error) {
	desk := withdraw.New(withdraw.Options{Plan: p, Clock: clock, Fence: fence, Open: func(context.Context, plan.Account) (venue.Withdrawer, string, error) {
		v, err := binance.New(venue.Connection{Account: "exchange", Currency: "USD", URL: address, Key: binancetest.Key, Secret: binancetest.Secret,
			Symbols: map[string]string{"BTC": binancetest.Pair, "USD": "USDT"}, Clock: clock, Client: &http.Client{Transport: mortalWire{reap}}})
		if err != nil {
			return nil, "", err
		}
		v.Own(app.OwnAddresses(p, "exchange"))
		return v, "Binance", nil
	}})
	worker := mortalWorker{desk, reap}
	return task.Open(task.Options{Plan: p, PlanDir: filepath.Join(dir, "plan"), DataDir: filepath.Join(dir, "data"), Clock: clock, Fence: fence,
		Workers: map[string]task.Worker{withdraw.Planning: worker, withdraw.Applying: worker, plan.TrialTask: worker},
		Wake: func() {
			select {
			case woken <- struct{}{}:
			default:
			}
		}})
}

type mortalPeople struct {
	*quick
	reap *mortal
}

func (p mortalPeople) Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) error {
	p.reap.point()
	defer p.reap.point()
	return p.quick.Send(ctx, at, key, m)
}

// untilWithdrawn lets the price fall, which starts the run, and goes on until what the child is for has ended.
func untilWithdrawn(system *app.System, store journal.Keeper, clock lifeboat.Clock, people *quick, woken chan struct{}, what string) error {
	ctx := context.Background()
	price := decimal.NewFromInt(30)
	if what == canaryTrial {
		price = decimal.NewFromInt(50)
	}
	fallen, err := seenBy(store)
	if err != nil {
		return err
	}
	if !fallen {
		at := clock.Now()
		if err := system.Flow.Take(ctx, lifeboat.Instant{At: at, Readings: []lifeboat.Reading{{Series: "BTC", Value: price.InexactFloat64(), At: at}}}); err != nil {
			return err
		}
	}
	for {
		if err := system.Flow.Advance(ctx, clock.Now()); err != nil {
			return err
		}
		for len(people.answers) > 0 {
			answer := people.answers[0]
			people.answers = people.answers[1:]
			if err := system.Flow.Tell(ctx, clock.Now(), answer); err != nil {
				return err
			}
		}
		if over, err := overAt(store, what); err != nil || over {
			return err
		}
		select {
		case <-woken:
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// seenBy reports whether the journal has a price.
func seenBy(store journal.Keeper) (bool, error) {
	seen := false
	err := eachEvent(store, func(e lifeboat.Event) {
		if _, is := e.(lifeboat.Instant); is {
			seen = true
		}
	})
	return seen, err
}

// overAt reports whether the journal says that what the child is for has ended.
func overAt(store journal.Keeper, what string) (bool, error) {
	trial, over := lifeboat.Key(""), false
	err := eachEvent(store, func(e lifeboat.Event) {
		switch e := e.(type) {
		case lifeboat.RunFinished:
			over = over || what == playbookRun
		case lifeboat.Intent:
			if e.Act == lifeboat.PerformTask && e.Task.Kind == plan.TrialTask {
				trial = e.Key
			}
		case lifeboat.Receipt:
			over = over || e.Key == trial && e.Status.Final()
		}
	})
	return over, err
}

func eachEvent(store journal.Keeper, do func(lifeboat.Event)) error {
	for entry, err := range store.Entries(context.Background(), 0) {
		if err != nil {
			return err
		}
		event, err := entry.Event()
		if err != nil {
			return err
		}
		do(event)
	}
	return nil
}
