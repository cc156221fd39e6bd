package approve

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"lifeboat"
)

var (
	party = &RelyingParty{ID: "localhost", Name: "lifeboat", Origins: []string{"http://localhost:8420"}}
	keys  = Options{Passkeys: party}
	here  = virtualwebauthn.RelyingParty{ID: "localhost", Name: "lifeboat", Origin: "http://localhost:8420"}
)

// An authenticator with one key, and the page in which it is used.
type authenticator struct {
	virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
	page virtualwebauthn.RelyingParty
}

func newAuthenticator(kind virtualwebauthn.KeyType) *authenticator {
	a := &authenticator{Authenticator: virtualwebauthn.NewAuthenticator(), key: newKey(kind), page: here}
	a.key.Counter = 1
	return a
}

// newKey draws until no coordinate of the key begins with a zero: the virtual authenticator leaves such zeros out, which no real
// one may, so that one enrolment in 128 would be refused, and rightly.
func newKey(kind virtualwebauthn.KeyType) virtualwebauthn.Credential {
	const ec2 = 77 // bytes of a whole key on the curve, with its COSE headers
	for {
		if c := virtualwebauthn.NewCredential(kind); kind != virtualwebauthn.KeyTypeEC2 || len(c.Key.AttestationData()) == ec2 {
			return c
		}
	}
}

// create is what navigator.credentials.create answers.
func (a *authenticator) create(t *testing.T, options json.RawMessage) json.RawMessage {
	t.Helper()
	asked, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	a.Options.UserHandle = []byte(asked.UserID)
	return json.RawMessage(virtualwebauthn.CreateAttestationResponse(a.page, a.Authenticator, a.key, *asked))
}

// get is what navigator.credentials.get answers.
func (a *authenticator) get(t *testing.T, options json.RawMessage) json.RawMessage {
	t.Helper()
	asked, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(a.page, a.Authenticator, a.key, *asked))
}

func (b bench) enrolPasskey(person string, a *authenticator) Credential {
	b.Helper()
	options, err := b.StartPasskey(noon, person)
	if err != nil {
		b.Fatal(err)
	}
	c, err := b.ConfirmPasskey(noon, person, a.create(b.T, options))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func (b bench) challenge(person, content string) json.RawMessage {
	b.Helper()
	options, err := b.Challenge(b.Context(), noon, person, content)
	if err != nil {
		b.Fatal(err)
	}
	return options
}

func (b bench) assert(at time.Time, person, content string, assertion json.RawMessage) (lifeboat.Factor, error) {
	return b.Check(b.Context(), at, Claim{Person: person, Kind: "webauthn", Content: content, Assertion: assertion})
}

func TestPasskey(t *testing.T) {
	for name, kind := range map[string]virtualwebauthn.KeyType{"elliptic curve": virtualwebauthn.KeyTypeEC2, "RSA": virtualwebauthn.KeyTypeRSA} {
		t.Run(name, func(t *testing.T) {
			b, ana := newBench(t, keys), newAuthenticator(kind)
			c := b.enrolPasskey("Ana", ana)
			b = b.restart(keys)
			options := b.challenge("Ana", contentA)
			ana.key.Counter = 7
			f, err := b.assert(noon, "Ana", contentA, ana.get(t, options))
			if want := (lifeboat.Factor{Kind: "webauthn", ID: c.ID, Content: contentA, Counter: 7}); err != nil || f != want {
				t.Fatalf("got %+v %v, want %+v", f, err, want)
			}
		})
	}
}

// TestChallengeBindsContent: what the authenticator signs ends in the digest of what is approved, and starts with chance.
func TestChallengeBindsContent(t *testing.T) {
	b, ana := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2)
	b.enrolPasskey("Ana", ana)
	var signed struct {
		Response struct{ ClientDataJSON string }
	}
	if err := json.Unmarshal(ana.get(t, b.challenge("Ana", contentA)), &signed); err != nil {
		t.Fatal(err)
	}
	client, err := base64.RawURLEncoding.DecodeString(signed.Response.ClientDataJSON)
	if err != nil {
		t.Fatal(err)
	}
	var data struct{ Challenge string }
	if err := json.Unmarshal(client, &data); err != nil || !binds(data.Challenge, contentA) || binds(data.Challenge, contentB) {
		t.Errorf("the challenge %s does not say what it was signed for (%v)", data.Challenge, err)
	}
	if one, two := b.challenge("Ana", contentA), b.challenge("Ana", contentA); string(one) == string(two) {
		t.Error("two challenges are the same")
	}
}

