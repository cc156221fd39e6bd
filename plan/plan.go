// Package plan is what the owner wrote: the register of what is owned and what it depends on, threats, triggers,
// target models, playbooks, people and drills. It loads a directory of YAML or JSON files, checks all of it, and
// says where everything stands.
//
// A [Plan] is data: names are resolved and units checked, but conditions stay text. The rule language lives in
// watch/rule, and app joins the two so that one check reports both: [Plan.Expressions] lists what is written in that
// language and [Places] says where.
//
// The types below are the whole vocabulary. Their json tags are the keys an owner writes and their comments are the
// descriptions in [Schema]. The plan tags say what a value must be, for the decoder, the checks and the schema alike:
//
//	required        the key must be written
//	name            no other item of the list may have it
//	of=a|b          one of these words
//	range=1-5       a whole number within
//	to=account      a name that must exist (account, person, playbook, model, register …)
//	expr            text in the rule language
//	money           an amount in the base currency
//	address         20 bytes in hex, with their checksum where capitals carry one
//
// It does not execute anything, keeps no prices, and never reads a secret: a file that holds one is refused.
package plan

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Plan is everything the owner wrote, in the order of the files' names and of the lines in them.
type Plan struct {
	Portfolio    Portfolio    `json:"portfolio"`
	Accounts     []Account    `json:"accounts,omitempty"`
	Holdings     []Holding    `json:"holdings,omitempty"`
	Dependencies []Dependency `json:"dependencies,omitempty"`
	People       []Person     `json:"people,omitempty"`
	Mandates     []Mandate    `json:"mandates,omitempty"`
	Authority    Authority    `json:"authority,omitzero"`
	Breaker      *Breaker     `json:"breaker,omitempty"`
	Limits       *Limits      `json:"limits,omitempty"`
	Messages     *Messages    `json:"messages,omitempty"`
	Commands     []Command    `json:"commands,omitempty"`
	Contacts     []Contact    `json:"contacts,omitempty"`
	Documents    []Document   `json:"documents,omitempty"`
	Threats      []Threat     `json:"threats,omitempty"`
	Feeds        []Feed       `json:"feeds,omitempty"`
	Signals      []Signal     `json:"signals,omitempty"`
	Triggers     []Trigger    `json:"triggers,omitempty"`
	Models       []Model      `json:"models,omitempty"`
	Playbooks    []Playbook   `json:"playbooks,omitempty"`
	Drills       []Drill      `json:"drills,omitempty"`
	Backups      []Backup     `json:"backups,omitempty"`
}

// Ratio is a fraction: 0.15 is 15 %. Written as 15%, or as 0.15.
type Ratio float64

// Portfolio names the whole.
type Portfolio struct {
	Name         string `json:"name" plan:"required"`                   // what reports call it
	BaseCurrency string `json:"base_currency"`                          // ISO code; USD when absent
	TimeZone     string `json:"time_zone"`                              // IANA name, for what people read; UTC when absent
	Calendar     string `json:"calendar,omitempty" plan:"of=nyse|24/7"` // nyse or 24/7; what a "day" is for the portfolio's own signals. 24/7 when every holding is crypto or a stablecoin
	Benchmark    string `json:"benchmark,omitempty"`                    // the series that volume_spike means; SPY when absent
}

// Recovery objectives, on everything that can be lost.
type Recovery struct {
	Criticality int      `json:"criticality,omitempty" plan:"range=1-3"` // tier 1, 2 or 3; 3 when absent
	Owner       string   `json:"owner,omitempty" plan:"to=person"`       // a person or role
	RTO         Duration `json:"rto,omitempty"`                          // by criticality 1 h, 4 h, 24 h when absent
	RPO         Duration `json:"rpo,omitempty"`                          // as RTO when absent
}

// Duration is a span of wall time: 90s, 15m, 4h, 3d, 2w.
type Duration time.Duration

