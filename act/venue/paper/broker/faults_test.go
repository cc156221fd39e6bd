package broker_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/session"
)

// daily closes, as a tape has them.
func daily(days ...string) (tape []lifeboat.Instant) {
	for _, one := range days {
		var day string
		var price float64
		_, _ = fmt.Sscan(one, &day, &price)
		date, _ := time.Parse(time.DateOnly, day)
		s, _ := session.NYSE().On(date)
		tape = append(tape, lifeboat.Instant{At: s.Close, Readings: []lifeboat.Reading{{Series: "SPY", Value: price}}})
	}
	return tape
}

const anOrder = `{"client_order_id":"one","symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"}`

// Each fault is what its name says: what the client sees, and whether the order is there.
func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name, fault string
		status      int // 0 for a connection that was cut
		arrives     bool
	}{
		{"none", `{}`, 200, true},
		{"outage", `{"outage":true}`, 503, false},
		{"fail", `{"fail":1}`, 500, false},
		{"throttle", `{"throttle":1}`, 429, false},
		{"the request is lost", `{"lose_request":1}`, 0, false},
		{"the answer is lost", `{"lose_answer":1}`, 0, true},
		{"a page of HTML", `{"page":1}`, 200, true},
		{"another call", `{"on":"DELETE /v2/orders","fail":1}`, 200, true},
		{"slow", `{"latency":"3s"}`, 200, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, nil)
			if a := s.call("POST", "/lifeboat/faults", tc.fault); a.status != http.StatusOK {
				t.Fatal(a.text)
			}
			a, err := s.try("POST", "/v2/orders", anOrder)
			if cut := err != nil; cut != (tc.status == 0) || !cut && a.status != tc.status {
				t.Errorf("got %d %s, %v; want %d", a.status, a.text, err, tc.status)
			}
			if tc.status == 429 && (a.header.Get("Retry-After") != "1" || !strings.Contains(a.text, `"code":42910000`)) {
				t.Errorf("throttled: %v %s", a.header, a.text)
			}
			if a := s.call("POST", "/lifeboat/faults", `{}`); a.status != http.StatusOK {
				t.Fatal(a.text)
			}
			if found := s.stands("one"); strings.HasPrefix(found, "filled") != tc.arrives {
				t.Errorf("the order: %s", found)
			}
		})
	}
	t.Run("what cannot be meant", func(t *testing.T) {
		s := open(t, nil)
		for _, body := range []string{`{"latency":"-1s"}`, `{"latency":"1h"}`, `{"fail":-1}`, `{"latency":5}`, `[]`, ``} {
			if a := s.call("POST", "/lifeboat/faults", body); a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", body, a.status, a.text)
			}
		}
	})
}

// An answer that is cut after any byte of its body is no answer, and the order is there once.
func TestAnswerCutAnywhere(t *testing.T) {
	s := open(t, nil)
	whole := s.place("whole", `"symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"1","time_in_force":"gtc"`)
	for cut := 0; cut < len(whole.text); cut += 7 {
		if err := s.Inject(broker.Faults{CutAnswer: 1, CutAfter: cut}); err != nil {
			t.Fatal(err)
		}
		id := fmt.Sprint("cut", cut)
		body := `{"client_order_id":"` + id + `","symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"1","time_in_force":"gtc"}`
		if a, err := s.try("POST", "/v2/orders", body); err == nil {
			t.Fatalf("cut after %d bytes, it was a whole answer: %s", cut, a.text)
		}
		if again := s.call("POST", "/v2/orders", body); again.status != 422 || !strings.Contains(again.text, "40010001") {
			t.Fatalf("cut after %d bytes, the order is not there: %d %s", cut, again.status, again.text)
		}
	}
}

