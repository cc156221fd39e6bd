package plan

import "lifeboat"

// Person is somebody whom lifeboat tells or asks.
type Person struct {
	Name string `json:"name" plan:"required,name"` // how answers are signed
	Role string `json:"role,omitempty"`            // owner, cio, trustee …; a step may ask a role instead of a name
	// Reaction is how long the person takes to answer, as drills simulate it; 15m when absent.
	Reaction Duration `json:"reaction,omitempty"`
	// Channels are how the person is reached, in the order in which they are tried; a failed one falls through to the next.
	Channels []Channel `json:"channels,omitempty"`
	// Quiet are hours in which only tier 3 reaches the person, in the person's own time zone.
	Quiet *Quiet `json:"quiet,omitempty"`
	// Wallets are the addresses with which the person signs as an owner of a Safe; public.
	Wallets []string `json:"wallets,omitempty" plan:"address"`
	// Answers is what the person says in a drill: yes (the default), no or nothing.
	Answers string `json:"answers,omitempty" plan:"of=yes|no|nothing"`
}

// Channel is one way to reach a person. Exactly one of the kinds is set. ${NAME} stands for a key from the environment.
type Channel struct {
	Mail         string `json:"mail,omitempty" plan:"kind"`         // an address; the plan's messages.smtp says how mail leaves
	SMS          string `json:"sms,omitempty" plan:"kind"`          // a number such as +41791234567, through Twilio
	Call         string `json:"call,omitempty" plan:"kind"`         // a number that rings, through Twilio
	PagerDuty    string `json:"pagerduty,omitempty" plan:"kind"`    // an Events v2 routing key, as ${NAME}
	Webhook      string `json:"webhook,omitempty" plan:"kind"`      // an address that takes signed JSON
	Alertmanager string `json:"alertmanager,omitempty" plan:"kind"` // the base address of an Alertmanager
	Shoutrrr     string `json:"shoutrrr,omitempty" plan:"kind"`     // a shoutrrr address: slack://, discord://, telegram://, teams://, ntfy://, matrix:// …
	// Tier is the lowest for which the channel is used; 1 when absent.
	Tier lifeboat.Tier `json:"tier,omitempty"`
}

// Quiet are hours of rest.
type Quiet struct {
	From     string `json:"from" plan:"required"` // 22:00
	To       string `json:"to" plan:"required"`   // 07:00
	TimeZone string `json:"time_zone,omitempty"`  // IANA name; the portfolio's when absent
}

// Messages say how people are told and what happens when nobody answers.
type Messages struct {
	SMTP     *SMTP    `json:"smtp,omitempty"`     // how mail leaves
	Twilio   *Twilio  `json:"twilio,omitempty"`   // how texts and calls leave
	Secret   string   `json:"secret,omitempty"`   // ${NAME} of the key that signs webhooks and links
	Link     string   `json:"link,omitempty"`     // address at which people reach this daemon, for links in messages
	Escalate []Rung   `json:"escalate,omitempty"` // who is told next while nobody has acknowledged
	Again    Duration `json:"again,omitempty"`    // how often the same person is told again; 5m when absent
	// Heartbeat tells an outside receiver that lifeboat is alive, so that somebody notices when it goes quiet.
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
}

// SMTP is a mail server.
type SMTP struct {
	Host     string `json:"host" plan:"required"`                      // host:port
	From     string `json:"from" plan:"required"`                      // the sender's address
	User     string `json:"user,omitempty"`                            // ${NAME} as in the password
	Password string `json:"password,omitempty"`                        // ${NAME}; never the password itself
	TLS      string `json:"tls,omitempty" plan:"of=starttls|tls|none"` // starttls when absent; none only for a server on this machine
}

// Twilio is the account that texts and calls leave by.
type Twilio struct {
	Account string `json:"account" plan:"required"` // its SID, or ${NAME}
	Token   string `json:"token" plan:"required"`   // ${NAME}
	From    string `json:"from" plan:"required"`    // the number that calls
	URL     string `json:"url,omitempty"`           // another API address, for tests
}

// Rung of the ladder that a message climbs while nobody acknowledges it.
type Rung struct {
	To    string        `json:"to" plan:"required,to=person"` // a person or role
	After Duration      `json:"after" plan:"required"`        // since the message was first sent
	Tier  lifeboat.Tier `json:"tier,omitempty"`               // the lowest tier of message that climbs here; 2 when absent
}

// Heartbeat is an outside dead-man's switch.
type Heartbeat struct {
	URL   string   `json:"url" plan:"required"` // asked with POST; ${NAME} in it is taken from the environment
	Every Duration `json:"every,omitempty"`     // 1m when absent
}