// Account holds things somewhere: a broker, an exchange, a wallet.
type Account struct {
	Name  string `json:"name" plan:"required,name"`                                           // what holdings, depends_on and backups call it
	Kind  string `json:"kind" plan:"required,of=broker|exchange|wallet|safe|bank"`            // what holds it
	Venue string `json:"venue,omitempty" plan:"of=paper|alpaca|ibkr|binance|coinbase|manual"` // where orders go; paper is simulated here, manual (the default) is acted on by people only
	At    string `json:"at,omitempty"`                                                        // the institution or chain, in the owner's words
	// Address of a wallet or Safe; public. One that begins with 0x is compared with its checksum.
	Address string `json:"address,omitempty"`
	// Addresses are more of them, on chains where an account has many: 200 in all on Bitcoin, 50 on Solana and Cosmos.
	Addresses []string `json:"addresses,omitempty"`
	Stakes    []string `json:"stakes,omitempty"`                // stake accounts of Solana that the addresses may withdraw from
	Chain     string   `json:"chain,omitempty" plan:"to=chain"` // the dependency of kind chain on which the address is
	// Protocol is the dependency in which the holdings lie: the account is then what the address has there, counted in the tokens underneath,
	// a debt below zero, and nothing that lies at the address itself.
	Protocol string `json:"protocol,omitempty" plan:"to=contract"`
	Safe     *Safe  `json:"safe,omitempty"` // how lifeboat works with a Safe
	// Custody of a wallet or Safe: who has its keys, and where their backups are kept.
	Custody *Custody `json:"custody,omitempty"`
	// Connect says how the venue is reached, where it is a real one.
	Connect *Connection `json:"connect,omitempty"`
	// Canary is a tiny withdrawal at set times, whose duration shows early that a venue runs dry. Who writes it permits it.
	Canary    *Canary  `json:"canary,omitempty"`
	DependsOn []string `json:"depends_on,omitempty" plan:"to=register"` // names from the register that it cannot do without
	Recovery
}

// Connection is the way to a venue. Keys are references, never the keys themselves: env:NAME, file:PATH, exec:COMMAND or age:PATH.
type Connection struct {
	URL     string `json:"url,omitempty"`      // base address of its API; that of real trading when absent
	DataURL string `json:"data_url,omitempty"` // base address of its market data, where that is another
	Key     string `json:"key,omitempty"`      // reference to the name of the key
	Secret  string `json:"secret,omitempty"`   // reference to what only the owner of the key has
	Login   string `json:"login,omitempty"`    // the venue's own number of the account, where one login has several
	CA      string `json:"ca,omitempty"`       // file of the certificate that a gateway on this machine signs itself with
	// Withdraw is another key, for withdrawals alone, so that the one that trades cannot send anything away; the same when absent.
	Withdraw *KeyPair `json:"withdraw,omitempty"`
	// Symbols are the venue's own names of what the plan calls otherwise: {BTC: BTCUSDT}.
	Symbols map[string]string `json:"symbols,omitempty"`
	// PerMinute is how many requests the venue allows in a minute, all in all; the venue's usual limit when absent.
	PerMinute int `json:"per_minute,omitempty" plan:"range=1-100000"`
	// Every is how often the venue is asked what the account holds; 1m when absent.
	Every Duration `json:"every,omitempty"`
}

// KeyPair is a key at a venue, by references as in a connection.
type KeyPair struct {
	Key    string `json:"key" plan:"required"`    // reference to the name of the key
	Secret string `json:"secret" plan:"required"` // reference to what only the owner of the key has
}

// Limits are what no order may pass, whoever wants it. What is not set is not limited.
type Limits struct {
	OrderValue    decimal.Decimal `json:"order_value,omitzero" plan:"money"`    // of one order
	DayValue      decimal.Decimal `json:"day_value,omitzero" plan:"money"`      // of all orders of 24 hours
	PlaybookValue decimal.Decimal `json:"playbook_value,omitzero" plan:"money"` // of all orders of one run
	OrderShare    Ratio           `json:"order_share,omitempty"`                // of one order, as a share of the tradable book
	// Collar is how far the limit price of an order may lie from the last price. A market order passes.
	Collar Ratio `json:"collar,omitempty"`
	// Participation is the largest share of the average daily volume that one order may be.
	Participation Ratio `json:"participation,omitempty"`
	// DaysToExit is how many days of average volume an order may take at a participation of 10%.
	DaysToExit float64         `json:"days_to_exit,omitempty"`
	DataAge    Duration        `json:"data_age,omitempty"`               // oldest price, in open time of its market, that an order may be decided on
	CashAfter  decimal.Decimal `json:"cash_after,omitzero" plan:"money"` // what a purchase must leave of the account's cash
	// StatementAge is how old the venue's own word on the account may be for an order there; 5m when absent.
	StatementAge Duration `json:"statement_age,omitempty"`
}

