package journal_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
)

func TestMemory(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Subject {
		m := journal.Memory()
		same := func() journal.Keeper { return m } // it lives as long as the process, and no longer
		return journaltest.Subject{Keeper: m, Reopen: same, Crash: same}
	})
}

var noon = time.Date(2020, 3, 12, 12, 0, 0, 0, time.UTC)

// TestSealIsForEver pins the chain's format: a journal written today must verify in ten years.
func TestSealIsForEver(t *testing.T) {
	m := journal.Memory()
	err := m.Append(noon,
		lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: "SPY", Value: 248.11}, {Series: "VIX", Quality: lifeboat.Suspect, Why: "not <a> number"}}},
		lifeboat.Firing{Trigger: "Market crash", Tier: lifeboat.Emergency, Severity: "CRITICAL", State: lifeboat.Fired, Values: map[string]float64{"vix": 75.47, "drawdown": 1e-7}},
		lifeboat.RunFinished{Run: "R-1", Status: lifeboat.Done, Why: "é"})
	if err != nil {
		t.Fatal(err)
	}
	const want = "82128c6977db4d89b7387aaf9995816120ee946121733c583437eb1e216731c8"
	if got := m.Digest(); got != want {
		t.Errorf("a known journal has the digest %s, want %s: either the words are written in another way, or the seal has changed and no older journal verifies any more", got, want)
	}
}

func TestSealKeepsTheInstantNotTheClock(t *testing.T) {
	zone := time.FixedZone("", -4*3600)
	a, err := journal.Seal(journal.Entry{}, noon, lifeboat.RunFinished{Run: "r"})
	b, err2 := journal.Seal(journal.Entry{}, noon.In(zone), lifeboat.RunFinished{Run: "r"})
	if err != nil || err2 != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("the same instant on two clocks was sealed differently: %v %v", a, b)
	}
	for _, at := range []time.Time{{}, time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if e, err := journal.Seal(journal.Entry{}, at, lifeboat.RunFinished{Run: "r"}); err == nil {
			t.Errorf("%v was sealed as %v", at, e.At)
		}
	}
}

// TestPinnedContentKeepsItsBytes: the hash of a run's playbook is taken over bytes that hold < and &.
func TestPinnedContentKeepsItsBytes(t *testing.T) {
	for _, content := range []string{`{"that":"a < b & c"}`, `{"that":"a \u003c b"}`} {
		e, err := journal.Seal(journal.Entry{}, noon, lifeboat.RunStarted{Content: json.RawMessage(content)})
		if err != nil {
			t.Fatal(err)
		}
		event, err := e.Event()
		if err != nil || string(event.(lifeboat.RunStarted).Content) != content {
			t.Errorf("%s came back as %s, %v", content, event.(lifeboat.RunStarted).Content, err)
		}
	}
}

func TestWhatIsNoNumberIsRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		event lifeboat.Event
		want  []string
	}{
		"reading":      {lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: "SPY", Value: 1}, {Series: "VIX", Value: math.NaN()}}}, []string{"readings", "VIX", "NaN"}},
		"firing":       {lifeboat.Firing{Trigger: "x", Values: map[string]float64{"var": math.Inf(1)}}, []string{"firing", "+Inf"}},
		"year 10000":   {lifeboat.Instant{At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{"readings", "year"}},
		"reading time": {lifeboat.Instant{At: noon, Readings: []lifeboat.Reading{{Series: "VIX", At: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}}}, []string{"VIX", "year"}},
	} {
		_, err := journal.Seal(journal.Entry{}, noon, c.event)
		for _, part := range c.want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want it to name %q", name, err, part)
			}
		}
	}
}

func TestMark(t *testing.T) {
	m := journal.Memory()
	m.Append(noon, lifeboat.RunFinished{Run: "r"})
	head, _ := m.Head()
	if got, err := journal.ParseMark(head.Mark().String()); err != nil || got != head.Mark() {
		t.Errorf("%v came back as %v, %v", head.Mark(), got, err)
	}
	if m.Digest() != hex.EncodeToString(head.Hash[:]) || journal.Memory().Digest() != "" {
		t.Error("the digest is not the head's hash")
	}
	for _, bad := range []string{"", "1", ":", "1:", "1:abcd", "0:" + strings.Repeat("ab", 32), "x:" + strings.Repeat("ab", 32), "1:" + strings.Repeat("ab", 33)} {
		if got, err := journal.ParseMark(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

func TestVerifyReports(t *testing.T) {
	m := journal.Memory()
	for i := range 3 {
		if err := m.Append(noon.Add(time.Duration(i)*time.Hour), lifeboat.RunFinished{Run: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	head, _ := m.Head()
	got, err := journal.Verify(context.Background(), m, head.Mark())
	want := journal.Report{Entries: 3, First: noon, Last: noon.Add(2 * time.Hour), Head: head.Mark()}
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

// twenty years of sessions with fifteen series each.
const (
	sessions = 20 * 252
	columns  = 15
)

func instant(n int) lifeboat.Instant {
	in := lifeboat.Instant{At: noon.Add(time.Duration(n) * 24 * time.Hour), Readings: make([]lifeboat.Reading, columns)}
	for i := range in.Readings {
		in.Readings[i] = lifeboat.Reading{Series: "SPY.volume", Value: 248.11 + float64(n*i)/100}
	}
	return in
}

// BenchmarkTwentyYears is what the journal takes of a drill: two appends for every session of twenty years.
func BenchmarkTwentyYears(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		m := journal.Memory()
		for n := range 2 * sessions {
			in := instant(n)
			if err := m.Append(in.At, in); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	m := journal.Memory()
	for n := range sessions {
		in := instant(n)
		m.Append(in.At, in)
	}
	for b.Loop() {
		if _, err := journal.Verify(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(sessions)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
}
