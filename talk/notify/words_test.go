package notify

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lifeboat"
)

// What people read, for each kind of message.
func TestWords(t *testing.T) {
	for _, tc := range []struct {
		name          string
		d             Delivery
		text          string
		subject, body string
		short, spoken string
	}{
		{"an emergency", Delivery{Tier: 3, Link: "https://x.example/m"}, "SPY fell 12 %. Everything is sold.\nLook at it.", "Family: EMERGENCY: SPY fell 12 %",
			"SPY fell 12 %. Everything is sold.\nLook at it.\n\nSay that you have it: https://x.example/m\nUntil somebody says so you are told again. At a terminal: lifeboat ack lb-1 --as Ana\n\n16 Mar 2020 16:00 UTC · for Ana · lb-1\n",
			"!! SPY fell 12 %. Everything is sold. Look at it. https://x.example/m lb-1", "lifeboat, for Ana. Emergency. SPY fell 12 %. Everything is sold. Look at it."},
		{"a question", Delivery{Question: true}, "Sell SPY? Answer: lifeboat answer lb-1 yes|no --as NAME", "Family: please answer: Sell SPY?",
			"Sell SPY? Answer: lifeboat answer lb-1 yes|no --as NAME\n\n16 Mar 2020 16:00 UTC · for Ana · lb-1\n",
			"? Sell SPY? Answer: lifeboat answer lb-1 yes|no --as NAME lb-1", "lifeboat, for Ana. Please answer. Sell SPY?"},
		{"something to act on", Delivery{Tier: 2}, "Look", "Family: action: Look",
			"Look\n\nUntil somebody says so you are told again. At a terminal: lifeboat ack lb-1 --as Ana\n\n16 Mar 2020 16:00 UTC · for Ana · lb-1\n", "! Look lb-1", "lifeboat, for Ana. Action is needed. Look."},
		{"a word", Delivery{Tier: 1}, "Look\x1b[2J", "Family: Look[2J", "Look[2J\n\n16 Mar 2020 16:00 UTC · for Ana · lb-1\n", "Look[2J lb-1", "lifeboat, for Ana. For your information. Look[2J."},
		{"somebody has it", Delivery{Tier: 3, Standing: Taken}, "Ben has it", "Family: Ben has it", "Ben has it\n\n16 Mar 2020 16:00 UTC · for Ana · lb-1\n", "Ben has it lb-1",
			"lifeboat, for Ana. For your information. Ben has it."},
	} {
		tc.d.Key, tc.d.Thread, tc.d.Person, tc.d.At = "lb-1", "lb-1", "Ana", noon
		got := put("Family", time.UTC, tc.d, "", tc.text)
		for _, pair := range [][3]string{{"subject", got.Subject, tc.subject}, {"body", got.Text, tc.body}, {"SMS", got.Short, tc.short}, {"voice", got.Spoken, tc.spoken}} {
			if pair[1] != pair[2] {
				t.Errorf("%s, %s:\ngot  %q\nwant %q", tc.name, pair[0], pair[1], pair[2])
			}
		}
	}
}

// Whatever the text, an SMS has at most 160 characters and ends with the whole key, and a subject is one line.
func FuzzWords(f *testing.F) {
	f.Add("SPY fell 12 %. Sell?", "https://x.example/m", uint8(3), true)
	f.Add(strings.Repeat("ä", 500), strings.Repeat("l", 150), uint8(0), false)
	f.Add("", "", uint8(1), true)
	f.Add("a\r\nBcc: eve@x.example", "", uint8(2), false)
	f.Fuzz(func(t *testing.T, text, link string, tier uint8, question bool) {
		key := lifeboat.NewKey(text)
		d := put("Family", time.UTC, Delivery{Key: key, Person: "Ana", At: noon, Tier: lifeboat.Tier(tier % 4), Question: question, Link: link}, "", text)
		if n := utf8.RuneCountInString(d.Short); n > 160 || !strings.HasSuffix(d.Short, string(key)) {
			t.Errorf("%d characters: %q", n, d.Short)
		}
		if strings.ContainsAny(d.Subject, "\r\n") || utf8.RuneCountInString(d.Spoken) > spokenMax {
			t.Errorf("subject %q, spoken %q", d.Subject, d.Spoken)
		}
		if len(voice(d)) > 4000 && len(link) < 300 {
			t.Errorf("the voice has %d characters, and Twilio takes 4000", len(voice(d)))
		}
	})
}