// Holding is how much of what lies where.
type Holding struct {
	Symbol   string          `json:"symbol" plan:"required"`                                                              // as feeds and histories call its price; the base currency for cash
	Name     string          `json:"name,omitempty"`                                                                      // for people to read
	Account  string          `json:"account" plan:"required,to=account"`                                                  // where it lies
	Quantity decimal.Decimal `json:"quantity" plan:"required,signed"`                                                     // how many units; 0 registers what a playbook may buy, and below zero is what is owed in an account with protocol
	Class    string          `json:"class" plan:"of=equities|bonds|commodities|real-estate|crypto|stablecoin|cash|other"` // what kind of thing it is; cash for the base currency when absent
	Sector   string          `json:"sector,omitempty"`                                                                    // what concentration(sector) groups by: technology, energy …
	Chain    string          `json:"chain,omitempty"`                                                                     // what concentration(chain) groups by: ethereum, base …; the account's chain when absent
	Protocol string          `json:"protocol,omitempty"`                                                                  // what concentration(protocol) groups by: aave, curve …; the account's protocol when absent
	// Token is what it is on the account's chain: the address of its contract, its mint on Solana, its denomination on Cosmos; the chain's own coin
	// when absent.
	Token string `json:"token,omitempty"`
	// Decimals are how many digits of a denomination of Cosmos lie behind the point: 6 where a million of it are one. Other chains say it themselves.
	Decimals *int `json:"decimals,omitempty" plan:"range=0-30"`
	// AsOf is when the quantity was true, such as 2026-11-27T22:45:00Z; lifeboat import writes it.
	AsOf string `json:"as_of,omitempty"`
	// Source is who said the quantity: the file that lifeboat import read it from.
	Source string `json:"source,omitempty"`
	// Price is the last one the owner knows, used only where no series says better, and always marked as such.
	Price decimal.Decimal `json:"price,omitzero" plan:"money"`
	// Fractional permits orders for parts of a unit; true by default for crypto, stablecoin and cash.
	Fractional *bool    `json:"fractional,omitempty"`
	DependsOn  []string `json:"depends_on,omitempty" plan:"to=register"` // names from the register that it cannot do without
	Recovery
}

// Dependency is something a holding, an account or a document needs: a data feed, a custodian, a chain, a cloud, a tool.
type Dependency struct {
	Name      string   `json:"name" plan:"required,name"`                                                                   // what depends_on calls it
	Kind      string   `json:"kind" plan:"required,of=feed|custodian|chain|protocol|oracle|bridge|cloud|tool|person|other"` // what it is
	Primary   string   `json:"primary,omitempty"`                                                                           // address or place that is used
	Backup    string   `json:"backup,omitempty"`                                                                            // address or place to change over to
	Probe     string   `json:"probe,omitempty"`                                                                             // path that a healthy endpoint answers with 2xx, such as /healthz
	DependsOn []string `json:"depends_on,omitempty" plan:"to=register"`                                                     // what it needs in turn; a circle is refused
	// Chain says how a chain is reached, where lifeboat reads it or acts on it.
	Chain *Chain `json:"chain,omitempty"`
	// Contract is what a protocol or an oracle is on a chain.
	Contract *Contract `json:"contract,omitempty"`
	Recovery
}

// Contact is somebody outside who may have to be reached: IT support, the broker's desk, the executor.
type Contact struct {
	Name  string `json:"name" plan:"required,name"` // whom to ask for
	For   string `json:"for,omitempty"`             // what they can do
	Phone string `json:"phone,omitempty"`           // a number that works in an outage
	Email string `json:"email,omitempty"`           // an address
	Note  string `json:"note,omitempty"`            // what to have at hand; never a secret
}

// Document is a paper or file that recovery needs: tax records, policies, strategy tests.
type Document struct {
	Name      string   `json:"name" plan:"required,name"`               // what depends_on and backups call it
	Where     string   `json:"where,omitempty"`                         // where the original is
	DependsOn []string `json:"depends_on,omitempty" plan:"to=register"` // names from the register that it cannot do without
	Recovery
}

// Threat is scored probability × impact, 1 to 25; above 12 it has priority.
type Threat struct {
	Name        string          `json:"name" plan:"required,name"`             // what may happen
	Probability int             `json:"probability" plan:"required,range=1-5"` // 1 is rare, 5 is expected
	Impact      int             `json:"impact" plan:"required,range=1-5"`      // 1 is a nuisance, 5 is ruin
	LossPerHour decimal.Decimal `json:"loss_per_hour,omitzero" plan:"money"`   // of downtime
	Affects     []string        `json:"affects,omitempty" plan:"to=affected"`  // names from the register, or people
	Strategy    string          `json:"strategy,omitempty"`                    // the answer in a sentence
	Playbook    string          `json:"playbook,omitempty" plan:"to=playbook"` // the answer in steps; check asks for one above 12
}

