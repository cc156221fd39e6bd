package task

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"lifeboat"
)

// A note that can be read says something that can be true, and is written as it was read.
func FuzzNote(f *testing.F) {
	f.Add([]byte(`{"key":"lb-1","kind":"exec","task":"00","at":"2026-03-16T12:00:00Z","state":"taken"}`))
	f.Add([]byte(`{"key":"lb-1","kind":"exec","task":"00","at":"2026-03-16T12:00:00Z","state":"ended","receipt":{"key":"lb-1","status":"performed"}}`))
	f.Add([]byte(`{"state":"begun","receipt":{"status":"performed"}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		n, err := parseNote(content)
		if err != nil {
			return
		}
		if (n.State == ended) != (n.Receipt.Status != "") || n.State == ended && n.Receipt.Key != n.Key {
			t.Errorf("%q was taken for %+v", content, n)
		}
		written, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parseNote(written); err != nil || again.State != n.State || again.Key != n.Key {
			t.Errorf("%s: %+v, %v", written, again, err)
		}
	})
}

// Of the longest texts the beginning and the end are kept, in whole characters, within the limit.
func FuzzShorten(f *testing.F) {
	f.Add(strings.Repeat("ä€", 4000))
	f.Add("short")
	f.Fuzz(func(t *testing.T, text string) {
		clean := plain(text)
		if short := shorten(clean, outputMax); len(short) > outputMax || !utf8.ValidString(short) || strings.ContainsRune(short, '\x1b') {
			t.Errorf("%d bytes became %d", len(text), len(short))
		}
	})
}

func TestCaptureKeepsBothEnds(t *testing.T) {
	var c capture
	for range 50_000 {
		if n, err := c.Write([]byte("middle of it\n")); n != 13 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = c.Write([]byte("the end"))
	if text := c.String(); len(text) > captureMax+100 || !strings.HasPrefix(text, "middle") || !strings.HasSuffix(text, "the end") || !strings.Contains(text, "bytes left out") {
		t.Errorf("%d bytes: %.40q … %q", len(text), text, text[len(text)-20:])
	}
}

// What is repeatable by its nature does not hang on the flag.
func TestRepeatable(t *testing.T) {
	for kind, want := range map[string]bool{"http": false, "exec": false, "terraform-plan": true, "terraform-apply": false, "failover": true} {
		if (&Crew{}).repeatable(lifeboat.Task{Kind: kind}) != want {
			t.Errorf("%s", kind)
		}
	}
}
