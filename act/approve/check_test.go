package approve

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lifeboat"
)

// bench is a checker with its store in a directory of its own; contents are two digests that can be signed.
type bench struct {
	*testing.T
	*Checker
	path string
}

var contentA, contentB = DigestQuestion("a", "sell"), DigestQuestion("b", "buy")

func newBench(t *testing.T, with Options) bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "factors.json")
	store, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewChecker(store, with)
	if err != nil {
		t.Fatal(err)
	}
	return bench{t, c, path}
}

// restart is a new checker over the same file, which knows of the journal only these events.
func (b bench) restart(with Options, journal ...lifeboat.Event) bench {
	b.Helper()
	store, err := OpenStore(b.path)
	if err != nil {
		b.Fatal(err)
	}
	c, err := NewChecker(store, with)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range journal {
		c.Apply(noon, e)
	}
	return bench{b.T, c, b.path}
}

// enrolTOTP gives the secret, as an authenticator would take it from the address.
func (b bench) enrolTOTP(at time.Time, person string) (secret string, c Credential) {
	b.Helper()
	uri, err := b.StartTOTP(at, person)
	if err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Query().Get("issuer") != "lifeboat" || !strings.Contains(u.Path, person) {
		b.Fatalf("no address for an authenticator: %v", err)
	}
	secret = u.Query().Get("secret")
	if c, err = b.ConfirmTOTP(at, person, codeAt(b.T, secret, at)); err != nil {
		b.Fatal(err)
	}
	return secret, c
}

// codeAt is what an authenticator shows, by the library's own way to it.
func codeAt(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (b bench) code(at time.Time, person, code string) (lifeboat.Factor, error) {
	return b.Check(b.Context(), at, Claim{Person: person, Kind: "totp", Content: contentA, Code: code})
}

// wantRefusal wants one sentence "factor" with a part, and without the secrets.
func wantRefusal(t *testing.T, err error, part string, secrets ...string) {
	t.Helper()
	p, ok := errors.AsType[*lifeboat.Problem](err)
	if !ok || p.Reason != "factor" || p.Money == "" {
		t.Fatalf("no refusal of a factor: %v", err)
	}
	if !strings.Contains(p.What, part) || strings.Contains(p.What, "\n") {
		t.Errorf("it says %q, want %q in it", p.What, part)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(p.What+p.Next, s) {
			t.Errorf("it repeats what was put forward: %s", p.What)
		}
	}
}

const step = stepSeconds * time.Second

func TestCodes(t *testing.T) {
	enrolled := noon.Add(-time.Hour)
	for _, c := range []struct {
		what    string
		person  string
		made    time.Duration // when the code was made, against noon
		refusal string
	}{
		{"now", "Ana", 0, ""},
		{"a step ago", "Ana", -step, ""},
		{"a step ahead", "Ana", step, ""},
		{"two steps ago", "Ana", -2 * step, "not the code"},
		{"two steps ahead", "Ana", 2 * step, "not the code"},
		{"of somebody else", "Ben", 0, "not the code"},
		{"of somebody who has none", "Cem", 0, "Cem has enrolled no totp"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBench(t, Options{})
			ana, credential := b.enrolTOTP(enrolled, "Ana")
			b.enrolTOTP(enrolled, "Ben")
			code := codeAt(t, ana, noon.Add(c.made))
			f, err := b.code(noon, c.person, code)
			if c.refusal != "" {
				wantRefusal(t, err, c.refusal, code)
				return
			}
			want := lifeboat.Factor{Kind: "totp", ID: credential.ID, Content: contentA, Counter: noon.Add(c.made).Unix() / 30}
			if err != nil || f != want {
				t.Errorf("got %+v %v, want %+v", f, err, want)
			}
		})
	}
}

// TestCodeOnce: a code is good once, on this side of a restart and on the other, and so is none before it.
func TestCodeOnce(t *testing.T) {
	b := newBench(t, Options{})
	secret, _ := b.enrolTOTP(noon.Add(-time.Hour), "Ana")
	old, code, next := codeAt(t, secret, noon.Add(-step)), codeAt(t, secret, noon), codeAt(t, secret, noon.Add(step))
	f, err := b.code(noon, "Ana", code[:3]+" "+code[3:]) // as apps show it
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.code(noon, "Ana", code)
	wantRefusal(t, err, "was used before", code)
	_, err = b.code(noon, "Ana", old)
	wantRefusal(t, err, "was used before", old)

	for what, journal := range map[string]lifeboat.Event{
		"answer":  lifeboat.Answer{By: "Ana", Yes: true, Factor: &f},
		"request": lifeboat.Request{By: "Ana", Factor: &f},
	} {
		again := b.restart(Options{}, journal)
		_, err = again.code(noon, "Ana", code)
		wantRefusal(t, err, "was used before", code)
		if _, err := again.code(noon, "Ana", next); err != nil {
			t.Errorf("%s: the next code is refused: %v", what, err)
		}
	}
}

