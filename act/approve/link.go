package approve

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"lifeboat"
)

// Purposes of a link. One made for the first does not do the second.
const (
	ForAnswer      = "answer"
	ForAcknowledge = "acknowledge"
)

// Link takes somebody from a message to its question. It says who was told and of what, and nothing more: opening it decides
// nothing, since mail programs open links by themselves, and where a second factor is wanted it is still wanted.
type Link struct {
	Purpose  string       `json:"p"`
	Question lifeboat.Key `json:"q"`
	Person   string       `json:"w"`
	Answer   string       `json:"a,omitempty"` // yes or no: what the page has ready
	Until    time.Time    `json:"u"`           // to the second
}

// LinkKey signs links. It is made from the secret of the plan's messages and good for nothing else.
type LinkKey []byte

// linkMax bounds a token in bytes, secretLeast the secret in characters.
const (
	linkMax     = 2048
	secretLeast = 16
)

// KeyOf makes the key from the value of messages.secret.
func KeyOf(secret string) (LinkKey, error) {
	if len(secret) < secretLeast {
		return nil, &lifeboat.Problem{Reason: "plan-invalid",
			What: fmt.Sprintf("the secret that signs links has less than %d characters", secretLeast),
			Next: "openssl rand -hex 32 makes a good one"}
	}
	return sum([]byte(secret), "lifeboat: key of links, 1"), nil
}

// Sign makes the token of a link, for an address.
func Sign(key LinkKey, l Link) string {
	l.Until = l.Until.UTC().Truncate(time.Second)
	body, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("approve: link that cannot be written down: %v", err)) // a year past 9999
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return text + "." + base64.RawURLEncoding.EncodeToString(sum(key, text))
}

// OpenLink reads a token that was signed with the key and has not expired.
func OpenLink(key LinkKey, token string, at time.Time) (Link, error) {
	text, signature, _ := strings.Cut(token, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if len(key) == 0 || len(token) > linkMax || err != nil || !hmac.Equal(given, sum(key, text)) {
		return Link{}, refused("the link is not one that lifeboat made, or a part of it is missing")
	}
	var l Link
	body, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		err = json.Unmarshal(body, &l)
	}
	if err != nil || l.Question == "" || l.Person == "" || l.Purpose != ForAnswer && l.Purpose != ForAcknowledge {
		return Link{}, refused("the link is one of another version of lifeboat")
	}
	if !at.Before(l.Until) {
		return Link{}, refused("the link expired at %s", instant(l.Until))
	}
	return l, nil
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
