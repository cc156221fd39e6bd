package approve

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"lifeboat"
)

func linkKey(t testing.TB, secret string) LinkKey {
	t.Helper()
	key, err := KeyOf(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLinks(t *testing.T) {
	key := linkKey(t, "a secret of some length")
	l := Link{Purpose: ForAnswer, Question: "lb-1", Person: "Ana", Answer: "yes", Until: noon.Add(time.Hour)}
	token := Sign(key, l)
	text, signature, _ := strings.Cut(token, ".")
	body, _ := base64.RawURLEncoding.DecodeString(text)
	forged := base64.RawURLEncoding.EncodeToString(bytes.Replace(body, []byte("Ana"), []byte("Ben"), 1)) + "." + signature
	nobody := l
	nobody.Person = ""
	other := l
	other.Purpose = "login"
	for _, c := range []struct {
		what, token string
		key         LinkKey
		at          time.Time
		want        string // a part of the refusal
	}{
		{"as it was made", token, key, noon, ""},
		{"in its last second", token, key, noon.Add(time.Hour - time.Nanosecond), ""},
		{"expired", token, key, noon.Add(time.Hour), "expired at 2026-11-23 13:00:00 UTC"},
		{"another key", token, linkKey(t, "another secret of some length"), noon, "not one that lifeboat made"},
		{"no key", token, nil, noon, "not one that lifeboat made"},
		{"no key, and signed with none", Sign(nil, l), nil, noon, "not one that lifeboat made"},
		{"another person", forged, key, noon, "not one that lifeboat made"},
		{"cut off", token[:len(token)-1], key, noon, "not one that lifeboat made"},
		{"without signature", text + ".", key, noon, "not one that lifeboat made"},
		{"nothing", "", key, noon, "not one that lifeboat made"},
		{"for nobody", Sign(key, nobody), key, noon, "another version"},
		{"for another purpose", Sign(key, other), key, noon, "another version"},
	} {
		t.Run(c.what, func(t *testing.T) {
			got, err := OpenLink(c.key, c.token, c.at)
			if c.want != "" {
				wantRefusal(t, err, c.want, c.token)
				return
			}
			if err != nil || got != l {
				t.Errorf("got %+v %v", got, err)
			}
		})
	}
	if _, err := KeyOf("short"); lifeboat.KindOf(err) != lifeboat.Invalid {
		t.Errorf("a short secret signs links: %v", err)
	}
	if strings.ContainsAny(token, "+/=&? ") {
		t.Errorf("%s does not fit into an address", token)
	}
}

// FuzzOpenLink: only what Sign made opens, and not a byte of it can be changed.
func FuzzOpenLink(f *testing.F) {
	key := linkKey(f, "a secret of some length")
	good := Sign(key, Link{Purpose: ForAcknowledge, Question: "lb-1", Person: "Ana", Until: noon.Add(time.Hour)})
	f.Add(good)
	f.Add(good + "=")
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("." + good)
	f.Fuzz(func(t *testing.T, token string) {
		if l, err := OpenLink(key, token, noon); err == nil && token != good {
			t.Errorf("%q opens as %+v", token, l)
		}
	})
}
