package withdraw

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/venuetest"
	"lifeboat/plan"
)

// kinds of tasks that withdraw, and what each is told.
var kinds = map[string]func(b *bench) any{
	Applying:       func(b *bench) any { return b.approved() },
	plan.TrialTask: func(b *bench) any { return b.trialSpec() },
}

// A withdrawal is taken, followed, and told with its transaction when it was sent; that it was taken is kept before.
func TestWithdrawal(t *testing.T) {
	for kind, spec := range kinds {
		t.Run(kind, func(t *testing.T) {
			b := newBench(t)
			s := spec(b)
			r := b.do(kind, s)
			b.expect(r, lifeboat.Performed, false, 1, "BTC to vault in the transaction tx-0; that it has arrived is for BTC to show")
			if b.facts[number] != "vault-0" || len(b.told) != 1 || !strings.Contains(b.told[0], "has taken it and has not sent it yet") {
				t.Errorf("kept %v, told %q", b.facts, b.told)
			}
			if took := b.clock.Now().Sub(b.began); took < 20*time.Minute || took > 21*time.Minute {
				t.Errorf("it was heard after %s", took)
			}
		})
	}
}

// Three calls in a row go wrong in every way, and the process dies before or after any call and any note as well: there is one
// withdrawal if that is what is said, none if it is said that nothing was withdrawn, and never a second one, even when
// everything that was on its way has arrived.
func TestOnceWhateverGoesWrong(t *testing.T) {
	faults := append([]venuetest.Fault{venuetest.None}, venuetest.Faults...)
	ended := map[string]int{}
	for kind, spec := range kinds {
		for i := range len(faults) * len(faults) * len(faults) {
			script := []venuetest.Fault{faults[i/len(faults)/len(faults)], faults[i/len(faults)%len(faults)], faults[i%len(faults)]}
			for kill := 0; ; kill++ { // 0 kills nobody
				b := newBench(t)
				s := spec(b)
				passed, said := b.throughFaults(kind, s, script, kill)
				for range 3 { // what is late arrives
					_, _ = b.way.AskWithdrawal(t.Context(), "lb-other", venue.Withdrawal{})
				}
				switch made := b.vault.Made(key); {
				case made > 1, said.Status == lifeboat.Performed && made != 1, said.Status == lifeboat.NotPerformed && made != 0, said.Status == lifeboat.Unknown && !said.Lost:
					t.Fatalf("%s, %q, killed at %d: %d withdrawals, and %+v", kind, script, kill, made, said)
				}
				ended[string(said.Status)]++
				if kill >= passed || kill == 3 && script[2] != venuetest.None { // every point of two faults in a row, the first ones of three
					break
				}
			}
		}
	}
	t.Log(ended)
	if ended["performed"] < 5000 || ended["unknown"] > ended["performed"]/20 {
		t.Errorf("%v: too few withdrawals come to an end to prove anything", ended)
	}
}

// died is what a kill -9 looks like from inside.
type died struct{}

// throughFaults does the task while the first calls that withdraw or ask go wrong by a script, and kills the process at a point
// between its calls and notes; the next one goes on.
func (b *bench) throughFaults(kind string, s any, script []venuetest.Fault, kill int) (passed int, r lifeboat.Receipt) {
	point := func() {
		if passed++; passed == kill {
			panic(died{})
		}
	}
	calls := 0
	faulty := venuetest.FaultyWithdrawer(b.vault, func(c venuetest.Call) venuetest.Fault {
		if c.Method == "Terms" || c.Key != key {
			return venuetest.None
		}
		calls++
		if calls > len(script) {
			return venuetest.None
		}
		return script[calls-1]
	})
	b.way = before{faulty, func(string) error { point(); return nil }}
	b.keep = func() error { point(); return nil }
	for {
		alive := func() (alive bool) {
			defer func() {
				if p := recover(); p != nil {
					if _, is := p.(died); !is {
						panic(p)
					}
					b.restart()
				}
			}()
			r = b.do(kind, s)
			return true
		}()
		if alive {
			b.way = faulty
			return passed, r
		}
	}
}