func TestPasskeyRefusals(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(b bench, ana, ben *authenticator) error
		want string
	}{
		{"for other content", func(b bench, ana, _ *authenticator) error {
			_, err := b.assert(noon, "Ana", contentB, ana.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "signed something else"},
		{"a second time", func(b bench, ana, _ *authenticator) error {
			assertion := ana.get(b.T, b.challenge("Ana", contentA))
			if _, err := b.assert(noon, "Ana", contentA, assertion); err != nil {
				b.Fatal(err)
			}
			_, err := b.assert(noon, "Ana", contentA, assertion)
			return err
		}, "no challenge that is open"},
		{"too late", func(b bench, ana, _ *authenticator) error {
			_, err := b.assert(noon.Add(ceremonyMax), "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "no challenge that is open"},
		{"after a restart", func(b bench, ana, _ *authenticator) error {
			assertion := ana.get(b.T, b.challenge("Ana", contentA))
			_, err := b.restart(keys).assert(noon, "Ana", contentA, assertion)
			return err
		}, "no challenge that is open"},
		{"Ben's key for Ana's challenge", func(b bench, _, ben *authenticator) error {
			_, err := b.assert(noon, "Ana", contentA, ben.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "it is not Ana's"},
		{"Ben's key under the name of Ana's", func(b bench, ana, ben *authenticator) error {
			ben.key.ID, ben.Options.UserHandle = ana.key.ID, ana.Options.UserHandle
			_, err := b.assert(noon, "Ana", contentA, ben.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "it is not Ana's"},
		{"Ben with Ana's challenge", func(b bench, _, ben *authenticator) error {
			_, err := b.assert(noon, "Ben", contentA, ben.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "for somebody else"},
		{"another page", func(b bench, ana, _ *authenticator) error {
			ana.page.Origin = "http://localhost.evil.example:8420"
			_, err := b.assert(noon, "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "the page was not lifeboat's own"},
		{"another host", func(b bench, ana, _ *authenticator) error {
			ana.page.ID = "evil.example"
			_, err := b.assert(noon, "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "the page was not lifeboat's own"},
		{"nobody verified", func(b bench, ana, _ *authenticator) error {
			ana.Options.UserNotVerified = true
			_, err := b.assert(noon, "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA)))
			return err
		}, "did not verify who used it"},
		{"a counter that goes back", func(b bench, ana, _ *authenticator) error {
			ana.key.Counter = 9
			f, err := b.assert(noon, "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA)))
			if err != nil {
				b.Fatal(err)
			}
			again := b.restart(keys, lifeboat.Answer{By: "Ana", Factor: &f}) // the copy in the journal is what counts
			ana.key.Counter = 8
			_, err = again.assert(noon, "Ana", contentA, ana.get(b.T, again.challenge("Ana", contentA)))
			return err
		}, "there may be a copy of it"},
		{"a counter that stands still", func(b bench, ana, _ *authenticator) error {
			_, err := b.assert(noon, "Ana", contentA, ana.get(b.T, b.challenge("Ana", contentA))) // still as enrolled
			return err
		}, ""},
		{"nonsense", func(b bench, _, _ *authenticator) error {
			_, err := b.assert(noon, "Ana", contentA, json.RawMessage(`{"id":7}`))
			return err
		}, "no assertion of a passkey"},
		{"too much", func(b bench, _, _ *authenticator) error {
			_, err := b.assert(noon, "Ana", contentA, json.RawMessage(strings.Repeat(" ", claimMax+1)))
			return err
		}, "too large"},
		{"somebody without a key", func(b bench, _, _ *authenticator) error {
			_, err := b.Challenge(b.Context(), noon, "Cem", contentA)
			return err
		}, "Cem has enrolled no webauthn"},
		{"nothing to sign", func(b bench, _, _ *authenticator) error {
			_, err := b.Challenge(b.Context(), noon, "Ana", "")
			return err
		}, "nothing that a second factor could sign"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b, ana, ben := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2), newAuthenticator(virtualwebauthn.KeyTypeEC2)
			b.enrolPasskey("Ana", ana)
			b.enrolPasskey("Ben", ben)
			if c.want != "" {
				ana.key.Counter, ben.key.Counter = 2, 2
				wantRefusal(t, c.do(b, ana, ben), c.want)
				return
			}
			wantRefusal(t, c.do(b, ana, ben), "there may be a copy of it")
		})
	}
}

// TestPasskeysAreNotLocked: they cannot be guessed, and are the way out for somebody whose codes a stranger has locked.
func TestPasskeysAreNotLocked(t *testing.T) {
	b, ana := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2)
	b.enrolPasskey("Ana", ana)
	b.enrolTOTP(noon.Add(-time.Hour), "Ana")
	ana.key.Counter = 2
	for range wrongMax {
		_, err := b.assert(noon, "Ana", contentA, json.RawMessage(`{}`))
		wantRefusal(t, err, "no assertion of a passkey")
		_, err = b.code(noon, "Ana", "wrong")
		wantRefusal(t, err, "not the code")
	}
	_, err := b.code(noon, "Ana", "wrong")
	wantRefusal(t, err, "locked for another")
	if _, err := b.assert(noon, "Ana", contentA, ana.get(t, b.challenge("Ana", contentA))); err != nil {
		t.Errorf("Ana has no way left: %v", err)
	}
}

// TestPasskeyWithoutCounter: many passkeys count nothing; their challenges alone keep them from being used twice.
func TestPasskeyWithoutCounter(t *testing.T) {
	b, ana := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2)
	ana.key.Counter = 0
	b.enrolPasskey("Ana", ana)
	for range 2 {
		if _, err := b.assert(noon, "Ana", contentA, ana.get(t, b.challenge("Ana", contentA))); err != nil {
			t.Error(err)
		}
	}
}

func TestPasskeyEnrolment(t *testing.T) {
	b, ana := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2)
	options, err := b.StartPasskey(noon, "Ana")
	if err != nil {
		t.Fatal(err)
	}
	response := ana.create(t, options)
	_, err = b.ConfirmPasskey(noon, "Ben", response)
	wantRefusal(t, err, "under way for Ben")
	_, err = b.ConfirmPasskey(noon, "Ana", response)
	wantRefusal(t, err, "under way for Ana") // the first attempt used it up
	b.enrolPasskey("Ana", ana)
	options, err = b.StartPasskey(noon, "Ana")
	if err != nil {
		t.Fatal(err)
	}
	asked, _ := virtualwebauthn.ParseAttestationOptions(string(options))
	if !ana.key.IsExcludedForAttestation(*asked) {
		t.Error("an authenticator is not told that it is enrolled already")
	}
	_, err = b.ConfirmPasskey(noon, "Ana", ana.create(t, options))
	wantRefusal(t, err, "enrolled that passkey already")
	weak := newAuthenticator(virtualwebauthn.KeyTypeEC2)
	weak.Options.UserNotVerified = true
	options, _ = b.StartPasskey(noon, "Ana")
	_, err = b.ConfirmPasskey(noon, "Ana", weak.create(t, options))
	wantRefusal(t, err, "did not verify who used it")
	if _, err := (RelyingParty{ID: "127.0.0.1", Name: "x", Origins: []string{"http://127.0.0.1"}}).party(); lifeboat.KindOf(err) != lifeboat.Invalid {
		t.Errorf("an IP address has passkeys: %v", err)
	}
}

// TestChallengesAreBounded: whoever asks for many pushes out their own oldest, and nobody else's.
func TestChallengesAreBounded(t *testing.T) {
	b, ana, ben := newBench(t, keys), newAuthenticator(virtualwebauthn.KeyTypeEC2), newAuthenticator(virtualwebauthn.KeyTypeEC2)
	b.enrolPasskey("Ana", ana)
	b.enrolPasskey("Ben", ben)
	ana.key.Counter, ben.key.Counter = 2, 2
	bens, first := b.challenge("Ben", contentA), b.challenge("Ana", contentA)
	for range ceremoniesMax {
		b.challenge("Ana", contentA)
	}
	if len(b.ceremonies) != ceremoniesMax+1 {
		t.Errorf("%d challenges are open", len(b.ceremonies))
	}
	_, err := b.assert(noon, "Ana", contentA, ana.get(t, first))
	wantRefusal(t, err, "no challenge that is open")
	if _, err := b.assert(noon, "Ben", contentA, ben.get(t, bens)); err != nil {
		t.Errorf("Ben's challenge is gone: %v", err)
	}
}

// FuzzAssertion: without the key nothing passes, and nothing makes it panic.
func FuzzAssertion(f *testing.F) {
	t := &testing.T{}
	ana := newAuthenticator(virtualwebauthn.KeyTypeEC2)
	b := bench{}
	{
		store, err := OpenStore(f.TempDir() + "/factors.json")
		if err != nil {
			f.Fatal(err)
		}
		c, err := NewChecker(store, keys)
		if err != nil {
			f.Fatal(err)
		}
		b.Checker = c
		options, err := c.StartPasskey(noon, "Ana")
		if err != nil {
			f.Fatal(err)
		}
		if _, err := c.ConfirmPasskey(noon, "Ana", ana.create(t, options)); err != nil {
			f.Fatal(err)
		}
		ana.key.Counter = 2
		signed, err := c.Challenge(f.Context(), noon, "Ana", contentA)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(ana.get(t, signed)))
	}
	f.Add([]byte(`{"id":"","rawId":"","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, assertion []byte) {
		if f, err := b.Check(t.Context(), noon.Add(ceremonyMax), Claim{Person: "Ana", Kind: "webauthn", Content: contentA, Assertion: assertion}); err == nil {
			t.Errorf("%s passed as %+v", assertion, f)
		}
	})
}