func TestConfirmingCodeIsUsedUp(t *testing.T) {
	b := newBench(t, Options{})
	secret, _ := b.enrolTOTP(noon, "Ana")
	_, err := b.restart(Options{}).code(noon, "Ana", codeAt(t, secret, noon))
	wantRefusal(t, err, "was used before")
}

func TestEnrolmentNeedsACode(t *testing.T) {
	b := newBench(t, Options{})
	if _, err := b.ConfirmTOTP(noon, "Ana", "123456"); err == nil {
		t.Fatal("enrolled out of nothing")
	}
	uri, err := b.StartTOTP(noon, "Ana")
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(uri)
	secret := u.Query().Get("secret")
	_, err = b.ConfirmTOTP(noon, "Ana", codeAt(t, secret, noon.Add(10*step)))
	wantRefusal(t, err, "not the code", secret)
	_, err = b.ConfirmTOTP(noon, "Ben", codeAt(t, secret, noon))
	wantRefusal(t, err, "under way for Ben", secret)
	late := noon.Add(ceremonyMax)
	_, err = b.ConfirmTOTP(late, "Ana", codeAt(t, secret, late))
	wantRefusal(t, err, "longer than 5m", secret)
	if has, _ := b.store.Credentials("Ana"); len(has) != 0 {
		t.Errorf("enrolled without a code: %v", has)
	}
	if text, err := os.ReadFile(b.path); err == nil && strings.Contains(string(text), secret) {
		t.Error("an unconfirmed secret is on the disk")
	}
}

// TestLockOut: six digits can be guessed, so guessing ends after five.
func TestLockOut(t *testing.T) {
	b := newBench(t, Options{})
	ana, _ := b.enrolTOTP(noon.Add(-time.Hour), "Ana")
	ben, _ := b.enrolTOTP(noon.Add(-time.Hour), "Ben")
	wrong := codeAt(t, ana, noon.Add(-24*time.Hour))
	for range wrongMax - 1 {
		_, err := b.code(noon, "Ana", wrong)
		wantRefusal(t, err, "not the code")
	}
	if _, err := b.code(noon, "Ana", codeAt(t, ana, noon)); err != nil {
		t.Fatalf("locked too early: %v", err)
	}
	later := noon.Add(5 * time.Minute) // a good code forgives the wrong ones before it
	for range wrongMax {
		_, err := b.code(later, "Ana", wrong)
		wantRefusal(t, err, "not the code")
	}
	_, err := b.code(later, "Ana", codeAt(t, ana, later))
	wantRefusal(t, err, "locked for another 15 min")
	if _, err := b.code(later, "Ben", codeAt(t, ben, later)); err != nil {
		t.Errorf("Ben is locked for what Ana did: %v", err)
	}
	after := later.Add(lockedFor)
	_, err = b.code(after, "Ana", wrong)
	wantRefusal(t, err, "not the code")
	if _, err := b.code(after, "Ana", codeAt(t, ana, after)); err != nil {
		t.Errorf("still locked: %v", err)
	}
}

func TestClaimsThatCannotBe(t *testing.T) {
	b := newBench(t, Options{})
	secret, _ := b.enrolTOTP(noon.Add(-time.Hour), "Ana")
	good := codeAt(t, secret, noon)
	for _, c := range []struct {
		claim Claim
		want  string
	}{
		{Claim{Person: "Ana", Kind: "totp", Code: good}, "nothing that a second factor could sign"},
		{Claim{Person: "Ana", Kind: "totp", Code: good, Content: strings.ToUpper(contentA)}, "nothing that a second factor could sign"},
		{Claim{Person: "Ana", Kind: "sms", Code: good, Content: contentA}, `no second factor of kind "sms"`},
		{Claim{Person: "Ana", Kind: "webauthn", Content: contentA}, "not set up for webauthn"},
		{Claim{Person: "Ana", Kind: "duo", Content: contentA, Shown: "sell"}, "not set up for duo"},
		{Claim{Person: "Ana", Kind: "totp", Content: contentA}, "not the code"},
		{Claim{Kind: "totp", Content: contentA, Code: good}, "has enrolled no totp"},
	} {
		_, err := b.Check(t.Context(), noon, c.claim)
		wantRefusal(t, err, c.want, good)
	}
}