// A request that never arrived is made again within half an hour of the first, and not later.
func TestRetryLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		proved time.Duration // after how long it is proved that none arrived
		made   int
		says   string
	}{
		"soon":         {10 * time.Minute, 1, "has sent"},
		"just still":   {retryMax - askMost, 1, "has sent"},
		"too late":     {retryMax + time.Second, 0, "it never reached the venue, which has proved that; it was to be withdrawn 30"},
		"much later":   {3 * time.Hour, 0, "a new plan wants a new yes"},
		"in an outage": {20 * time.Hour, 0, "a new plan wants a new yes"},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, again %v", name, again), func(t *testing.T) {
				b := newBench(t)
				s := b.approved()
				lost := false
				b.way = before{b.vault, func(method string) error {
					switch {
					case method == "Withdraw" && !lost && !again:
						lost = true
						return errLine
					case method == "AskWithdrawal" && b.clock.Now().Sub(b.began) < tc.proved:
						return errLine
					}
					return nil
				}}
				if again {
					b.restart()
				}
				r := b.do(Applying, s)
				if tc.made == 1 {
					b.expect(r, lifeboat.Performed, false, 1, tc.says)
				} else if b.expect(r, lifeboat.NotPerformed, false, 0, tc.says); r.Facts["failure"] != "transient" {
					t.Error("nobody is told that trying again may help")
				}
			})
		}
	}
}

// While it is held nothing is asked for, a second time neither; let go it is looked at anew.
func TestHeld(t *testing.T) {
	for name, tc := range map[string]struct {
		until time.Duration // after how long it is let go
		lost  bool          // the first request never arrives, and it is held then
		dear  bool          // the venue keeps more by the time that it is let go
		made  int
		says  string
	}{
		"before it is asked for":              {until: time.Hour, made: 1, says: "has sent"},
		"before it is asked for again":        {until: 10 * time.Minute, lost: true, made: 1, says: "has sent"},
		"before it is asked for again, a day": {until: 5 * time.Hour, lost: true, says: "a new plan wants a new yes"},
		"until it costs more":                 {until: time.Hour, dear: true, says: "now keeps 1 BTC of it"},
		"until its time is up":                {until: 30 * time.Hour, says: "Ana paused the run; nothing was withdrawn"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			s := b.approved()
			held := !tc.lost
			b.held = func() string {
				if held && b.clock.Now().Sub(b.began) < tc.until {
					return "Ana paused the run"
				}
				if tc.dear {
					b.vault.Says.Fee = decimal.NewFromInt(1)
				}
				return ""
			}
			b.way = before{b.vault, func(method string) error {
				if method != "Withdraw" {
					return nil
				}
				if tc.lost && !held {
					held = true
					return errLine
				}
				if b.clock.Now().Sub(b.began) < tc.until {
					t.Error("it was asked for while it was held")
				}
				return nil
			}}
			r := b.do(Applying, s)
			status := lifeboat.NotPerformed
			if tc.made == 1 {
				status = lifeboat.Performed
			}
			b.expect(r, status, false, tc.made, tc.says)
			if !strings.Contains(strings.Join(b.told, "\n"), "Ana paused the run") {
				t.Errorf("nobody was told what holds it: %q", b.told)
			}
		})
	}
}

// What a venue may have forgotten is never asked for again: that it does not know it proves nothing.
func TestMemory(t *testing.T) {
	const memory = 7 * 24 * time.Hour
	for age, lost := range map[time.Duration]bool{memory - memoryLeft - 5*time.Minute: false, memory - memoryLeft + time.Second: true, 30 * 24 * time.Hour: true} {
		for _, made := range []int{0, 1} {
			b := newBench(t)
			b.vault.Memory = memory
			s := b.approved()
			if made == 1 {
				if _, err := b.vault.Withdraw(t.Context(), key, venue.Withdrawal{Address: vaultAddress, Amount: decimal.NewFromInt(50)}); err != nil {
					t.Fatal(err)
				}
			}
			b.clock.Add(age)
			b.restart()
			switch r := b.do(Applying, s); {
			case made == 1 && age <= memory:
				b.expect(r, lifeboat.Performed, false, 1, "")
			case lost:
				b.expect(r, lifeboat.Unknown, true, made, "older than what the venue remembers")
			default:
				b.expect(r, lifeboat.NotPerformed, false, 0, "a new plan wants a new yes")
			}
		}
	}
}

