package alert

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

type still struct{ now time.Time }

func (c *still) Now() time.Time { return c.now }
func (c *still) Sleep(ctx context.Context, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func signed(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// ours signs as lifeboat's own webhooks are signed; monitors as OpenZeppelin Monitor does in src/services/notification/webhook.rs.
func ours(at time.Time, body string) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return http.Header{"Lifeboat-Timestamp": {stamp}, "Lifeboat-Signature": {"v1=" + signed("secret", stamp+"."+body)}}
}

func monitors(at time.Time, body string) http.Header {
	stamp := strconv.FormatInt(at.UnixMilli(), 10)
	return http.Header{"X-Timestamp": {stamp}, "X-Signature": {signed("secret", body+stamp)}}
}

// What senders post. The second is how OpenZeppelin Monitor writes a message, the third how a node of Forta's posts its alerts
// (forta-core-go), cut to what is understood.
func TestBodies(t *testing.T) {
	for _, c := range []struct {
		body  string
		level float64
		words string
	}{
		{`{"severity":"high","title":"Upgrade of the pool"}`, 3, "Upgrade of the pool"},
		{`{"title":"Ownership","body":"large transfer by 0x1"}`, 2, "Ownership"},
		{`{"alerts":[{"alertId":"FORTA-1","name":"a","severity":"LOW"},{"alertId":"FORTA-2","name":"b","severity":"CRITICAL"},{"severity":"INFO"}]}`, 3, "b"},
		{`{"severity":"resolved"}`, 0, ""},
		{`{"severity":"sideways"}`, 2, ""},
		{`{"severity":" Info ","description":"x\u001b[2Jy"}`, 1, "x [2Jy"},
		{`{"severity":"low","title":"` + strings.Repeat("é", 300) + `"}`, 1, strings.Repeat("é", wordsMax) + "…"},
	} {
		if level, words, err := parse([]byte(c.body)); err != nil || level != c.level || words != c.words {
			t.Errorf("%s: %v %q %v", c.body, level, words, err)
		}
	}
	for _, body := range []string{"", "<html>", `"high"`, `{"severity":3}`, `[]`, `{"alerts":{}}`} {
		if _, _, err := parse([]byte(body)); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
}

func TestWhoIsBelieved(t *testing.T) {
	const body = `{"severity":"high"}`
	altered := ours(noon, body)
	altered.Set("Lifeboat-Timestamp", strconv.FormatInt(noon.Unix()+1, 10))
	for name, c := range map[string]struct {
		webhook string
		header  http.Header
		body    string
		want    error
	}{
		"ours":                {"lifeboat", ours(noon, body), body, nil},
		"a slow clock":        {"lifeboat", ours(noon.Add(-4*time.Minute), body), body, nil},
		"OpenZeppelin":        {"openzeppelin", monitors(noon, body), body, nil},
		"another form":        {"openzeppelin", ours(noon, body), body, ErrUnsigned},
		"no signature":        {"lifeboat", http.Header{}, body, ErrUnsigned},
		"another body":        {"lifeboat", ours(noon, body), `{"severity":"none"}`, ErrUnsigned},
		"another time":        {"lifeboat", altered, body, ErrUnsigned},
		"old":                 {"lifeboat", ours(noon.Add(-6*time.Minute), body), body, ErrUnsigned},
		"ahead":               {"lifeboat", ours(noon.Add(6*time.Minute), body), body, ErrUnsigned},
		"old of OpenZeppelin": {"openzeppelin", monitors(noon.Add(-6*time.Minute), body), body, ErrUnsigned},
	} {
		s := New(plan.Feed{Series: "alert.x", Source: "webhook", Webhook: c.webhook}, []byte("secret"), &still{noon})
		if err := s.Take(c.header, []byte(c.body)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if want := map[bool]float64{true: 3}[c.want == nil]; s.level != want {
			t.Errorf("%s: the level is %v", name, s.level)
		}
		if c.want == nil {
			if err := s.Take(c.header, []byte(c.body)); !errors.Is(err, ErrUnsigned) {
				t.Errorf("%s, sent again: %v", name, err)
			}
		}
	}
}

func TestFullMemory(t *testing.T) {
	s := New(plan.Feed{Webhook: "lifeboat"}, []byte("secret"), &still{noon})
	for i := range seenMax {
		s.seen[strconv.Itoa(i)] = noon.Add(time.Minute)
	}
	if err := s.Take(ours(noon, `{}`), []byte(`{}`)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
}

// A severity stands for an hour, the highest counts, and the sender can end it.
func TestHowLongItStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := New(plan.Feed{Series: "alert.x", Source: "webhook", Webhook: "lifeboat", StaleAfter: plan.Duration(5 * time.Minute)}, []byte("secret"), lifeboat.WallClock{})
		s.Seen("alert.x", "webhook", time.Now().Add(-50*time.Minute))
		var heard atomic.Pointer[lifeboat.Reading]
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Run(ctx, func(readings []lifeboat.Reading, _ []error) { heard.Store(&readings[0]) })
		}()
		says := func(body string, want float64) {
			t.Helper()
			if body != "" {
				if err := s.Take(ours(time.Now(), body), []byte(body)); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			last := heard.Load()
			if last == nil || last.Value != want || last.Series != "alert.x" || last.Source != "webhook" {
				t.Fatalf("%+v, want %v", last, want)
			}
		}
		time.Sleep(9 * time.Minute)
		synctest.Wait()
		if last := heard.Load(); last != nil {
			t.Fatal("what stood before the start was taken back", last)
		}
		time.Sleep(3 * time.Minute)
		says("", 0)
		says(`{"severity":"high","title":"a"}`, 3)
		if why := heard.Load().Why; why != "a" {
			t.Error(why)
		}
		time.Sleep(time.Minute)
		says(`{"severity":"low"}`, 3)
		time.Sleep(50 * time.Minute)
		says("", 3)
		time.Sleep(11 * time.Minute)
		says("", 0)
		says(`{"severity":"medium"}`, 2)
		time.Sleep(time.Second)
		says(`{"severity":"resolved"}`, 0)
		cancel()
		<-done
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"severity":"high","title":"x","alerts":[{"severity":"low"}]}`))
	f.Add([]byte(`{"alerts":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		level, words, err := parse(body)
		if err == nil && (level < 0 || level > 3) || strings.ContainsFunc(words, func(r rune) bool { return r < ' ' }) {
			t.Errorf("%v %q", level, words)
		}
	})
}