func TestWrongNumbers(t *testing.T) {
	s := open(t, nil)
	if err := s.Inject(broker.Faults{CashOff: dec("-1500.25"), StaleQuotes: true}); err != nil {
		t.Fatal(err)
	}
	if a := s.call("GET", "/v2/account", ""); a.get("cash") != "98499.75" {
		t.Errorf("the cash: %s", a.get("cash"))
	}
	before := s.call("GET", "/v2/stocks/SPY/quotes/latest", "").text
	s.act("advance 10m")
	s.act("price 700")
	if after := s.call("GET", "/v2/stocks/SPY/quotes/latest", "").text; after != before {
		t.Errorf("the quotes are not stale: %s", after)
	}
	s.place("one", `"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"`)
	if got := s.stands("one"); got != "new" {
		t.Errorf("an order on a stale quote is %s", got)
	}
}

// Above its allowance a key waits until the minute is over, and another is served.
func TestAllowance(t *testing.T) {
	clock := &still{now: morning}
	s := open(t, func(o *broker.Options) { o.Clock, o.RequestsPerMinute = clock, 3 })
	for range 3 {
		if a := s.call("GET", "/v2/clock", ""); a.status != http.StatusOK {
			t.Fatal(a.text)
		}
	}
	if a := s.call("GET", "/v2/clock", ""); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "60" {
		t.Errorf("the fourth: %d %v", a.status, a.header)
	}
	clock.mu.Lock()
	clock.now = clock.now.Add(time.Minute)
	clock.mu.Unlock()
	if a := s.call("GET", "/v2/clock", ""); a.status != http.StatusOK {
		t.Errorf("a minute later: %d", a.status)
	}
}

// dataOfTheKilled names, in the environment of a child process, the data directory of a broker that is killed.
const dataOfTheKilled = "LIFEBOAT_TEST_PAPER_DATA"

func TestMain(m *testing.M) {
	if path := os.Getenv(dataOfTheKilled); path != "" {
		orderUntilKilled(path)
	}
	os.Exit(m.Run())
}

func orderUntilKilled(path string) {
	b, err := broker.New(broker.Options{Clock: &still{now: morning}, Data: path, Cash: dec("100000000")})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	for n := len(b.Core().Orders()); ; n++ {
		body := fmt.Sprintf(`{"client_order_id":"k-%d","symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day"}`, n)
		w := answerOf(b, "POST", "/v2/orders", body)
		if w.Code != http.StatusOK {
			fmt.Println("failed:", w.Body)
			os.Exit(1)
		}
		fmt.Printf("k-%d\n", n)
	}
}

// A broker killed at any instant has every order that it acknowledged, once and with its fill, and the same cash.
func TestKilled(t *testing.T) {
	path, acknowledged := t.TempDir(), 0
	for life := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), dataOfTheKilled+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if !strings.HasPrefix(lines.Text(), "k-") {
				t.Fatal(lines.Text())
			}
			if acknowledged++; n == 20+7*life {
				_ = child.Process.Kill()
			}
		}
		_ = child.Wait()
	}
	b, err := broker.New(broker.Options{Clock: &still{now: morning}, Data: path})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var position struct {
		Qty  string
		Cost string `json:"cost_basis"`
	}
	_ = json.Unmarshal(answerOf(b, "GET", "/v2/positions/SPY", "").Body.Bytes(), &position)
	orders := len(b.Core().Orders())
	// The last order of each life may be in the ledger without having been acknowledged, or without its fill.
	if orders < acknowledged || orders > acknowledged+5 {
		t.Errorf("%d orders were acknowledged and %d are there", acknowledged, orders)
	}
	s := b.Core().Statement()
	if spent := dec("100000000").Sub(s.Cash); !spent.Equal(dec(position.Cost)) || position.Qty == "" {
		t.Errorf("%s were spent, and %s is what %s shares cost", spent, position.Cost, position.Qty)
	}
	if _, err := broker.New(broker.Options{Clock: &still{now: morning}, Data: path}); err == nil || lifeboat.KindOf(err) != lifeboat.Conflict {
		t.Errorf("a second broker on the directory: %v", err)
	}
}
