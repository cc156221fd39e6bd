package paper_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/paper"
	"lifeboat/watch/state"
)

func saved(t *testing.T, v *paper.Venue) []byte {
	t.Helper()
	c := state.Writer()
	v.State(c)
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	return bytes.Clone(c.Bytes())
}

// half an hour of trading in two symbols: one with bars, one whose volume is told at the session's end only. Sometimes
// an instant comes in two steps, as what is caught up does.
func halfHour(random *rand.Rand, n int) []lifeboat.Instant {
	at := opens.Add(time.Duration(n/13)*24*time.Hour + time.Duration(n%13)*30*time.Minute + 10*time.Minute)
	price := math.Round(24000+200*random.NormFloat64()) / 100
	both := lifeboat.Instant{At: at, Readings: []lifeboat.Reading{
		{Series: "SPY", Value: price, At: at.Add(-time.Second)}, {Series: "SPY.volume", Value: math.Round(1000 * random.Float64()), At: at.Add(-time.Second)},
		{Series: "BND", Value: 80 + random.Float64()}}}
	if n%13 == 12 {
		both.Readings = append(both.Readings, lifeboat.Reading{Series: "BND.volume", Value: 4000})
	}
	if random.IntN(4) > 0 {
		return []lifeboat.Instant{both}
	}
	first := lifeboat.Instant{At: at, Readings: []lifeboat.Reading{
		{Series: "SPY", Value: price + 1, At: at.Add(-time.Minute)}, {Series: "SPY.volume", Value: 300, At: at.Add(-time.Minute)}}}
	return []lifeboat.Instant{first, both}
}

// A broker that is opened again, from its saved state or by being shown all of the past, knows how much of the running
// session's volume is taken: it fills what an undisturbed one would have filled, no more and no less.
func TestOpenedAgainIsUninterrupted(t *testing.T) {
	opened := func(ledger *kept) *paper.Venue {
		return stocks(t, func(c *paper.Config) {
			spread(c)
			c.Participation, c.Fresh, c.Ledger = 0.1, time.Hour, ledger
			c.Positions = []lifeboat.Position{{Account: "broker", Symbol: "SPY", Quantity: dec("100000")}, {Account: "broker", Symbol: "BND", Quantity: dec("100000")}, {Account: "broker", Symbol: "USD", Quantity: dec("1000000")}}
		})
	}
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 4))
		ledgers := [3]*kept{{}, {}, {}}
		var venues [3]*paper.Venue // undisturbed, saved and restored, shown the past again
		for i := range venues {
			venues[i] = opened(ledgers[i])
		}
		var past []lifeboat.Instant
		var older []byte // a state from before the last restart, and how much of the past it has seen
		var seen int
		for n := range 13 * 12 {
			steps := halfHour(random, n)
			past = append(past, steps...)
			text := ""
			if random.IntN(3) == 0 {
				text = []string{"sell 30 SPY", "sell 200 BND", "buy 20 SPY at 239.5", "sell 500 SPY at 241", "buy 150 BND"}[random.IntN(5)]
			}
			for _, v := range venues {
				for _, in := range steps {
					if err := v.Show(in); err != nil {
						t.Fatal(err)
					}
				}
				if text != "" {
					place(t, v, steps[0].At.Add(time.Minute), fmt.Sprint("lb-", n), text)
				}
			}
			if n%5 == 1 {
				older, seen = saved(t, venues[1]), len(past)
			}
			if n%7 == 4 {
				for i := range venues[1:] {
					venues[i+1] = opened(ledgers[i+1])
				}
				c := state.Reader(older)
				if venues[1].State(c); c.Err() != nil {
					t.Fatal(c.Err())
				}
				for i, in := range past {
					if err := venues[2].Show(in); err != nil {
						t.Fatal(err)
					}
					if i < seen {
						continue
					}
					if err := venues[1].Show(in); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i, v := range venues[1:] {
				if got, want := fmt.Sprint(v.Orders()), fmt.Sprint(venues[0].Orders()); got != want {
					t.Fatalf("seed %d, half-hour %d, venue %d:\n%s\nwant\n%s", seed, n, i+1, got, want)
				}
				if !bytes.Equal(saved(t, v), saved(t, venues[0])) {
					t.Fatalf("seed %d, half-hour %d: the state of venue %d differs", seed, n, i+1)
				}
			}
		}
		if len(ledgers[0].entries) < 60 {
			t.Fatalf("seed %d: only %d entries", seed, len(ledgers[0].entries))
		}
	}
}

// What was cut off is refused, and so is the state of a venue whose ledger was longer.
func TestDamagedStateIsRefused(t *testing.T) {
	ledger := &kept{}
	open := func() *paper.Venue { return stocks(t, func(c *paper.Config) { c.Ledger = ledger }) }
	v := open()
	show(t, v, midday, "SPY 240, SPY.volume 500")
	place(t, v, midday, "lb-1", "sell 10 SPY")
	whole := saved(t, v)
	for cut := range whole {
		c := state.Reader(whole[:cut])
		if open().State(c); c.Err() == nil {
			t.Fatalf("%d of %d bytes were taken for all", cut, len(whole))
		}
	}
	ledger.entries = ledger.entries[:1]
	c := state.Reader(whole)
	if open().State(c); c.Err() == nil {
		t.Error("the state of a longer ledger was taken")
	}
}
