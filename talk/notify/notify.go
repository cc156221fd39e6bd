// Package notify brings messages to people: by mail, SMS and call, PagerDuty, signed webhook, Alertmanager and, through
// shoutrrr, whatever else people read.
//
// [Router] is what the flow talks to. It queues a message at once and brings it to each addressee by the first of the
// person's channels that takes it; one that fails or is slow falls through to the next within seconds. An emergency goes
// by all of them together. Below tier 3 a message waits out the person's quiet hours. Of a [Channel] nothing is asked but
// one attempt. [Console], [Log] and [Tee] tell those who look on.
//
// A message arrives at least once, and carries its key as whatever the channel has for telling a repeat: Message-ID,
// dedup_key, Idempotency-Key, the last word of an SMS. What was queued when the program ends is queued again by the flow,
// which asks after it.
//
// The package reads no reply and never turns to another person when one is silent: talk/escalate does. A channel that
// took a message has taken it; whether a person read it only an acknowledgement says.
package notify

import (
	"context"
	"time"

	"lifeboat"
)

// Channel is one way to one person. Send makes one attempt and gives up when ctx does. An error means that the message
// may not have arrived, and names neither keys nor the addresses that hold them.
type Channel interface {
	Send(ctx context.Context, d Delivery) error
}

// Standing of the matter that a message is about.
type Standing uint8

const (
	Open  Standing = iota
	Taken          // somebody has acknowledged it
	Over
)

// Delivery is a message on its way to one person, in words.
type Delivery struct {
	Key      lifeboat.Key
	Thread   lifeboat.Key // of the first message about the matter; Key when this is it
	Person   string
	At       time.Time // when the flow sent it
	Tier     lifeboat.Tier
	Question bool
	Standing Standing
	Subject  string // one line
	Text     string // the body, in full
	Short    string // at most 160 characters, the key last
	Spoken   string // to be read out
	Link     string // where the person acknowledges or answers; "" when the plan names no address
	Content  string // digest of what a yes permits; "" when there is nothing to sign
}

// ID tells a repeat of this delivery from another message, and this addressee from another one.
func (d Delivery) ID() string { return string(lifeboat.NewKey(d.Key, d.Person)) }
