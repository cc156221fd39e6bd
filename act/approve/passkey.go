package approve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"lifeboat"
)

// RelyingParty is who passkeys are made for: a host name, and the addresses at which people open lifeboat.
type RelyingParty struct {
	ID      string   // a host name such as localhost; an IP address cannot have passkeys
	Name    string   // as browsers show it
	Origins []string // http://localhost:8420
}

func (r RelyingParty) party() (*webauthn.WebAuthn, error) {
	party, err := webauthn.New(&webauthn.Config{
		RPID: r.ID, RPDisplayName: r.Name, RPOrigins: r.Origins,
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired},
	})
	if err == nil && (r.ID == "" || r.Name == "") {
		err = fmt.Errorf("it needs a host name and a name to show")
	}
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "plan-invalid", What: fmt.Sprintf("passkeys cannot be set up for %q: %s", r.ID, err), Err: err}
	}
	return party, nil
}

// nonceSize bytes of chance come first in a challenge; the 32 bytes of the content's digest follow. So what an authenticator
// signed says by itself what it was signed for, and no two challenges are the same.
const nonceSize = 32

// Challenge begins to sign a content with a passkey. What it gives is for navigator.credentials.get in the browser, and what that
// gives is the Assertion of a Claim.
func (c *Checker) Challenge(_ context.Context, at time.Time, person, content string) (json.RawMessage, error) {
	if !isDigest(content) {
		return nil, refused("there is nothing that a second factor could sign")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.enrolled(at, person, "webauthn")
	if err != nil {
		return nil, err
	}
	digest, err := hex.DecodeString(content)
	if err != nil {
		return nil, refused("there is nothing that a second factor could sign")
	}
	options, session, err := c.passkeys.BeginLogin(c.holder(person, e), webauthn.WithChallenge(append(chance(nonceSize), digest...)))
	if err != nil {
		return nil, fmt.Errorf("make challenge: %w", err)
	}
	c.begin(at, ceremony{purpose: "sign", name: session.Challenge, person: person, content: content, session: *session})
	return json.Marshal(options)
}

// checkPasskey holds an assertion against the challenge that it answers. A challenge is used up by the first attempt at it.
func (c *Checker) checkPasskey(at time.Time, claim Claim, e enrolment) (lifeboat.Factor, error) {
	if len(claim.Assertion) > claimMax {
		return lifeboat.Factor{}, refused("what the browser sent is too large for a passkey")
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(claim.Assertion)
	if err != nil {
		return lifeboat.Factor{}, refused("what the browser sent is no assertion of a passkey")
	}
	challenge := parsed.Response.CollectedClientData.Challenge
	begun, ok := c.begun(at, "sign", challenge)
	c.end("sign", challenge)
	switch {
	case !ok:
		return lifeboat.Factor{}, refused("the passkey signed no challenge that is open: it was used before, or took longer than %s",
			ceremonyMax)
	case begun.person != claim.Person:
		return lifeboat.Factor{}, refused("the passkey signed a challenge for somebody else")
	case begun.content != claim.Content || !binds(challenge, claim.Content):
		return lifeboat.Factor{}, refused("the passkey signed something else than what is shown now")
	}
	used, err := c.passkeys.ValidateLogin(c.holder(claim.Person, e), begun.session, parsed)
	if err != nil {
		return lifeboat.Factor{}, refused(
			"the passkey does not fit: it is not %s's, it did not verify who used it, or the page was not lifeboat's own", claim.Person)
	}
	if used.Authenticator.CloneWarning {
		return lifeboat.Factor{}, refused("the passkey's counter did not go up: there may be a copy of it; remove it and enrol another")
	}
	return lifeboat.Factor{Kind: "webauthn", ID: base64.RawURLEncoding.EncodeToString(used.ID), Content: claim.Content,
		Counter: int64(used.Authenticator.SignCount)}, nil
}

// binds reports whether a signed challenge ends in a content's digest.
func binds(challenge, content string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(challenge)
	digest, bad := hex.DecodeString(content)
	return err == nil && bad == nil && len(raw) == nonceSize+len(digest) && bytes.Equal(raw[nonceSize:], digest)
}

// StartPasskey begins to enrol a passkey; what it gives is for navigator.credentials.create in the browser.
func (c *Checker) StartPasskey(at time.Time, person string) (json.RawMessage, error) {
	if c.passkeys == nil {
		return nil, refused("this lifeboat is not set up for webauthn")
	}
	handle, err := c.store.handle(person)
	if err != nil {
		return nil, err
	}
	e, err := c.store.of(person)
	if err != nil {
		return nil, err
	}
	e.Handle = handle
	c.mu.Lock()
	defer c.mu.Unlock()
	holder := c.holder(person, e)
	known := webauthn.Credentials(holder.credentials).CredentialDescriptors()
	options, session, err := c.passkeys.BeginRegistration(holder, webauthn.WithExclusions(known))
	if err != nil {
		return nil, fmt.Errorf("begin enrolment: %w", err)
	}
	c.begin(at, ceremony{purpose: "enrol", name: session.Challenge, person: person, session: *session})
	return json.Marshal(options)
}

// ConfirmPasskey enrols what the browser made of StartPasskey.
func (c *Checker) ConfirmPasskey(at time.Time, person string, response json.RawMessage) (Credential, error) {
	if c.passkeys == nil {
		return Credential{}, refused("this lifeboat is not set up for webauthn")
	}
	if len(response) > claimMax {
		return Credential{}, refused("what the browser sent is too large for a passkey")
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, refused("what the browser sent is no new passkey")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	challenge := parsed.Response.CollectedClientData.Challenge
	begun, ok := c.begun(at, "enrol", challenge)
	c.end("enrol", challenge)
	if !ok || begun.person != person {
		return Credential{}, refused("no enrolment of a passkey is under way for %s, or it took longer than %s", person, ceremonyMax)
	}
	e, err := c.store.of(person)
	if err != nil {
		return Credential{}, err
	}
	made, err := c.passkeys.CreateCredential(c.holder(person, e), begun.session, parsed)
	if err != nil {
		return Credential{}, refused("the passkey was not made as asked: it did not verify who used it, or the page was not lifeboat's own")
	}
	made.Attestation = webauthn.CredentialAttestation{} // nothing is concluded from who made the authenticator
	enrolled := passkey{Credential: *made, Enrolled: at}
	err = c.store.change(person, func(e *enrolment) error {
		if slices.ContainsFunc(e.Passkeys, func(p passkey) bool { return bytes.Equal(p.Credential.ID, made.ID) }) {
			return refused("%s has enrolled that passkey already", person)
		}
		e.Passkeys = append(e.Passkeys, enrolled)
		return nil
	})
	return Credential{ID: enrolled.id(), Kind: "webauthn", Enrolled: at}, err
}

// holder is a person as the library knows one.
type holder struct {
	name        string
	handle      []byte
	credentials []webauthn.Credential
}

func (h holder) WebAuthnID() []byte                         { return h.handle }
func (h holder) WebAuthnName() string                       { return h.name }
func (h holder) WebAuthnDisplayName() string                { return h.name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return h.credentials }

// holder with each passkey's counter as the journal has it.
func (c *Checker) holder(person string, e enrolment) holder {
	h := holder{name: person, handle: e.Handle}
	for _, p := range e.Passkeys {
		p.Credential.Authenticator.SignCount = max(p.Credential.Authenticator.SignCount, uint32(c.last[credentialKey{"webauthn", p.id()}]))
		h.credentials = append(h.credentials, p.Credential)
	}
	return h
}