// Score of the threat.
func (t Threat) Score() int { return t.Probability * t.Impact }

// Priority reports a score above 12.
func (t Threat) Priority() bool { return t.Score() > 12 }

// Feed is where the daemon gets a series from: a known source by its name, an HTTP address that answers JSON or CSV, a
// WebSocket, a CSV file that grows, or a plug-in process.
type Feed struct {
	Series string `json:"series" plan:"required"` // what it is about: SPY, VIX, SPY.volume
	Source string `json:"source"`                 // who says so, for sources that must agree; the preset, host, file, plug-in or venue when absent
	// From is a source that lifeboat knows how to ask; ID is all that it needs to be told. See docs/connectors/feeds.md.
	From string `json:"from,omitempty" plan:"of=defillama|coingecko|fred|stooq|yahoo|coinbase|binance|kraken"`
	ID   string `json:"id,omitempty"`   // what the source of from calls the series: bitcoin, VIXCLS, BTCUSDT
	URL  string `json:"url,omitempty"`  // ${NAME} in it is taken from the environment, and {key} from key; wss:// for a WebSocket. With from, another base address of the same API
	File string `json:"file,omitempty"` // relative to the plan directory
	// Plugin is a command of the plan that says the series, in the protocol of docs/plugins.md; it must be allowed with --allow-exec.
	Plugin string `json:"plugin,omitempty" plan:"to=command"`
	// Account is one of the plan's whose venue says the price, by the account's own connection; venue: alpaca alone.
	Account string `json:"account,omitempty" plan:"to=account"`
	// Chain is the dependency of kind chain that says the series by itself; written out only to ask more of one, such as a quorum.
	// See docs/signals-onchain.md.
	Chain string `json:"chain,omitempty" plan:"to=chain"`
	// Webhook says whose signature the alerts carry that are posted to /api/v1/alerts/NAME; the series is alert.NAME then, and key
	// refers to the secret that both sides know. See docs/signals-onchain.md.
	Webhook string `json:"webhook,omitempty" plan:"of=lifeboat|openzeppelin"`
	// Key is a reference to the key that the source wants (env:NAME, file:PATH, exec:COMMAND or age:PATH), never the key itself.
	Key string `json:"key,omitempty"`
	// Headers are sent along with each request: {Authorization: "Bearer {key}"}.
	Headers map[string]string `json:"headers,omitempty"`
	// Subscribe is the message that is sent once a WebSocket is open.
	Subscribe string `json:"subscribe,omitempty"`
	Format    string `json:"format" plan:"of=json|csv"` // csv for files and where a column is named, else json, when absent
	// Path is a JSONPath to the value ($.price), for json.
	Path string `json:"path,omitempty"`
	// Column of the value, for csv; of a file in the form of a history, the column called as the series when absent.
	Column string `json:"column,omitempty"`
	// Time is the column or JSONPath of the value's own time. Without it a value is of the time when it was fetched.
	Time string `json:"time,omitempty"`
	// Rows is a JSONPath to a list ($[*], $.data[*]); Path and Time then look into each of its rows, and rows that were
	// missed while lifeboat was away are caught up.
	Rows string `json:"rows,omitempty"`
	// Min is the least that the value can be; one below it is suspect and moves nothing. No bound when absent.
	Min *float64 `json:"min,omitempty" plan:"signed"`
	// Max is the most that the value can be, as min is the least.
	Max *float64 `json:"max,omitempty" plan:"signed"`
	// Jump is how far a value may lie from the one before it; one farther off is suspect until the next one, or
	// another source, says so too. 100% means doubled or halved, and is what absent means for a price; a level and a
	// volume have no such bound when absent.
	Jump Ratio `json:"jump,omitempty"`
	// Level says that the value may be zero or negative, as a yield or a spread is; a price cannot.
	Level bool `json:"level,omitempty"`
	// Every is how often it is asked; 1m when absent.
	Every Duration `json:"every,omitempty"`
	// StaleAfter is how old a value may be, counted while its market is open; 5 × every when absent, and what the source
	// of from is known to need.
	StaleAfter Duration `json:"stale_after,omitempty"`
	// Quorum is how many fresh sources the series takes. While there are fewer it has no data. 1 when absent.
	Quorum int `json:"quorum,omitempty" plan:"range=1-99"`
	// PerMinute is how many requests the source's host allows in a minute, for all its feeds together; with from, what the
	// source is known to allow when absent, else 600.
	PerMinute int `json:"per_minute,omitempty" plan:"range=1-6000"`
}

