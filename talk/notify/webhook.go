package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lifeboat"
)

// webhook posts signed JSON to an address of the owner's.
type webhook struct {
	web
	url    string
	secret []byte
	clock  lifeboat.Clock
}

// Headers of a webhook. The signature is v1= and the hex HMAC-SHA256, under the plan's messages.secret, of the timestamp, a
// full stop and the body.
const (
	HeaderTimestamp = "Lifeboat-Timestamp" // Unix seconds at which the request was made
	HeaderSignature = "Lifeboat-Signature"
	HeaderRepeat    = "Idempotency-Key" // the same for every attempt at one delivery
)

// ReplayWindow is how old a webhook may be that a receiver still believes.
const ReplayWindow = 5 * time.Minute

// Posted is the body of a webhook.
type Posted struct {
	Key      lifeboat.Key  `json:"key"`
	Thread   lifeboat.Key  `json:"thread"`
	To       string        `json:"to"`
	At       time.Time     `json:"at"`
	Tier     lifeboat.Tier `json:"tier"`
	Question bool          `json:"question"`
	Standing string        `json:"standing"` // open, taken or over
	Subject  string        `json:"subject"`
	Text     string        `json:"text"`
	Link     string        `json:"link,omitempty"`
	Content  string        `json:"content,omitempty"`
}

func (c webhook) Send(ctx context.Context, d Delivery) error {
	body, err := json.Marshal(Posted{Key: d.Key, Thread: d.Thread, To: d.Person, At: d.At, Tier: d.Tier, Question: d.Question,
		Standing: d.Standing.String(), Subject: d.Subject, Text: d.Text, Link: d.Link, Content: d.Content})
	if err != nil {
		return fmt.Errorf("write the body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("its address cannot be asked")
	}
	stamp := strconv.FormatInt(c.clock.Now().Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set(HeaderRepeat, d.ID())
	request.Header.Set(HeaderTimestamp, stamp)
	request.Header.Set(HeaderSignature, "v1="+hex.EncodeToString(signature(c.secret, stamp, body)))
	_, err = c.do(request)
	return err
}

// Verify is what a receiver does before it believes a webhook: the signature fits, and it is not older, nor from further
// ahead, than the replay window. A receiver that must not act twice also remembers Idempotency-Key for that long.
func Verify(secret []byte, header http.Header, body []byte, at time.Time) error {
	stamp := header.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("the webhook has no timestamp")
	}
	given, known := strings.CutPrefix(header.Get(HeaderSignature), "v1=")
	mac, err := hex.DecodeString(given)
	if !known || err != nil || !hmac.Equal(mac, signature(secret, stamp, body)) {
		return errors.New("the webhook's signature does not fit")
	}
	if age := at.Sub(time.Unix(seconds, 0)); age.Abs() > ReplayWindow {
		return fmt.Errorf("the webhook is from %s, outside the %s in which it counts", time.Unix(seconds, 0).UTC().Format(time.RFC3339), ReplayWindow)
	}
	return nil
}

func signature(secret []byte, stamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(stamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

func (s Standing) String() string { return [...]string{"open", "taken", "over"}[min(s, Over)] }
