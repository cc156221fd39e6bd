package poll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ohler55/ojg/jp"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/secret"
	"lifeboat/watch/feed/word"
)

var noon = time.Date(2020, 3, 16, 12, 0, 0, 0, time.UTC)

// A source is a server whose next answer the test decides.
type source struct {
	*httptest.Server
	mu     sync.Mutex
	body   string
	status int
	asked  int
}

func newSource(t *testing.T) *source {
	s := &source{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		w.WriteHeader(s.status)
		fmt.Fprint(w, s.body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *source) says(body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = body
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name string
		feed plan.Feed
		body string
		want string
	}{
		{"a number", plan.Feed{Format: "json", Path: "$.price"}, `{"price": 239.85}`, "BTC=239.85"},
		{"a numeric string", plan.Feed{Format: "json", Path: "$[0].p"}, `[{"p": "0.9994"}]`, "BTC=0.9994"},
		{"by a filter", plan.Feed{Format: "json", Path: "$[?(@.s == 'BTC')].p"}, `[{"s":"ETH","p":1},{"s":"BTC","p":2}]`, "BTC=2"},
		{"epoch milliseconds", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":1584360000000}`, "BTC=1 at 2020-03-16T12:00:00Z"},
		{"an offset", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"2020-03-16T07:59:00-04:00"}`, "BTC=1 at 2020-03-16T11:59:00Z"},
		{"a date of yesterday", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"2020-03-15"}`, "BTC=1 at 2020-03-16T00:00:00Z"},
		{"a date of today", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"2020-03-16"}`, "BTC=1 at 2020-03-16T12:00:00Z"},
		{"not a number", plan.Feed{Format: "json", Path: "$.p"}, `{"p": "halted"}`, `BTC suspect: "halted" is not a number`},
		{"null", plan.Feed{Format: "json", Path: "$.p"}, `{"p": null}`, `BTC suspect: "none" is not a number`},
		{"true", plan.Feed{Format: "json", Path: "$.p"}, `{"p": true}`, `BTC suspect: "true" is not a number`},
		{"an object", plan.Feed{Format: "json", Path: "$"}, `{"p": true}`, `BTC suspect: "an object" is not a number`},
		{"an empty string", plan.Feed{Format: "json", Path: "$.p"}, `{"p": ""}`, `BTC suspect: "nothing" is not a number`},
		{"infinite", plan.Feed{Format: "json", Path: "$.p"}, `{"p": "Infinity"}`, `BTC suspect: "Infinity" is not a finite number`},
		{"beyond any number", plan.Feed{Format: "json", Path: "$.p"}, `{"p": 1e999}`, `BTC suspect: "+Inf" is not a finite number`},
		{"zero", plan.Feed{Format: "json", Path: "$.p"}, `{"p": 0}`, `BTC suspect: "0" is no price: prices are positive`},
		{"negative", plan.Feed{Format: "json", Path: "$.p"}, `{"p": -3}`, `BTC suspect: "-3" is no price: prices are positive`},
		{"a yield below zero", plan.Feed{Series: "DGS1MO", Format: "json", Path: "$.p"}, `{"p": -0.1}`, "DGS1MO=-0.1"},
		{"no volume", plan.Feed{Series: "BTC.volume", Format: "json", Path: "$.p"}, `{"p": 0}`, "BTC.volume=0"},
		{"from the future", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"2020-03-16T13:00:00Z"}`, `BTC suspect: its time "2020-03-16T13:00:00Z" lies in the future`},
		{"from a day far ahead", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"2020-04-16"}`, `BTC suspect: its time "2020-04-16" lies in the future`},
		{"without a time it should have", plan.Feed{Format: "json", Path: "$.p", Time: "$.t"}, `{"p":1,"t":"noon"}`, `BTC suspect: its time "noon" is no date`},
		{"nothing there", plan.Feed{Format: "json", Path: "$.price"}, `{"error": "limit"}`, "error: $.price finds 0 values in the answer, and one is wanted"},
		{"too much there", plan.Feed{Format: "json", Path: "$[*]"}, `[1,2]`, "error: $[*] finds 2 values in the answer, and one is wanted"},
		{"a page instead", plan.Feed{Format: "json", Path: "$.price"}, `<html>`, "error: the answer is not JSON"},

		{"the last row", plan.Feed{Format: "csv", Column: "Close"}, "Date,Open,Close\n2020-03-14,1,2\n2020-03-15,3,4\n", "BTC=4 at 2020-03-16T00:00:00Z"},
		{"without an end of line", plan.Feed{Format: "csv", Column: "p", Time: "t"}, "p,t\r\n7,2020-03-16 11:00:00", "BTC=7 at 2020-03-16T11:00:00Z"},
		{"the last that is there", plan.Feed{Format: "csv", Column: "v"}, "date,v\n2020-03-12,5\n2020-03-13,.\n", "BTC=5 at 2020-03-13T00:00:00Z"},
		{"no time at all", plan.Feed{Format: "csv", Column: "v"}, "v\n5\n", "BTC=5"},
		{"quoted", plan.Feed{Format: "csv", Column: "v"}, "\"v\"\n\"5\"\n", "BTC=5"},
		{"as the tape has it", plan.Feed{Format: "csv"}, "date,BTC.volume,BTC,ETH\n2020-03-15T00:00:00Z,9,5,1\n", "BTC.volume=9 at 2020-03-15T00:00:00Z, BTC=5 at 2020-03-15T00:00:00Z"},
		{"one of two sources", plan.Feed{Format: "csv", Source: "dex"}, "date,BTC@cex,BTC@dex\n2020-03-15T00:00:00Z,9,5\n", "BTC@dex=5 at 2020-03-15T00:00:00Z"},
		{"another column", plan.Feed{Format: "csv", Column: "price"}, "date,v\n", `error: there is no column "price" in the header`},
		{"another series", plan.Feed{Format: "csv"}, "date,ETH\n", "error: there is no column BTC in the header"},
		{"an empty answer", plan.Feed{Format: "csv"}, "", "error: there is no header in the first line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.feed.Series == "" {
				tt.feed.Series = "BTC"
			}
			f, err := newFeed(tt.feed, "")
			if f == nil || f.target.address == "" && err != nil {
				tt.feed.URL = "https://example.org"
				if f, err = newFeed(tt.feed, ""); err != nil {
					t.Fatal(err)
				}
			}
			said, err := f.decode([]byte(tt.body))
			if got := told(f.news(noon, said), err); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestPollAsksWhenDue(t *testing.T) {
	s := newSource(t)
	s.says(`{"p": 5, "t": 1584359000}`)
	p := poller(t, plan.Feed{Series: "BTC", Source: "cex", URL: s.URL, Format: "json", Path: "$.p", Time: "$.t", Every: plan.Duration(time.Minute)})

	expect(t, p, noon, "BTC@cex=5 at 2020-03-16T11:43:20Z")
	if want := noon.Add(time.Minute); !p.Next().Equal(want) {
		t.Errorf("next at %s, want %s", p.Next(), want)
	}
	s.says(`{"p": 6, "t": 1584360000}`)
	expect(t, p, noon.Add(59*time.Second), "") // not due
	expect(t, p, noon.Add(time.Minute), "BTC@cex=6 at 2020-03-16T12:00:00Z")
	expect(t, p, noon.Add(2*time.Minute), "") // the source repeats itself: nothing, so that it goes stale
	if s.asked != 3 {
		t.Errorf("asked %d times, want 3", s.asked)
	}
	s.says(`{"p": 4, "t": 1584350000}`)
	expect(t, p, noon.Add(3*time.Minute), "") // and so is what is older than what it said
}

func TestAnOutageIsToldOnceAndAskedLessOften(t *testing.T) {
	s := newSource(t)
	s.says("{}")
	p := poller(t, plan.Feed{Series: "BTC", Source: "cex", URL: s.URL, Format: "json", Path: "$.p", Every: plan.Duration(time.Minute)})
	var waits []time.Duration
	at := noon
	for i := range 5 {
		_, errs := p.Poll(t.Context(), at)
		if (len(errs) == 1) != (i == 0) {
			t.Fatalf("poll %d: %v", i, errs)
		}
		if i == 0 {
			feedDown(t, errs[0], "BTC from cex is not to be had: $.p finds 0 values")
		}
		waits = append(waits, p.Next().Sub(at))
		at = p.Next()
	}
	if got := fmt.Sprint(waits); got != "[1m0s 2m0s 4m0s 5m0s 5m0s]" {
		t.Errorf("waited %s", got)
	}
	s.says(`{"p": 5}`)
	expect(t, p, at, "BTC@cex=5")
	if wait := p.Next().Sub(at); wait != time.Minute {
		t.Errorf("after the outage: %s", wait)
	}
	s.says("{}")
	if _, errs := p.Poll(t.Context(), p.Next()); len(errs) != 1 {
		t.Errorf("a second outage was not told: %v", errs)
	}
}

func TestNeverMoreOftenThanThePlanSays(t *testing.T) {
	p := poller(t, plan.Feed{Series: "BTC", File: "none.csv", Every: plan.Duration(time.Hour)})
	p.Poll(t.Context(), noon)
	if wait := p.Next().Sub(noon); wait != time.Hour {
		t.Errorf("asks again after %s, and the longest pause must not shorten what the owner chose", wait)
	}
}

func TestTheNetworkFails(t *testing.T) {
	refused := newSource(t)
	refused.Close()
	long := newSource(t)
	long.says(strings.Repeat(" ", answerMax) + `{"p":1}`)
	busy := newSource(t)
	busy.status = http.StatusTooManyRequests
	elsewhere := httptest.NewServer(http.RedirectHandler("http://example.org/"+"?key=hush", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	var circle *httptest.Server
	circle = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, circle.URL, http.StatusFound)
	}))
	t.Cleanup(circle.Close)
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for url, want := range map[string]string{
		refused.URL:   "it refuses the connection",
		long.URL:      "the answer is larger than 1 MiB",
		busy.URL:      "it answers 429 Too Many Requests",
		elsewhere.URL: "it redirects to another host",
		circle.URL:    "it redirects in circles",
		untrusted.URL: "its certificate cannot be trusted",
	} {
		p := poller(t, plan.Feed{Series: "BTC", Source: "cex", URL: url + "/?key=hush", Format: "json", Path: "$.p"})
		_, errs := p.Poll(t.Context(), noon)
		if len(errs) != 1 {
			t.Fatalf("%s: %v", want, errs)
		}
		feedDown(t, errs[0], want)
		for err := errs[0]; err != nil; err = errors.Unwrap(err) {
			if strings.Contains(fmt.Sprintf("%+v", err), "hush") {
				t.Errorf("the error shows the key: %+v", err)
			}
		}
	}
}

// A brokenWire is a network that fails as it is told to.
type brokenWire struct{ err error }

func (w brokenWire) RoundTrip(*http.Request) (*http.Response, error) { return nil, w.err }

func TestTheWireFails(t *testing.T) {
	for want, err := range map[string]error{
		"its name cannot be resolved": &net.DNSError{Err: "no such host", Name: "hush.example.org"},
		"it cannot be reached":        errors.New("dial hush.example.org: no route to host"),
	} {
		feed := plan.Feed{Series: "BTC", URL: "https://hush.example.org", Format: "json", Path: "$.p"}
		p, e := New([]plan.Feed{feed}, "", &http.Client{Transport: brokenWire{err}})
		if e != nil {
			t.Fatal(e)
		}
		_, errs := p.Poll(t.Context(), noon)
		feedDown(t, errs[0], want)
		if strings.Contains(errs[0].Error(), "hush") {
			t.Errorf("the error shows the address: %v", errs[0])
		}
	}
}

func TestKeysComeFromTheEnvironment(t *testing.T) {
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.RawQuery
		fmt.Fprint(w, `{"p": 5}`)
	}))
	t.Cleanup(server.Close)
	feed := plan.Feed{Series: "BTC", Source: "cex", URL: server.URL + "?key=${FEED_KEY}", Format: "json", Path: "$.p"}
	if _, err := New([]plan.Feed{feed}, "", nil); err == nil || !strings.Contains(err.Error(), "the environment has no FEED_KEY") {
		t.Errorf("without the variable: %v", err)
	}
	t.Setenv("FEED_KEY", "hush")
	expect(t, poller(t, feed), noon, "BTC@cex=5")
	if asked != "key=hush" {
		t.Errorf("asked with %q", asked)
	}
}

func TestFeedsOfOneAddressAskOnce(t *testing.T) {
	s := newSource(t)
	s.says(`{"btc": 5, "eth": 2}`)
	p := poller(t,
		plan.Feed{Series: "BTC", Source: "cex", URL: s.URL, Format: "json", Path: "$.btc"},
		plan.Feed{Series: "ETH", Source: "cex", URL: s.URL, Format: "json", Path: "$.eth"},
		plan.Feed{Series: "SOL", Source: "cex", URL: s.URL, Format: "json", Path: "$.sol"})
	readings, errs := p.Poll(t.Context(), noon)
	if got := told(readings, nil); got != "BTC@cex=5, ETH@cex=2" || len(errs) != 1 || s.asked != 1 {
		t.Errorf("%s, %v, asked %d times", got, errs, s.asked)
	}
}

func TestManyFeedsKeepTheOrderOfThePlan(t *testing.T) {
	var atOnce, most int
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		atOnce++
		most = max(most, atOnce)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		atOnce--
		mu.Unlock()
		fmt.Fprintf(w, `{"p": %s}`, r.URL.Path[1:])
	}))
	t.Cleanup(server.Close)
	var feeds []plan.Feed
	var want []string
	for i := 1; i <= 20; i++ {
		feeds = append(feeds, plan.Feed{Series: fmt.Sprintf("S%d", i), URL: fmt.Sprintf("%s/%d", server.URL, i), Format: "json", Path: "$.p"})
		want = append(want, fmt.Sprintf("S%d=%d", i, i))
	}
	expect(t, poller(t, feeds...), noon, strings.Join(want, ", "))
	if most > atOnceMax {
		t.Errorf("%d at once", most)
	}
}

func TestStoppingIsNoOutage(t *testing.T) {
	asked, release := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- true; <-release }))
	t.Cleanup(func() { close(release); server.Close() })
	p := poller(t, plan.Feed{Series: "BTC", URL: server.URL, Format: "json", Path: "$.p"})
	ctx, stop := context.WithCancel(t.Context())
	go func() { <-asked; stop() }()
	if readings, errs := p.Poll(ctx, noon); len(readings)+len(errs) > 0 {
		t.Errorf("%v %v", readings, errs)
	}
	if p.Next().After(noon) {
		t.Errorf("what was not answered is due at %s", p.Next())
	}
}

func TestNoFeeds(t *testing.T) {
	p := poller(t)
	expect(t, p, noon, "")
	if !p.Next().After(noon) {
		t.Error("a plan without feeds polls without a pause")
	}
}

// TestAFileThatGrows goes through the life of a file that another program writes.
func TestAFileThatGrows(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "prices.csv")
	at := noon
	p, err := New([]plan.Feed{{Series: "SPY", Source: "desk", File: "prices.csv", Format: "csv", Every: plan.Duration(time.Second)}}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	poll := func(want string) {
		t.Helper()
		at = at.Add(time.Hour)
		expect(t, p, at, want)
	}
	_, errs := p.Poll(t.Context(), at)
	feedDown(t, errs[0], "SPY from desk is not to be had: the file does not exist")

	write(t, path, "time,SPY,VIX,SPY.volume\n2020-03-16T10:00:00Z,1,80,9\n2020-03-16T10:01:00Z,2,,\n")
	poll("SPY.volume@desk=9 at 2020-03-16T10:00:00Z, SPY@desk=2 at 2020-03-16T10:01:00Z") // of its past, the last of each
	poll("")
	add(t, path, "2020-03-16T10:02:00Z,3,,\n2020-03-16T10:03:00Z,4,81,\n2020-03-16T10:04:00Z,")
	poll("SPY@desk=3 at 2020-03-16T10:02:00Z, SPY@desk=4 at 2020-03-16T10:03:00Z") // whole lines only
	add(t, path, "5,82,\n")
	poll("SPY@desk=5 at 2020-03-16T10:04:00Z")
	add(t, path, "2020-03-16T10:05:00Z,NaN,82,\n2020-03-16T10:05:30Z,5\n\n2020-03-16T10:04:00Z,5,82,\n")
	poll(`SPY@desk suspect: "NaN" is not a finite number`) // the short line and the repeated time give nothing

	write(t, path, "time,SPY,VIX,SPY.volume\n2020-03-16T10:05:40Z,5.5,,\n") // truncated
	poll("SPY@desk=5.5 at 2020-03-16T10:05:40Z")
	write(t, path, "time,SPY\n"+strings.Repeat("2020-03-16T10:05:50Z,5.9\n", 9)+"2020-03-16T10:06:00Z,6\n") // another header
	poll("SPY@desk=6 at 2020-03-16T10:06:00Z")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "time,SPY\n"+strings.Repeat("2020-03-16T10:06:00Z,6\n", 20)+"2020-03-16T10:07:00Z,7\n2020-03-16T10:08:00Z,8\n") // rotated
	poll("SPY@desk=8 at 2020-03-16T10:08:00Z")
	add(t, path, "2020-03-16T10:09:00Z,9\n")
	poll("SPY@desk=9 at 2020-03-16T10:09:00Z")
}

func TestALongFileIsReadFromItsEnd(t *testing.T) {
	dir := t.TempDir()
	line := "2020-03-16T10:00:00Z," + strings.Repeat("1", 40) + "\n"
	write(t, filepath.Join(dir, "long.csv"), "time,SPY\n"+strings.Repeat(line, 2*answerMax/len(line))+"2020-03-16T10:09:00Z,9\n")
	p, err := New([]plan.Feed{{Series: "SPY", File: "long.csv", Every: 1}}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, p, noon, "SPY=9 at 2020-03-16T10:09:00Z")

	add(t, filepath.Join(dir, "long.csv"), strings.Repeat("x", answerMax+10))
	_, errs := p.Poll(t.Context(), noon.Add(time.Minute))
	feedDown(t, errs[0], "a line is longer than 1 MiB")
	add(t, filepath.Join(dir, "long.csv"), "\n2020-03-16T10:10:00Z,10\n")
	expect(t, p, noon.Add(time.Hour), "SPY=10 at 2020-03-16T10:10:00Z")
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add(`{"p": 5, "t": 1584360000}`, "$.p", "$.t")
	f.Add(`[{"s":"BTC","p":"1"}]`, "$[?(@.s == 'BTC')].p", "$..t")
	f.Add(`[[1,2],[3]]`, "$[-1][0]", "")
	f.Add(`{"p": 1e999}`, "$['p']", "$.p.q")
	f.Fuzz(func(t *testing.T, body, path, when string) {
		value, err := jp.ParseString(path)
		if err != nil {
			return
		}
		stamp, err := jp.ParseString(when)
		if err != nil {
			return
		}
		g := &feed{Feed: plan.Feed{Series: "BTC", Format: "json"}, value: value, time: stamp, last: map[lifeboat.Series]time.Time{}}
		said, err := g.decode([]byte(body))
		sound(t, g.news(noon, said), err)
	})
}

func FuzzDecodeCSV(f *testing.F) {
	f.Add("date,BTC,BTC.volume\n2020-03-16,5,9\n", "", "")
	f.Add("t;p\n1;2\n", "p", "t")
	f.Add("\"a,b\n1", "a", "")
	f.Add("time,BTC@x\r\n1584360000,1,\r\n", "", "time")
	f.Fuzz(func(t *testing.T, body, column, when string) {
		g := &feed{Feed: plan.Feed{Series: "BTC", Format: "csv", Column: column, Time: when}, last: map[lifeboat.Series]time.Time{}}
		said, err := g.decode([]byte(body))
		sound(t, g.news(noon, said), err)
	})
}

// sound: a good reading is finite and not from the future; a suspect one says why and carries no value.
func sound(t *testing.T, readings []lifeboat.Reading, err error) {
	t.Helper()
	if err != nil && len(readings) > 0 {
		t.Fatalf("readings beside the error %v", err)
	}
	for _, r := range readings {
		good := r.Quality == lifeboat.Good && r.Why == "" && r.Value == r.Value && r.Value > 0 || r.Series == "BTC.volume" && r.Value == 0
		suspect := r.Quality == lifeboat.Suspect && r.Why != "" && r.Value == 0
		if !good && !suspect || r.At.After(noon.Add(word.AheadMax)) {
			t.Fatalf("%+v", r)
		}
	}
}

func poller(t *testing.T, feeds ...plan.Feed) *Poller {
	t.Helper()
	p, err := New(feeds, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func expect(t *testing.T, p *Poller, at time.Time, want string) {
	t.Helper()
	readings, errs := p.Poll(t.Context(), at)
	if got := told(readings, errors.Join(errs...)); got != want {
		t.Errorf("at %s: %s\nwant %s", at.Format(time.RFC3339), got, want)
	}
}

func feedDown(t *testing.T, err error, what string) {
	t.Helper()
	var p *lifeboat.Problem
	if !errors.As(err, &p) || p.Reason != "feed-down" || !strings.Contains(p.What, what) || p.Money == "" || p.Next == "" {
		t.Errorf("%#v, want feed-down with %q", err, what)
	}
}

// told writes readings as a line to compare.
func told(readings []lifeboat.Reading, err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	var words []string
	for _, r := range readings {
		word := string(r.Series)
		if r.Source != "" {
			word += "@" + r.Source
		}
		if r.Quality == lifeboat.Suspect {
			words = append(words, word+" suspect: "+r.Why)
			continue
		}
		word += fmt.Sprintf("=%v", r.Value)
		if !r.At.IsZero() {
			word += " at " + r.At.Format(time.RFC3339)
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// newFeed is one line of a plan on its own.
func newFeed(planned plan.Feed, dir string) (*feed, error) {
	p := &Poller{client: guarded(nil), targets: map[string]*target{}, hosts: map[string]*host{}}
	return p.open(context.Background(), plan.Request{Feed: planned}, Options{Dir: dir, Vault: &secret.Vault{Dir: dir}})
}
