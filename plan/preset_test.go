package plan

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestDocsPresets keeps the table of docs/connectors/feeds.md the same as the presets; make generate writes it.
func TestDocsPresets(t *testing.T) {
	const page = "../docs/connectors/feeds.md"
	var b strings.Builder
	b.WriteString("| from | what it tells | key | example | asked | requests a minute |\n|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(presets)) {
		p := presets[name]
		example := fmt.Sprintf("{series: %s, from: %s, id: %q", p.example.Series, name, p.example.ID)
		if p.example.Key != "" {
			example += fmt.Sprintf(", key: %q", p.example.Key)
		}
		every := p.every
		if every == 0 {
			every = time.Minute
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | `%s}` | every %s, %d at once | %d |\n", name, p.says, [...]string{"none", "may have one", "wants one"}[p.key], example, Duration(every), p.batch, p.perMinute)
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(have), "<!-- presets -->\n")
	_, tail, closed := strings.Cut(rest, "<!-- end -->")
	want := head + "<!-- presets -->\n" + b.String() + "<!-- end -->" + tail
	if !found || !closed {
		t.Fatalf("%s has no marks for the table", page)
	}
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(have) {
		t.Errorf("%s is not what preset.go says; run make generate", page)
	}
}

// TestPresets are those that a plan may name, and their examples are sound.
func TestPresets(t *testing.T) {
	field, _ := reflect.TypeFor[Feed]().FieldByName("From")
	words := strings.Split(strings.TrimPrefix(field.Tag.Get("plan"), "of="), "|")
	slices.Sort(words)
	if known := slices.Sorted(maps.Keys(presets)); !slices.Equal(words, known) {
		t.Errorf("a plan may name %v, and there are %v", words, known)
	}
	for name, p := range presets {
		f := p.example
		f.From = name
		if !p.id.MatchString(f.ID) {
			t.Errorf("%s: the example's id is none", name)
		}
		r := Requests([]Feed{f})[0]
		if u, err := parseURL(r.URL); err != nil || u.Scheme != "https" || r.Path == "" && r.Column == "" || r.Alone != r.URL {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestRequestsShare what can be shared and nothing else: other hosts, keys, paces and currencies ask on their own, and no
// request names more than the source takes.
func TestRequestsShare(t *testing.T) {
	var feeds []Feed
	for i := range 45 {
		feeds = append(feeds, Feed{Series: fmt.Sprint("S", i), From: "binance", ID: fmt.Sprintf("COIN%dUSDT", i), Every: 1})
	}
	feeds = append(feeds, feeds[0], Feed{From: "binance", ID: "BTCUSDT", Every: 2}, Feed{From: "binance", ID: "BTCUSDT", Every: 1, URL: "https://api.binance.us/"},
		Feed{From: "coingecko", ID: "bitcoin"}, Feed{From: "coingecko", ID: "bitcoin/eur"}, Feed{From: "coingecko", ID: "bitcoin", Key: "env:K"}, Feed{URL: "https://example.org", Path: "$"})
	urls := map[string]int{}
	for i, r := range Requests(feeds) {
		if r.Series != feeds[i].Series || r.From != feeds[i].From {
			t.Fatalf("request %d is of another feed", i)
		}
		urls[r.URL+headersKey(r.Headers)]++
	}
	if len(urls) != 3+1+1+3+1 {
		t.Errorf("%d requests: %v", len(urls), urls)
	}
}

func TestCautionsOfOneSource(t *testing.T) {
	p := &Plan{
		Feeds:    []Feed{{Series: "USDC"}, {Series: "USDT"}, {Series: "USDT"}, {Series: "SPY"}},
		Triggers: []Trigger{{Name: "depeg", Tier: 3, Condition: "USDC < 0.95 OR USDT < 0.95"}, {Name: "crash", Tier: 3, Condition: "spy_drawdown > 20%"}, {Name: "watch", Tier: 1, Condition: "USDC < 1"}},
	}
	got := strings.Join(p.Cautions(), "\n")
	for _, want := range []string{`"depeg" is an emergency and hangs on one source of USDC`, `"crash" is an emergency and hangs on one source of SPY`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "USDT:") || strings.Contains(got, `"watch"`) {
		t.Errorf("too much: %s", got)
	}
}