// What has become worse since the yes is not asked for; what has become better is.
func TestWorseThanApproved(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(b *bench)
		made   int
		says   string
	}{
		"a higher fee": {func(b *bench) { b.vault.Says.Fee = decimal.NewFromInt(1) }, 0, "Binance now keeps 1 BTC of it, and 0.0001 was approved"},
		"a lower fee":  {func(b *bench) { b.vault.Says.Fee = decimal.Zero }, 1, ""},
		"closed":       {func(b *bench) { b.vault.Says.Obstacles = []string{"it is closed"} }, 0, "Binance would not withdraw it any more: it is closed"},
		"less there":   {func(b *bench) { b.vault.Says.Free = decimal.NewFromInt(49) }, 0, "50 BTC would leave, and 49 BTC is free"},
		"more there":   {func(b *bench) { b.vault.Says.Free = decimal.NewFromInt(1000) }, 1, ""},
	} {
		for _, late := range []bool{false, true} { // at the first request, and when a lost one is to be made again
			t.Run(fmt.Sprintf("%s, late %v", name, late), func(t *testing.T) {
				b := newBench(t)
				s := b.approved()
				changed := false
				change := func() {
					if !changed {
						changed = true
						tc.change(b)
					}
				}
				if late {
					b.way = before{b.vault, func(method string) error {
						if method == "Withdraw" && !changed {
							change()
							return errLine
						}
						return nil
					}}
				} else {
					change()
				}
				r := b.do(Applying, s)
				if tc.made == 1 {
					b.expect(r, lifeboat.Performed, false, 1, "")
				} else {
					b.expect(r, lifeboat.NotPerformed, false, 0, tc.says)
				}
			})
		}
	}
}

// A venue that cannot be asked first is asked for nothing; a trial that may have been asked for is not given up for that.
func TestNobodyCanBeAsked(t *testing.T) {
	for kind, spec := range kinds {
		b := newBench(t)
		s := spec(b)
		outage := func(until time.Duration) {
			b.way = before{b.vault, func(string) error {
				if b.clock.Now().Sub(b.began) < until {
					return errLine
				}
				return nil
			}}
		}
		outage(time.Hour)
		r := b.do(kind, s)
		if b.expect(r, lifeboat.NotPerformed, false, 0, "could not be asked, and nothing was withdrawn: the line is dead"); r.Facts["failure"] != "transient" {
			t.Errorf("%s: nobody is told that trying again may help", kind)
		}
		amount := decimal.NewFromInt(2)
		if kind == Applying {
			amount = decimal.NewFromInt(50)
		}
		if _, err := b.vault.Withdraw(t.Context(), key, venue.Withdrawal{Address: vaultAddress, Amount: amount}); err != nil {
			t.Fatal(err)
		}
		b.restart()
		b.expect(b.do(kind, s), lifeboat.Performed, false, 1, "")
		if b.clock.Now().Sub(b.began) < time.Hour {
			t.Errorf("%s: it was heard during the outage", kind)
		}
	}
}

// A venue that has taken it and does not list it yet is believed, by this process and by the next.
func TestTakenAndNotListed(t *testing.T) {
	b := newBench(t)
	b.vault.Lags, b.vault.Sends = 2*time.Hour, 3*time.Hour
	s := b.approved()
	stop := errors.New("killed")
	asked := 0
	b.way = before{b.vault, func(method string) error {
		if method == "AskWithdrawal" {
			if asked++; asked == 5 {
				panic(stop)
			}
		}
		return nil
	}}
	func() {
		defer func() {
			if recover() != stop {
				t.Error("it was not killed while it asked")
			}
		}()
		b.do(Applying, s)
	}()
	b.restart()
	b.expect(b.do(Applying, s), lifeboat.Performed, false, 1, "")
}

// When the time of the step is up, what is known of it is told: that the venue has it, with its number, or that nobody knows.
func TestTimeIsUp(t *testing.T) {
	for name, tc := range map[string]struct {
		dead string // the call after which nothing answers
		says string
		id   string
		made int
	}{
		"taken":           {"", "Binance has taken it (vault-0) and had not sent it when the step's time was up", "vault-0", 1},
		"answer lost":     {"Withdraw answered", "nobody could say whether it was taken when the step's time was up", "", 1},
		"request lost":    {"Withdraw", "nobody could say whether it was taken when the step's time was up", "", 0},
		"dead afterwards": {"AskWithdrawal", "Binance has taken it (vault-0) and had not sent it when the step's time was up", "vault-0", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.vault.Sends = 100 * time.Hour
			s := b.approved()
			dead := false
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b.way = before{b.vault, func(method string) error {
				if dead = dead || method == tc.dead; b.clock.Now().Sub(b.began) > 6*time.Hour {
					cancel()
				}
				if dead {
					return errLine
				}
				return nil
			}}
			r := b.doWithin(ctx, Applying, s)
			if b.expect(r, lifeboat.Unknown, true, tc.made, tc.says+"; a person must look at Binance"); r.VenueID != tc.id {
				t.Errorf("the number is %q", r.VenueID)
			}
		})
	}
}

