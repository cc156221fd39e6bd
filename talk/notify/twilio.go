package notify

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// twilio sends texts and makes calls. Its API knows no key for repeats: after a lost answer a phone may ring twice, and a
// text ends with the message's key so that people can tell.
type twilio struct {
	web
	url, account, token, from string
}

const twilioURL = "https://api.twilio.com"

// sms texts one number.
type sms struct {
	twilio
	to string
}

func (c sms) Send(ctx context.Context, d Delivery) error {
	_, err := c.create(ctx, "Messages", url.Values{"To": {c.to}, "From": {c.from}, "Body": {d.Short}, "SmartEncoded": {"true"}})
	return err
}

// call rings one number and reads the message out, twice.
type call struct {
	twilio
	to string
}

func (c call) Send(ctx context.Context, d Delivery) error {
	_, err := c.ring(ctx, d)
	return err
}

func (c call) ring(ctx context.Context, d Delivery) (id string, err error) {
	return c.create(ctx, "Calls", url.Values{"To": {c.to}, "From": {c.from}, "Twiml": {voice(d)}})
}

// create makes a message or a call, and hands over its SID.
func (c twilio) create(ctx context.Context, what string, form url.Values) (id string, err error) {
	answer, err := c.ask(ctx, http.MethodPost, what+".json", form)
	if err != nil {
		return "", err
	}
	var made struct {
		SID     string `json:"sid"`
		Message string `json:"error_message"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.SID == "" {
		return "", errors.New("it did not say what it made" + c.said([]byte(made.Message)))
	}
	return made.SID, nil
}

// status of a call: queued, ringing, in-progress, completed, busy, no-answer, failed or canceled.
func (c twilio) status(ctx context.Context, id string) (string, error) {
	answer, err := c.ask(ctx, http.MethodGet, "Calls/"+url.PathEscape(id)+".json", nil)
	if err != nil {
		return "", err
	}
	var made struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(answer, &made); err != nil || made.Status == "" {
		return "", errors.New("it did not say how the call went")
	}
	return made.Status, nil
}

func (c twilio) ask(ctx context.Context, method, what string, form url.Values) ([]byte, error) {
	address := fmt.Sprintf("%s/2010-04-01/Accounts/%s/%s", c.url, url.PathEscape(c.account), what)
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, errors.New("its address cannot be asked")
	}
	request.SetBasicAuth(c.account, c.token)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return c.do(request)
}

// keyWait is how many seconds the call waits for a key after it has spoken.
const keyWait = 10

// keypad is what follows a link where a key of the phone acknowledges.
const keypad = "/keypad"

// voice is what the phone says, in TwiML. Where there is a link, the key 1 acknowledges: Twilio posts it there as Digits.
func voice(d Delivery) string {
	var spoken strings.Builder
	_ = xml.EscapeText(&spoken, []byte(d.Spoken)) // a Builder takes everything
	say := "<Say>" + spoken.String() + "</Say>"
	if d.Link == "" {
		return "<Response>" + say + "<Pause length=\"1\"/>" + say + "</Response>"
	}
	var action strings.Builder
	_ = xml.EscapeText(&action, []byte(d.Link+keypad))
	gather := fmt.Sprintf(`<Gather numDigits="1" timeout="%d" method="POST" action="%s">%s<Say>Press 1 to acknowledge.</Say></Gather>`, keyWait, action.String(), say)
	return "<Response>" + gather + gather + "<Say>Nobody acknowledged. lifeboat goes on calling.</Say></Response>"
}