// Signal gives an expression a name that triggers can use.
type Signal struct {
	Name string `json:"name" plan:"required,name"` // as triggers, checks and verifications write it
	Expr string `json:"expr" plan:"required,expr"` // a number or a condition
}

// Trigger is what the owner fears and what follows.
type Trigger struct {
	Name      string            `json:"name" plan:"name"`      // the condition, shortened, when absent
	Tier      lifeboat.Tier     `json:"tier"`                  // 1 Watch, 2 Action, 3 Emergency; by severity when absent (CRITICAL 3, HIGH 2, else 1)
	Severity  lifeboat.Severity `json:"severity,omitempty"`    // by tier when absent
	Condition string            `json:"condition" plan:"expr"` // what must be true, in the rule language
	// Rule is condition and severity in one line: IF … THEN severity = CRITICAL. It is split when the plan is loaded.
	Rule string `json:"rule,omitempty"`
	// For is how long the condition must hold without a break before it fires.
	For Duration `json:"for,omitempty"`
	// Context must not be known to be false for the trigger to fire, such as VIX > 25: it spares false alarms, and where
	// it cannot be known the alarm is given.
	Context string `json:"context,omitempty" plan:"expr"`
	// Clear is the condition of the all-clear; the opposite of Condition when absent.
	Clear string `json:"clear,omitempty" plan:"expr"`
	// ClearFor is how long the all-clear must hold.
	ClearFor Duration `json:"clear_for,omitempty"`
	// Cooldown is how long after clearing the trigger cannot fire again.
	Cooldown Duration `json:"cooldown,omitempty"`
	// Sources is how many independent sources must each satisfy the condition; 1 uses their consensus.
	Sources int `json:"sources,omitempty" plan:"range=1-99"`
	// Playbook to start; "" only watches.
	Playbook string `json:"playbook,omitempty" plan:"to=playbook"`
	// Action is a playbook in one line, of its own name: execute_rebalance_to_model('M'), run_playbook('P'),
	// notify('text'), or a sentence such as "Reduce equity exposure by 25% and increase cash holdings to 40%."
	Action string `json:"action,omitempty"`
	// Breaker is what the breaker does when it fires: reducing lets only reductions pass, halted lets nothing automatic pass.
	Breaker string `json:"breaker,omitempty" plan:"of=reducing|halted"`
	// Reentry is the playbook of the way back. When the incident is over people are asked whether to start it.
	Reentry string `json:"reentry,omitempty" plan:"to=playbook"`
	// Authority is automatic (the default), or the person, role or mandate that must say yes before the playbook starts.
	Authority string `json:"authority,omitempty" plan:"to=authority"`
}

// Model is a target allocation by symbol or class; the weights add up to 100 %.
type Model struct {
	Name    string   `json:"name" plan:"required,name"` // as rebalance and actions write it
	Targets []Target `json:"weights" plan:"required"`   // {SPY: 40%, cash: 60%}, or a list of {of: SPY, weight: 40%}
}

// Target weight of a symbol, a class, or cash.
type Target struct {
	Of     string `json:"of" plan:"required"`     // a symbol, a class, or cash
	Weight Ratio  `json:"weight" plan:"required"` // of each account in which lifeboat may trade
}

// Drill is a rehearsal the owner wants: a scenario, and which of its series stand for which of today's holdings.
type Drill struct {
	Name     string `json:"name" plan:"required,name"` // for people to read
	Scenario string `json:"scenario" plan:"required"`  // one that lifeboat drill list shows
	// Cast lets the scenario's series play a series of the plan: {UST: USDE}.
	Cast map[string]string `json:"cast,omitempty"`
	// Every is how often it is due: 13w for quarterly.
	Every Duration `json:"every,omitempty"`
}

// Backup is a copy of something, as the owner makes it today.
type Backup struct {
	Name    string   `json:"name" plan:"required,name"`    // for people to read
	Of      string   `json:"of" plan:"required,to=copied"` // a document, account or dependency
	Where   string   `json:"where"`                        // where the copy lies
	Medium  string   `json:"medium"`                       // what kind of thing the copy lies on; 3-2-1 wants two kinds
	Offsite bool     `json:"offsite,omitempty"`            // whether it is at another place
	Every   Duration `json:"every,omitempty"`              // how often it is made
}
