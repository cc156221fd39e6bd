package approve

import (
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"lifeboat"
)

// A code lives for a step of 30 seconds. One step to either side counts too, for clocks that differ.
const (
	stepSeconds = 30
	skewSteps   = 1
	codeDigits  = otp.DigitsSix
)

// stepOf finds the step for which a code was made: the first one after last within the skew. Steps that were used never match
// again, and neither do those before them.
func stepOf(at time.Time, secret, code string, last int64) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "") // as apps print them: 123 456
	now := at.Unix() / stepSeconds
	for step := max(now-skewSteps, last+1); step <= now+skewSteps; step++ {
		match, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: codeDigits, Algorithm: otp.AlgorithmSHA1})
		if err == nil && match {
			return step, true
		}
	}
	return 0, false
}

// checkCode holds a code against the secrets of a person.
func (c *Checker) checkCode(at time.Time, claim Claim, e enrolment) (lifeboat.Factor, error) {
	for _, t := range e.TOTP {
		last := max(t.Step, c.last[credentialKey{"totp", t.ID}])
		if step, ok := stepOf(at, t.Secret, claim.Code, last); ok {
			return lifeboat.Factor{Kind: "totp", ID: t.ID, Content: claim.Content, Counter: step}, nil
		}
	}
	for _, t := range e.TOTP {
		if _, ok := stepOf(at, t.Secret, claim.Code, 0); ok {
			return lifeboat.Factor{}, refused("that code of %s was used before", claim.Person)
		}
	}
	return lifeboat.Factor{}, refused("that is not the code which %s's authenticator shows now", claim.Person)
}

// StartTOTP makes a secret for a person and gives the otpauth address for the authenticator, once. It counts when ConfirmTOTP
// has seen a code of it.
func (c *Checker) StartTOTP(at time.Time, person string) (uri string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: "lifeboat", AccountName: person, SecretSize: 20, Period: stepSeconds, Digits: codeDigits})
	if err != nil {
		return "", fmt.Errorf("make secret: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin(at, ceremony{person: person, purpose: "totp", name: person, secret: key.Secret()})
	return key.URL(), nil
}

// ConfirmTOTP enrols the secret that StartTOTP made, if the code is one of it. That code is used up.
func (c *Checker) ConfirmTOTP(at time.Time, person, code string) (Credential, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun, ok := c.begun(at, "totp", person)
	if !ok {
		return Credential{}, refused("no enrolment of a code is under way for %s, or it took longer than %s", person, ceremonyMax)
	}
	if err := c.locked(at, person, "totp"); err != nil {
		return Credential{}, err
	}
	step, ok := stepOf(at, begun.secret, code, 0)
	if !ok {
		c.failed(at, person, "totp")
		return Credential{}, refused("that is not the code which the authenticator shows now")
	}
	enrolled := secret{ID: newID("totp"), Secret: begun.secret, Step: step, Enrolled: at}
	err := c.store.change(person, func(e *enrolment) error { e.TOTP = append(e.TOTP, enrolled); return nil })
	if err != nil {
		return Credential{}, err
	}
	c.end("totp", person)
	return Credential{ID: enrolled.ID, Kind: "totp", Enrolled: at}, nil
}
