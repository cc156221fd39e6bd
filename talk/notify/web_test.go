package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/PagerDuty/go-pagerduty"

	"lifeboat/plan"
)

// A receiver with the secret believes a webhook, and nothing that was changed, is old, or is signed by somebody else.
func TestWebhook(t *testing.T) {
	receiver := serve(t, func(request) (int, string) { return 204, "" })
	c := open(t, plan.Messages{Secret: "${HOOK}"}, plan.Channel{Webhook: receiver.URL + "/in"}, Options{})
	for range 2 {
		if err := c.Send(t.Context(), sample()); err != nil {
			t.Fatal(err)
		}
	}
	asked := receiver.all()
	got := asked[0]
	now, secret := time.Now(), []byte(environment["HOOK"])
	if got.method != "POST" || got.path != "/in" || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("asked %s %s as %s", got.method, got.path, got.header.Get("Content-Type"))
	}
	if got.header.Get(HeaderRepeat) != sample().ID() || asked[1].header.Get(HeaderRepeat) != sample().ID() {
		t.Errorf("a repeat cannot be told: %v", got.header)
	}
	if err := Verify(secret, got.header, got.body, now); err != nil {
		t.Error(err)
	}
	var posted Posted
	if err := json.Unmarshal(got.body, &posted); err != nil || posted.Key != sample().Key || posted.To != "Ana" || posted.Tier != 3 || posted.Standing != "open" || posted.Link == "" {
		t.Errorf("posted %s, %v", got.body, err)
	}
	for name, spoiled := range map[string]func() error{
		"another body": func() error {
			return Verify(secret, got.header, bytes.Replace(got.body, []byte("Ana"), []byte("Eve"), 1), now)
		},
		"another secret": func() error { return Verify([]byte("guess"), got.header, got.body, now) },
		"a replay":       func() error { return Verify(secret, got.header, got.body, now.Add(ReplayWindow+2*time.Second)) },
		"from ahead":     func() error { return Verify(secret, got.header, got.body, now.Add(-ReplayWindow-2*time.Second)) },
		"no headers":     func() error { return Verify(secret, http.Header{}, got.body, now) },
		"a fresh stamp on an old signature": func() error {
			header := got.header.Clone()
			header.Set(HeaderTimestamp, "4102444800")
			return Verify(secret, header, got.body, time.Unix(4102444800, 0))
		},
	} {
		if spoiled() == nil {
			t.Errorf("%s was believed", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("1584374400", "v1=00", []byte("{}"))
	f.Add("", "", []byte(nil))
	f.Fuzz(func(t *testing.T, stamp, signature string, body []byte) {
		header := http.Header{HeaderTimestamp: {stamp}, HeaderSignature: {signature}}
		if Verify([]byte("a secret nobody guesses"), header, body, noon) == nil {
			t.Errorf("believed %q %q", stamp, signature)
		}
	})
}

// A server that would send the message elsewhere does not get it there, and a refusal is told without keys.
func TestRefusals(t *testing.T) {
	elsewhere := serve(t, func(request) (int, string) { return 200, "" })
	answer := func(status int, body string) func(request) (int, string) {
		return func(request) (int, string) { return status, body }
	}
	for _, tc := range []struct {
		name   string
		answer func(request) (int, string)
		want   string
	}{
		{"a refusal in words", answer(400, `routing key `+environment["PAGERDUTY"]+` is unknown`), "it answers 400 Bad Request: routing key … is unknown"},
		{"a page", answer(502, "<html>…</html>"), "it answers 502 Bad Gateway"},
		{"something else", answer(202, "{}"), "it did not confirm the event"},
	} {
		server := serve(t, tc.answer)
		c := open(t, plan.Messages{}, plan.Channel{PagerDuty: "${PAGERDUTY}"}, Options{PagerDuty: server.URL})
		if err := c.Send(t.Context(), sample()); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	away := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	err := open(t, plan.Messages{}, plan.Channel{PagerDuty: "${PAGERDUTY}"}, Options{PagerDuty: away.URL}).Send(t.Context(), sample())
	if err == nil || !strings.HasPrefix(err.Error(), "it answers 307 Temporary Redirect") || len(elsewhere.all()) != 0 {
		t.Errorf("a redirect: %v, and %d requests elsewhere", err, len(elsewhere.all()))
	}
}

// pagerRules hold an event to what PagerDuty documents of Events API v2.
func pagerRules(r request) (int, string) {
	decoder := json.NewDecoder(bytes.NewReader(r.body))
	decoder.DisallowUnknownFields()
	var e struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		DedupKey   string `json:"dedup_key"`
		Client     string `json:"client"`
		ClientURL  string `json:"client_url"`
		Links      []struct {
			Href, Text string
		} `json:"links"`
		Payload *struct {
			Summary, Source, Severity, Timestamp, Component, Group, Class string
			Details                                                       map[string]string `json:"custom_details"`
		} `json:"payload"`
	}
	err := decoder.Decode(&e)
	words := map[string]bool{"critical": true, "error": true, "warning": true, "info": true}
	switch {
	case r.method != "POST" || r.path != "/v2/enqueue" || r.header.Get("Content-Type") != "application/json":
		return 400, `{"status":"invalid","message":"not how events are sent"}`
	case err != nil || len(e.RoutingKey) != 32 || e.DedupKey == "" || len(e.DedupKey) > 255:
		return 400, `{"status":"invalid event","message":"keys"}`
	case e.Action == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len([]rune(e.Payload.Summary)) > 1024 || e.Payload.Source == "" || !words[e.Payload.Severity]):
		return 400, `{"status":"invalid event","message":"payload"}`
	case e.Action != "trigger" && e.Action != "acknowledge" && e.Action != "resolve":
		return 400, `{"status":"invalid event","message":"event_action"}`
	}
	return 202, `{"status":"success","message":"Event processed","dedup_key":"` + e.DedupKey + `"}`
}

// PagerDuty is told in the very words of its official client: a matter is triggered, acknowledged and resolved as one.
func TestPagerDuty(t *testing.T) {
	ours, official := serve(t, pagerRules), serve(t, pagerRules)
	c := open(t, plan.Messages{}, plan.Channel{PagerDuty: "${PAGERDUTY}"}, Options{PagerDuty: ours.URL})
	client := pagerduty.NewClient("", pagerduty.WithV2EventsAPIEndpoint(official.URL))
	for standing, action := range map[Standing]string{Open: "trigger", Taken: "acknowledge", Over: "resolve"} {
		d := sample()
		d.Standing, d.Key = standing, "lb-another"
		if err := c.Send(t.Context(), d); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
		e := &pagerduty.V2Event{RoutingKey: environment["PAGERDUTY"], Action: action, DedupKey: string(d.Thread)}
		if standing == Open {
			e.Client, e.Links = "lifeboat", []any{map[string]string{"href": d.Link, "text": "acknowledge or answer"}}
			e.Payload = &pagerduty.V2Payload{Summary: d.Subject, Source: "Family", Severity: "critical", Timestamp: "2020-03-16T16:00:00Z",
				Details: map[string]string{"text": d.Text, "to": "Ana", "key": "lb-another"}}
		}
		if _, err := client.ManageEventWithContext(t.Context(), e); err != nil {
			t.Fatalf("the official client, %s: %v", action, err)
		}
		mine, theirs := ours.all(), official.all()
		if have, want := decoded(t, mine[len(mine)-1].body), decoded(t, theirs[len(theirs)-1].body); !reflect.DeepEqual(have, want) {
			t.Errorf("%s: we say\n%v\nand the official client\n%v", action, have, want)
		}
	}
}

func decoded(t *testing.T, body []byte) (all any) {
	t.Helper()
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// twilioRules hold a request to what Twilio documents of messages and calls.
func twilioRules(rang string) func(request) (int, string) {
	account := "/2010-04-01/Accounts/" + environment["TWILIO_SID"]
	return func(r request) (int, string) {
		form, err := url.ParseQuery(string(r.body))
		number := func(key string) bool { return strings.HasPrefix(form.Get(key), "+") && len(form.Get(key)) >= 8 }
		switch {
		case r.user != environment["TWILIO_SID"] || r.pass != environment["TWILIO_TOKEN"]:
			return 401, `{"code":20003,"message":"Authenticate"}`
		case r.method == "GET" && r.path == account+"/Calls/CA1.json":
			return 200, `{"sid":"CA1","status":"` + rang + `"}`
		case r.method != "POST" || err != nil || r.header.Get("Content-Type") != "application/x-www-form-urlencoded" || !number("To") || !number("From"):
			return 400, `{"code":21211,"message":"Invalid 'To' Phone Number"}`
		case r.path == account+"/Messages.json" && form.Get("Body") != "" && len([]rune(form.Get("Body"))) <= 1600:
			return 201, `{"sid":"SM1","status":"queued","error_message":null}`
		case r.path == account+"/Calls.json" && len(form.Get("Twiml")) > 0 && len(form.Get("Twiml")) <= 4000:
			return 201, `{"sid":"CA1","status":"queued"}`
		}
		return 404, `{"code":20404,"message":"not found"}`
	}
}

func twilioPlan(server string) plan.Messages {
	return plan.Messages{Twilio: &plan.Twilio{Account: "${TWILIO_SID}", Token: "${TWILIO_TOKEN}", From: "+15550100200", URL: server}}
}

func TestTwilio(t *testing.T) {
	server := serve(t, twilioRules("completed"))
	text := open(t, twilioPlan(server.URL), plan.Channel{SMS: "+41791234567"}, Options{})
	ring := open(t, twilioPlan(server.URL), plan.Channel{Call: "+41791234567"}, Options{})
	for _, c := range []Channel{text, ring} {
		if err := c.Send(t.Context(), sample()); err != nil {
			t.Fatal(err)
		}
	}
	asked := server.all()
	sms, _ := url.ParseQuery(string(asked[0].body))
	if body := sms.Get("Body"); len([]rune(body)) > 160 || !strings.HasSuffix(body, string(sample().Key)) || !strings.HasPrefix(body, "!! SPY fell 12 %") {
		t.Errorf("the text is %q", body)
	}
	called, _ := url.ParseQuery(string(asked[1].body))
	var said struct {
		XMLName xml.Name `xml:"Response"`
		Gather  []struct {
			Digits int      `xml:"numDigits,attr"`
			Action string   `xml:"action,attr"`
			Method string   `xml:"method,attr"`
			Say    []string `xml:"Say"`
		} `xml:"Gather"`
	}
	if err := xml.Unmarshal([]byte(called.Get("Twiml")), &said); err != nil {
		t.Fatalf("%v in %s", err, called.Get("Twiml"))
	}
	if g := said.Gather; len(g) != 2 || g[0].Digits != 1 || g[0].Method != "POST" || g[0].Action != sample().Link+"/keypad" || !strings.Contains(g[0].Say[0], "SPY fell 12 % <today> & more") {
		t.Errorf("it says %+v", said)
	}
	wrong := twilioPlan(server.URL)
	wrong.Twilio.Token = "${HOOK}"
	if err := open(t, wrong, plan.Channel{SMS: "+41791234567"}, Options{}).Send(t.Context(), sample()); err == nil || strings.Contains(err.Error(), environment["HOOK"]) {
		t.Errorf("a wrong token: %v", err)
	}
}

// Slack and ntfy through shoutrrr, against endpoints that know their wire format.
func TestShoutrrr(t *testing.T) {
	ntfy := serve(t, func(r request) (int, string) {
		if r.method != "POST" || r.path != "/alarms" || r.user != "lifeboat" || r.pass != environment["NTFY"] {
			return 401, `{"code":40101,"http":401,"error":"unauthorized"}`
		}
		return 200, `{"id":"x"}`
	})
	c := open(t, plan.Messages{}, plan.Channel{Shoutrrr: "ntfy://lifeboat:${NTFY}@" + strings.TrimPrefix(ntfy.URL, "http://") + "/alarms?scheme=http"}, Options{})
	if err := c.Send(t.Context(), sample()); err != nil {
		t.Fatal(err)
	}
	if body := string(ntfy.all()[0].body); !strings.HasPrefix(body, "Family: EMERGENCY: SPY fell 12 %") || !strings.Contains(body, string(sample().Key)) {
		t.Errorf("ntfy got %q", body)
	}

	slack := serve(t, func(r request) (int, string) {
		var message struct {
			Text        string `json:"text"`
			Attachments []any  `json:"attachments"`
		}
		if r.method != "POST" || r.path != "/services/T01234567/B01234567/abcdefghijklmnopqrstuvwx" || r.header.Get("Content-Type") != "application/json" {
			return 403, "invalid_token"
		}
		if err := json.Unmarshal(r.body, &message); err != nil || message.Text == "" && len(message.Attachments) == 0 {
			return 400, "no_text"
		}
		return 200, "ok"
	})
	redirect(t, "hooks.slack.com", slack.URL)
	address := plan.Channel{Shoutrrr: "slack://hook:${SLACK}@webhook"}
	if err := open(t, plan.Messages{}, address, Options{}).Send(t.Context(), sample()); err != nil {
		t.Fatal(err)
	}
	if body := string(slack.all()[0].body); !strings.Contains(body, "SPY fell 12 %") {
		t.Errorf("slack got %s", body)
	}
}

// redirect sends what is meant for a host on the internet to a server here.
func redirect(t *testing.T, host, to string) {
	t.Helper()
	before, target := http.DefaultTransport, strings.TrimPrefix(to, "http://")
	http.DefaultTransport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == host {
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = "http", target
		}
		return before.RoundTrip(r)
	})
	t.Cleanup(func() { http.DefaultTransport = before })
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A service that is out of reach, or refuses, is told of without any piece of its keys.
func TestShoutrrrKeepsSecrets(t *testing.T) {
	redirect(t, "hooks.slack.com", "http://127.0.0.1:1")
	refuses := serve(t, func(r request) (int, string) { return 403, "who is " + r.pass })
	for _, address := range []string{
		"slack://hook:${SLACK}@webhook", "slack://hook:${SLACK}-@webhook", "ntfy://lifeboat:${NTFY}@127.0.0.1:1/alarms?scheme=http",
		"ntfy://lifeboat:${NTFY}@" + strings.TrimPrefix(refuses.URL, "http://") + "/alarms?scheme=http", "ntfy://lifeboat:${NTFY}@[::1/alarms",
		"telegram://${SLACK}@telegram?chats=1", "discord://${SLACK}@", "pushover://shoutrrr:${SLACK}@${NTFY}/?devices=%zz",
	} {
		p := &plan.Plan{People: []plan.Person{{Name: "Ana", Channels: []plan.Channel{{Shoutrrr: address}}}}}
		r, err := New(p, Options{Env: env})
		if err == nil {
			ctx, cancel := context.WithTimeout(t.Context(), channelMax)
			err = r.people[0].channels[0].Send(ctx, sample())
			cancel()
		}
		if err == nil {
			t.Errorf("%s was taken", address)
			continue
		}
		for _, name := range []string{"SLACK", "NTFY"} {
			for _, piece := range append(strings.Split(environment[name], "-"), environment[name]) {
				if strings.Contains(err.Error(), piece) {
					t.Errorf("%s: %v", address, err)
				}
			}
		}
	}
}
