package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/serve/api"
)

// A canary's trials leave once each, across restarts; one that is slow reaches the triggers and the owners while it is under way,
// and a halt holds the next.
func TestCanary(t *testing.T) {
	o := openWayOut(t, nil)
	o.stop()
	text, err := os.ReadFile(filepath.Join(o.planDir, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), "symbols: {BTC: BTCUSDT, USD: USDT}}}", "symbols: {BTC: BTCUSDT, USD: USDT}}, canary: {symbol: BTC, amount: 0.01, to: vault, network: BTC, every: 6h, limit: 1h}}", 1)
	o.write(t, with+"triggers: [{name: slow exits, tier: 2, condition: exit_latency.exchange > 1800}]\n")
	o.start(t)
	made := func(n int) func(api.Status) bool {
		return func(api.Status) bool { return o.exchange.Withdrawals(nil) == n }
	}
	fired := func(s api.Status) bool { return len(s.Triggers) == 1 && s.Triggers[0].State == "fired" }
	o.within(t, "the first trial", made(1))
	o.sends()
	o.within(t, "its end", func(api.Status) bool { return o.d.Canaries.Find(o.clock.Now())[0].Ended == 1 })
	if fired(o.d.Status()) {
		t.Error("a trial in time has fired the trigger")
	}

	o.exchange.Hide(true) // Binance has taken the second one and does not list it
	o.clock.move(6 * time.Hour)
	o.within(t, "the second trial", made(2))
	o.stop()
	o.start(t)
	for range 20 {
		o.tick()
		time.Sleep(5 * time.Millisecond)
	}
	if n := o.exchange.Withdrawals(nil); n != 2 || o.d.Canaries.Find(o.clock.Now())[0].Running == 0 {
		t.Fatalf("after a restart there are %d withdrawals, and the trial is not known to be under way", n)
	}
	o.within(t, "the trigger", fired)
	o.within(t, "the limit", func(api.Status) bool { return o.d.Canaries.Find(o.clock.Now())[0].Running > 70*time.Minute })
	o.exchange.Hide(false)
	o.sends()
	o.within(t, "the second's end", func(api.Status) bool { return o.d.Canaries.Find(o.clock.Now())[0].Ended == 2 })

	o.say(t, lifeboat.Request{Verb: lifeboat.MoveBreaker, Object: string(lifeboat.Halted), By: "Alex"})
	o.clock.move(8 * time.Hour)
	for range 5 {
		o.tick()
		time.Sleep(5 * time.Millisecond)
	}
	if n := o.exchange.Withdrawals(nil); n != 2 {
		t.Errorf("%d withdrawals, one of them during a halt", n)
	}
	o.stop()
	var told []string
	trials := 0
	for _, e := range journalOf(t, o.dataDir) {
		if i, ok := e.(lifeboat.Intent); ok && i.Act == lifeboat.PerformTask {
			trials++
		} else if ok && i.Message != nil && i.Message.Subject == "Exits from exchange" {
			told = append(told, i.Message.Text)
		}
	}
	if trials != 2 || len(told) != 2 || !strings.Contains(told[0], "its limit is 1h0m0s") || !strings.Contains(told[1], "As usual again") {
		t.Errorf("%d trials, and the owner was told %q", trials, told)
	}
}
