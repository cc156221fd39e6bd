package alpaca

import (
	"math"
	"testing"
	"time"

	"lifeboat"
)

type still struct{ lifeboat.Clock }

func (still) Now() time.Time { return time.Date(2020, 3, 16, 16, 0, 0, 0, time.UTC) }

// FuzzMessages: whatever a stream says becomes readings that can be true, suspect ones that say why, or an error.
func FuzzMessages(f *testing.F) {
	f.Add(`[{"T":"t","S":"SPY","i":1,"x":"V","p":241.5,"s":5,"c":["@"],"t":"2020-03-16T15:59:00Z","z":"B"}]`, "trade")
	f.Add(`[{"T":"q","S":"SPY","bp":239,"ap":241,"bs":1,"as":2,"c":["R"],"t":"2020-03-16T15:59:00Z"},{"T":"q","S":"SPY","bp":-1,"ap":1e400}]`, "quote")
	f.Add(`[{"T":"b","S":"SPY","o":1,"h":2,"l":1,"c":2,"v":-9,"t":"2020-03-16T15:58:00Z"}]`, "trade")
	f.Add(`[{"T":"error","code":406,"msg":"connection limit exceeded"}]`, "trade")
	f.Fuzz(func(t *testing.T, text, price string) {
		if price != "quote" {
			price = "trade"
		}
		s, err := New(Config{Key: "k", Secret: "s", Clock: still{}, Price: price, Bars: "1Min", Series: []lifeboat.Series{"SPY", "SPY.volume"}})
		if err != nil {
			t.Fatal(err)
		}
		messages, err := parseMessages([]byte(text))
		if err != nil {
			return
		}
		var waiting gathered
		if s.take(messages, &waiting) != nil {
			return
		}
		for _, r := range s.news(still{}.Now(), waiting.all()) {
			good := r.Quality == lifeboat.Good && r.Why == "" && !math.IsInf(r.Value, 0) && (r.Value > 0 || r.Value == 0 && r.Series == "SPY.volume") && !r.At.IsZero()
			suspect := r.Quality == lifeboat.Suspect && r.Why != "" && r.Value == 0
			if !good && !suspect || r.Source != Name || r.At.After(still{}.Now().Add(aheadMax)) {
				t.Fatalf("%+v of %s", r, text)
			}
		}
	})
}
