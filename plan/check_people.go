package plan

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checkPeople looks at how people are reached, and at what the messages leave by.
func (d *decoder) checkPeople(p *Plan) {
	m := Messages{}
	if p.Messages != nil {
		m = *p.Messages
		d.checkMessages(m)
	}
	for i, person := range p.People {
		path := fmt.Sprintf("people[%d]", i)
		if person.Name == "automatic" || person.Name == "everybody" {
			d.faultAt(path+".name", fmt.Sprintf("nobody can be called %q, which has a meaning of its own", person.Name), "")
		}
		for j, c := range person.Channels {
			d.checkChannel(fmt.Sprintf("%s.channels[%d]", path, j), c, m)
		}
		if person.Quiet != nil {
			d.checkQuiet(path+".quiet", *person.Quiet, p.Portfolio.TimeZone)
		}
	}
}

func (d *decoder) checkChannel(path string, c Channel, m Messages) {
	kinds := kindsOf(reflect.ValueOf(c))
	if len(kinds) != 1 {
		if !d.bad[path] {
			is := "is of none"
			if len(kinds) > 1 {
				is = "is " + strings.Join(kinds, " and ")
			}
			d.faultAt(path, fmt.Sprintf("a channel is of one kind (%s), and this one %s", orList(allKinds(reflect.TypeFor[Channel]())), is), "")
		}
		return
	}
	at := path + "." + kinds[0]
	switch kinds[0] {
	case "mail":
		d.checkMail(at, c.Mail)
		d.wantsFor(at, "mail", "messages.smtp", m.SMTP != nil)
	case "sms":
		d.checkNumber(at, c.SMS)
		d.wantsFor(at, "a text", "messages.twilio", m.Twilio != nil)
	case "call":
		d.checkNumber(at, c.Call)
		d.wantsFor(at, "a call", "messages.twilio", m.Twilio != nil)
	case "pagerduty":
		d.checkKey(at, "pagerduty", c.PagerDuty)
	case "webhook":
		d.checkServer(at, "webhook", c.Webhook)
		d.wantsFor(at, "a webhook", "messages.secret", m.Secret != "")
	case "alertmanager":
		d.checkServer(at, "alertmanager", c.Alertmanager)
	case "shoutrrr":
		d.checkShoutrrr(at, c.Shoutrrr)
	}
}

func (d *decoder) wantsFor(path, what, wants string, there bool) {
	if !there && !d.unread["messages"] && !d.unread[""] && !d.bad["messages"] {
		d.faultAt(path, fmt.Sprintf("%s wants %s, which the plan does not have", what, wants), "")
	}
}

// isReference reports a text that is ${NAME} and nothing else.
func isReference(text string) bool { return environmentForm.FindString(text) == text && text != "" }

// checkKey holds a key to standing in the environment. What was written in its place is not repeated.
func (d *decoder) checkKey(path, name, text string) {
	if text != "" && !isReference(text) {
		f := d.places.At(path, 0)
		f.Text, f.Message = "", fmt.Sprintf("%s is a key: write ${NAME} and put the key in the environment", name)
		d.faults = append(d.faults, f)
	}
}

func (d *decoder) checkMail(path, text string) {
	if isReference(text) {
		return
	}
	if a, err := mail.ParseAddress(text); err != nil || a.Address == "" {
		d.faultAt(path, fmt.Sprintf("%q is no mail address", shorten(text, textMax)), "")
	}
}

var numberForm = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func (d *decoder) checkNumber(path, text string) {
	if isReference(text) || numberForm.MatchString(text) {
		return
	}
	meant := "+" + strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, strings.TrimPrefix(text, "00"))
	if !numberForm.MatchString(meant) {
		meant = ""
	}
	d.faultAt(path, "a phone number begins with + and the country, such as +41791234567", meant)
}

// checkServer holds an address to TLS, or a server on this machine, and its keys to references.
func (d *decoder) checkServer(path, name, text string) {
	if isReference(text) {
		return
	}
	u, err := parseURL(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		d.faultAt(path, name+" wants an address that begins with https://", "")
	case u.Scheme == "http" && !isHere(u.Hostname()):
		d.faultAt(path, name+" would go through the open: http:// is only for a server on this machine", "")
	case u.User != nil && !referring(text):
		d.faultAt(path, name+" holds a password; write ${NAME} and put it in the environment", "")
	}
}

// referring reports an address whose user and password are references.
func referring(text string) bool {
	_, rest, _ := strings.Cut(text, "://")
	user, _, _ := strings.Cut(rest, "@")
	_, password, both := strings.Cut(user, ":")
	return isReference(user) || both && isReference(password)
}

func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// openServices of shoutrrr have addresses that need not hold a key.
var openServices = []string{"ntfy", "generic"}

