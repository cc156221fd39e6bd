package notify

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Options say what a router works with. Only Clock must be set.
type Options struct {
	Clock lifeboat.Clock
	// Env looks up what ${NAME} stands for; the environment when nil.
	Env func(name string) (string, bool)
	// Client asks servers; http.DefaultClient's transport when nil.
	Client *http.Client
	// Roots that a mail server's certificate is checked against; the machine's when nil.
	Roots *x509.CertPool
	// PagerDuty is another address of its Events API, for tests.
	PagerDuty string
	// Local is told every message at once: the console, the log. It is all there is for a person without channels.
	Local Teller
	// Link is where a person acknowledges a message or answers it, when it is a question; nil or "" for nowhere. A POST to
	// it and /keypad, as a phone's key makes it, acknowledges.
	Link func(at time.Time, key lifeboat.Key, person string, question bool) string
	// Standing of the matter that a thread is about: whether somebody has it, and whether it is over; nil for neither.
	// Send asks it, on the flow's goroutine, as it does Silent.
	Standing func(thread lifeboat.Key) (taken, over bool)
	// Silent is until when a person wants no message below tier 3; a time that has passed for not at all.
	Silent func(person string, at time.Time) time.Time
	// Wake is called when the delivery of a message has ended, so that the flow asks after it: from any goroutine, several at
	// a time.
	Wake func()
}

// person as the router reaches one.
type person struct {
	name     string
	rest     plan.Rest
	in       *time.Location
	channels []*way
}

// way is a channel and how it has fared.
type way struct {
	Channel
	kind   string // as people read it: mail, SMS, PagerDuty
	tier   lifeboat.Tier
	keeps  bool // it shows how a matter stands: a pager
	health health
}

// people opens the channels of everybody in the plan.
func people(p *plan.Plan, o Options, s *secrets) ([]*person, error) {
	m := plan.Messages{}
	if p.Messages != nil {
		m = *p.Messages
	}
	in, err := time.LoadLocation(cmp.Or(p.Portfolio.TimeZone, "UTC"))
	if err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	open := opener{plan: p, messages: m, options: o, secrets: s, web: newWeb(o.Client, s)}
	var all []*person
	for _, who := range p.People {
		one := &person{name: who.Name, rest: p.RestOf(who), in: in}
		for i, c := range who.Channels {
			kind, channel, err := open.channel(c)
			if err != nil {
				return nil, &lifeboat.Problem{Reason: "channel-unusable", What: fmt.Sprintf("channel %d of %s (%s): %s", i+1, who.Name, kind, s.Scrub(err.Error())),
					Money: "nothing was started", Next: "mend the channel in the plan"}
			}
			one.channels = append(one.channels, &way{Channel: channel, kind: kind, tier: c.Tier, keeps: c.PagerDuty != "" || c.Alertmanager != ""})
		}
		all = append(all, one)
	}
	return all, s.complete()
}

// complete says which names the environment lacks, all of them at once.
func (s *secrets) complete() error {
	if len(s.missing) == 0 {
		return nil
	}
	return &lifeboat.Problem{Reason: "environment-lacks", What: "the environment has no " + strings.Join(slices.Sorted(slices.Values(s.missing)), ", ") + ", which the channels of the plan need",
		Money: "nothing was started", Next: "set it and start again"}
}

type opener struct {
	plan     *plan.Plan
	messages plan.Messages
	options  Options
	secrets  *secrets
	web      web
}

func (o opener) channel(c plan.Channel) (kind string, _ Channel, err error) {
	get := o.secrets.expand
	switch {
	case c.Mail != "":
		channel, err := o.mailer(get(c.Mail))
		return "mail", channel, err
	case c.SMS != "":
		account, err := o.twilio()
		return "SMS", sms{account, get(c.SMS)}, err
	case c.Call != "":
		account, err := o.twilio()
		return "call", call{account, get(c.Call)}, err
	case c.PagerDuty != "":
		return "PagerDuty", pagerDuty{web: o.web, url: cmp.Or(o.options.PagerDuty, pagerDutyURL), key: get(c.PagerDuty), portfolio: o.plan.Portfolio.Name}, nil
	case c.Webhook != "":
		if o.messages.Secret == "" {
			return "webhook", nil, fmt.Errorf("the plan has no messages.secret to sign it with")
		}
		return "webhook", webhook{web: o.web, url: get(c.Webhook), secret: []byte(get(o.messages.Secret)), clock: o.options.Clock}, nil
	case c.Alertmanager != "":
		return "Alertmanager", alertmanager{web: o.web, url: get(c.Alertmanager), portfolio: o.plan.Portfolio.Name}, nil
	case c.Shoutrrr != "":
		kind, _, _ = strings.Cut(c.Shoutrrr, ":")
		before := len(o.secrets.missing)
		address := get(c.Shoutrrr)
		if len(o.secrets.missing) > before {
			return kind, nil, nil // told with everything else that is missing
		}
		channel, err := newShout(address, o.secrets)
		return kind, channel, err
	}
	return "nothing", nil, fmt.Errorf("it is of no kind")
}

func (o opener) mailer(to string) (Channel, error) {
	s := o.messages.SMTP
	if s == nil {
		return nil, fmt.Errorf("the plan has no messages.smtp")
	}
	get := o.secrets.expand
	host, port, err := server(get(s.Host))
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); s.TLS == "none" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("mail without TLS is only for a server on this machine")
	}
	from := get(s.From)
	_, domain, _ := strings.Cut(strings.TrimSuffix(from, ">"), "@")
	return mailer{host: host, port: port, tls: s.TLS, user: get(s.User), password: get(s.Password), from: from, to: to,
		domain: cmp.Or(domain, "lifeboat.invalid"), roots: o.options.Roots, secrets: o.secrets}, nil
}

func (o opener) twilio() (twilio, error) {
	t := o.messages.Twilio
	if t == nil {
		return twilio{}, fmt.Errorf("the plan has no messages.twilio")
	}
	get := o.secrets.expand
	return twilio{web: o.web, url: strings.TrimSuffix(cmp.Or(get(t.URL), twilioURL), "/"), account: get(t.Account), token: get(t.Token), from: get(t.From)}, nil
}

func newSecrets(env func(string) (string, bool)) *secrets {
	if env == nil {
		env = os.LookupEnv
	}
	return &secrets{look: env}
}