// FuzzCode: nothing but the code of the moment passes, and nothing makes it panic.
func FuzzCode(f *testing.F) {
	f.Add("123456", int64(0))
	f.Add("12 34 56", int64(-1))
	f.Add("１２３４５６", int64(1)<<40)
	const secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	f.Fuzz(func(t *testing.T, code string, last int64) {
		step, ok := stepOf(noon, secret, code, last)
		if !ok {
			return
		}
		shown, err := totp.GenerateCode(secret, time.Unix(step*30, 0))
		if err != nil || strings.TrimSpace(strings.ReplaceAll(code, " ", "")) != shown || step <= last || step < noon.Unix()/30-1 || step > noon.Unix()/30+1 {
			t.Errorf("%q was taken for step %d after %d", code, step, last)
		}
	})
}

func TestStoreFile(t *testing.T) {
	b := newBench(t, Options{})
	secret, c := b.enrolTOTP(noon, "Ana")
	info, err := os.Stat(b.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the rights %v (%v)", info.Mode(), err)
	}
	told, err := b.store.Credentials("Ana")
	text, _ := json.Marshal(told)
	if err != nil || len(told) != 1 || told[0].ID != c.ID || strings.Contains(string(text), secret) {
		t.Errorf("told %s %v", text, err)
	}
	if err := os.Chmod(b.path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(b.path); err == nil || lifeboat.KindOf(err) != lifeboat.Storage || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others read is used: %v", err)
	}
	if _, err := b.code(noon, "Ana", codeAt(t, secret, noon.Add(step))); err == nil {
		t.Error("a code passed against a file that others read")
	}
	if err := os.Chmod(b.path, 0o600); err != nil {
		t.Fatal(err)
	}
	for range credentialsMax - 1 {
		b.enrolTOTP(noon, "Ana")
	}
	uri, _ := b.StartTOTP(noon, "Ana")
	u, _ := url.Parse(uri)
	_, err = b.ConfirmTOTP(noon, "Ana", codeAt(t, u.Query().Get("secret"), noon))
	wantRefusal(t, err, "10 second factors already")
	if err := b.store.Remove("Ana", c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.code(noon, "Ana", codeAt(t, secret, noon.Add(step))); err == nil {
		t.Error("a removed secret still counts")
	}
	if err := b.store.Remove("Ana", c.ID); lifeboat.KindOf(err) != lifeboat.NotFound {
		t.Errorf("got %v", err)
	}
}

// TestStoreTwoPrograms: the command line enrols while a daemon has the file open.
func TestStoreTwoPrograms(t *testing.T) {
	daemon := newBench(t, Options{})
	done := make(chan string)
	const each = 5
	for _, person := range []string{"Ana", "Ben"} {
		go func() {
			other := daemon.restart(Options{})
			for range each - 1 {
				other.enrolTOTP(noon, person)
			}
			secret, _ := other.enrolTOTP(noon, person)
			done <- person + " " + secret
		}()
	}
	for range 2 {
		person, secret, _ := strings.Cut(<-done, " ")
		if _, err := daemon.code(noon, person, codeAt(t, secret, noon.Add(step))); err != nil {
			t.Errorf("%s: %v", person, err)
		}
		if has, err := daemon.store.Credentials(person); err != nil || len(has) != each {
			t.Errorf("%s has %d of %d (%v)", person, len(has), each, err)
		}
	}
}

// FuzzStore: a file is refused or understood, it never panics, and what is refused is not quoted.
func FuzzStore(f *testing.F) {
	f.Add([]byte(`{"version":1,"people":{"Ana":{"handle":"AAAAAAAAAAAAAAAAAAAAAA==","totp":[{"id":"t","secret":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP","step":1,"enrolled":"2026-11-23T12:00:00Z"}]}}}`))
	f.Add([]byte(`{"version":1,"people":{"Ana":{"handle":"AAAA"}}}`))
	f.Add([]byte(`{"version":2,"people":{}}`))
	f.Add([]byte(`{"version":1,"people":{}} {}`))
	f.Add([]byte(`{"version":1,"people":{"Ana":{"handle":"AAAAAAAAAAAAAAAAAAAAAA==","totp":[{"secret":123456789}]}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		all, err := parse(content)
		if err != nil {
			if strings.Contains(err.Error(), "123456789") {
				t.Errorf("the refusal quotes the file: %v", err)
			}
			return
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse(text); err != nil {
			t.Errorf("what was understood is refused when written again: %v", err)
		}
	})
}