var schemeForm = regexp.MustCompile(`^([a-z][a-z0-9]*)(\+[a-z]+)?://`)

func (d *decoder) checkShoutrrr(path, text string) {
	if isReference(text) {
		return
	}
	scheme := schemeForm.FindStringSubmatch(text)
	switch {
	case scheme == nil || scheme[1] == "logger":
		d.faultAt(path, "shoutrrr wants an address such as slack://… or ntfy://ntfy.sh/topic", "")
	case !slices.Contains(openServices, scheme[1]) && !environmentForm.MatchString(text):
		f := d.places.At(path, 0)
		f.Text, f.Message = "", fmt.Sprintf("an address of %s holds keys: write ${NAME} for them and put them in the environment", scheme[1])
		d.faults = append(d.faults, f)
	}
}

func (d *decoder) checkQuiet(path string, q Quiet, portfolio string) {
	for _, hour := range [][2]string{{"from", q.From}, {"to", q.To}} {
		key, text := hour[0], hour[1]
		if _, err := time.Parse(quietForm, text); err != nil && text != "" && !d.bad[path+"."+key] {
			d.faultAt(path+"."+key, fmt.Sprintf("%s wants a time of day such as 22:00, not %q", key, shorten(text, textMax)), "")
		}
	}
	if q.From == q.To && q.From != "" {
		d.faultAt(path, "quiet hours from a time to the same time are none", "")
	}
	if _, err := time.LoadLocation(q.TimeZone); q.TimeZone != "" && (err != nil || q.TimeZone == "Local") {
		d.faultAt(path+".time_zone", fmt.Sprintf("time_zone wants a name such as America/New_York, not %q", shorten(q.TimeZone, textMax)), "")
	}
}

const (
	againLeast = Duration(time.Minute)
	everyLeast = Duration(10 * time.Second)
)

func (d *decoder) checkMessages(m Messages) {
	d.checkKey("messages.secret", "secret", m.Secret)
	if m.Link != "" {
		d.checkLink(m.Link)
	}
	if m.Again != 0 && m.Again < againLeast {
		d.faultAt("messages.again", fmt.Sprintf("again is at least %s: nobody can answer faster", againLeast), againLeast.String())
	}
	for i, r := range m.Escalate {
		if path := fmt.Sprintf("messages.escalate[%d].after", i); i > 0 && r.After < m.Escalate[i-1].After && !d.bad[path] {
			d.faultAt(path, fmt.Sprintf("this rung comes after %s, and the one before it only after %s: write them in the order in which they are told", r.After, m.Escalate[i-1].After), "")
		}
	}
	if m.SMTP != nil {
		d.checkSMTP(*m.SMTP)
	}
	if t := m.Twilio; t != nil {
		d.checkKey("messages.twilio.token", "token", t.Token)
		if t.From != "" {
			d.checkNumber("messages.twilio.from", t.From)
		}
		if t.URL != "" {
			d.checkServer("messages.twilio.url", "url", t.URL)
		}
	}
	if h := m.Heartbeat; h != nil {
		if h.URL != "" {
			d.checkServer("messages.heartbeat.url", "url", h.URL)
		}
		if h.Every != 0 && h.Every < everyLeast {
			d.faultAt("messages.heartbeat.every", fmt.Sprintf("every is at least %s", everyLeast), everyLeast.String())
		}
	}
}

// checkLink of what is put into messages: people open it from elsewhere, so nothing of it is looked up.
func (d *decoder) checkLink(text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || environmentForm.MatchString(text):
		d.faultAt("messages.link", "link wants an address that begins with https://", "")
	case u.Scheme == "http" && !isHere(u.Hostname()):
		d.faultAt("messages.link", "link would go through the open: http:// is only for this machine", "")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil || strings.HasSuffix(u.Path, "/"):
		d.faultAt("messages.link", "link is the bare beginning of an address: nothing after ? or #, no password, no / at the end", "")
	}
}

func (d *decoder) checkSMTP(s SMTP) {
	host, port, err := net.SplitHostPort(s.Host)
	number, notNumber := strconv.Atoi(port)
	if !isReference(s.Host) && s.Host != "" && (err != nil || host == "" || notNumber != nil || number < 1 || number > 65535) {
		d.faultAt("messages.smtp.host", fmt.Sprintf("host wants host:port, such as mail.example.org:587, not %q", shorten(s.Host, textMax)), "")
	} else if s.TLS == "none" && s.Host != "" && !isHere(host) {
		d.faultAt("messages.smtp.tls", "mail without TLS is only for a server on this machine", "starttls")
	}
	if s.From != "" {
		d.checkMail("messages.smtp.from", s.From)
	}
	d.checkKey("messages.smtp.password", "password", s.Password)
	if (s.User == "") != (s.Password == "") {
		d.faultAt("messages.smtp", "user and password go together", "")
	}
}