// A venue that says that nobody knows has not said that it has taken it.
func TestAnAnswerThatSaysNothing(t *testing.T) {
	b := newBench(t)
	s := b.approved()
	lost := false
	b.way = blank{b.vault, &lost}
	b.expect(b.do(Applying, s), lifeboat.Performed, false, 1, "")
	if !strings.Contains(strings.Join(b.told, "\n"), "nobody knows yet whether it was taken") {
		t.Errorf("told %q", b.told)
	}
}

type blank struct {
	venue.Withdrawer
	said *bool
}

func (v blank) Withdraw(ctx context.Context, key lifeboat.Key, w venue.Withdrawal) (lifeboat.Receipt, error) {
	if !*v.said {
		*v.said = true // and the request is lost
		return lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Why: "the venue does not say"}, nil
	}
	return v.Withdrawer.Withdraw(ctx, key, w)
}

// A note that cannot be written ends the task with a question to people, and never with a second request.
func TestFullDisk(t *testing.T) {
	for fails := 1; fails <= 2; fails++ {
		b := newBench(t)
		s := b.approved()
		if fails == 2 { // first the doubt is kept, then what was found
			b.way = venuetest.FaultyWithdrawer(b.vault, func(c venuetest.Call) venuetest.Fault {
				if c.Method == "Withdraw" {
					return venuetest.LoseReply
				}
				return venuetest.None
			})
		}
		n := 0
		b.keep = func() error {
			if n++; n == fails {
				return errors.New("no space left on device")
			}
			return nil
		}
		r := b.do(Applying, s)
		if b.expect(r, lifeboat.Unknown, true, 1, "no space left on device; a person must look at Binance"); r.VenueID != "vault-0" {
			t.Errorf("the number is %q", r.VenueID)
		}
	}
}

// Whoever was taken over sends nothing.
func TestFence(t *testing.T) {
	b := newBench(t)
	s := b.approved()
	b.Fence = func() error { return errors.New("another lifeboat has taken over") }
	b.expect(b.do(Applying, s), lifeboat.NotPerformed, false, 0, "it never reached the venue")
	if !strings.Contains(strings.Join(b.told, "\n"), "another lifeboat has taken over") {
		t.Errorf("told %q", b.told)
	}
}

// A trial pays the fee of the day, and wants nothing else than a withdrawal does.
func TestTrial(t *testing.T) {
	b := newBench(t)
	b.vault.Says.Fee = decimal.New(5, -1)
	b.expect(b.do(plan.TrialTask, b.trialSpec()), lifeboat.Performed, false, 1, "Binance has sent 1.5 BTC to vault")
	b = newBench(t)
	b.vault.Says.Fee = decimal.NewFromInt(2)
	b.expect(b.do(plan.TrialTask, b.trialSpec()), lifeboat.NotPerformed, false, 0, "its fee of 2 BTC takes all of it")
	b = newBench(t)
	b.vault.Says.Obstacles = []string{"withdrawals are suspended"}
	b.expect(b.do(plan.TrialTask, b.trialSpec()), lifeboat.NotPerformed, false, 0, "withdrawals are suspended")
}

// What leaves and what will come is said as soon as the venue has the withdrawal, is kept, and is the same at the end and after a restart.
func TestMoves(t *testing.T) {
	b := newBench(t)
	words := func(moves []lifeboat.Move) (all string) {
		for _, m := range moves {
			all += fmt.Sprintf("%s %s %s @%d; ", m.Account, m.Quantity, m.Symbol, m.Height)
		}
		return all
	}
	const want = "exchange -50 BTC @0; vault 49.9999 BTC @0; "
	s := b.approved()
	if r := b.do(Applying, s); r.Status != lifeboat.Performed || words(r.Moved()) != want {
		t.Errorf("%s: it moved %s", r.Why, words(r.Moved()))
	}
	if got := words(lifeboat.MovesOf(b.facts)); got != want {
		t.Errorf("while it was under way it was kept that it moved %q", got)
	}
	b.restart()
	if r := b.do(Applying, s); words(r.Moved()) != want {
		t.Errorf("after a restart it moved %s", words(r.Moved()))
	}
}
