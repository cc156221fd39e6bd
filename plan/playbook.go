package plan

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Playbook is the steps the owner wrote, in order.
type Playbook struct {
	Name  string   `json:"name" plan:"required,name"` // as triggers write it
	RTO   Duration `json:"rto,omitempty"`             // how long a whole run may take; people are warned before it is used up
	Steps []Step   `json:"steps" plan:"required"`     // carried out one after the other
	// Start is who may start it without a trigger: a person, a role or a mandate; the owner when absent.
	Start string `json:"start,omitempty" plan:"to=authority"`
}

// Step of a playbook. Exactly one of the kinds is set.
type Step struct {
	Name string `json:"name" plan:"name"` // the kind, numbered, when absent

	Check     *Check     `json:"check,omitempty" plan:"kind"`     // look before acting
	Rebalance *Rebalance `json:"rebalance,omitempty" plan:"kind"` // move the tradable accounts
	Order     *Order     `json:"order,omitempty" plan:"kind"`     // send one order
	Approve   *Approve   `json:"approve,omitempty" plan:"kind"`   // a yes of those who may give it
	Manual    *Manual    `json:"manual,omitempty" plan:"kind"`    // a person acts and confirms
	Notify    *Notify    `json:"notify,omitempty" plan:"kind"`    // tell people
	Wait      *Wait      `json:"wait,omitempty" plan:"kind"`      // for a span, or for the market
	Verify    *Verify    `json:"verify,omitempty" plan:"kind"`    // look whether it worked

	Do       []Step   `json:"do,omitempty" plan:"kind"`                   // several steps, one after the other, as one
	Parallel []Step   `json:"parallel,omitempty" plan:"kind"`             // several steps at once; it ends when the last of them has
	ForEach  *ForEach `json:"for_each,omitempty" plan:"kind"`             // the same steps for each of several holdings
	If       *If      `json:"if,omitempty" plan:"kind"`                   // steps that depend on a condition
	Playbook string   `json:"playbook,omitempty" plan:"kind,to=playbook"` // another playbook, as one step

	HTTP        *HTTP        `json:"http,omitempty" plan:"kind"`        // call an address
	Exec        *Exec        `json:"exec,omitempty" plan:"kind"`        // run one of the commands that the plan lists
	Terraform   *Terraform   `json:"terraform,omitempty" plan:"kind"`   // plan, have the plan approved, apply that very plan
	Failover    *Failover    `json:"failover,omitempty" plan:"kind"`    // change a dependency over to another endpoint
	Communicate *Communicate `json:"communicate,omitempty" plan:"kind"` // call people in turn until they acknowledge
	Withdraw    *Withdraw    `json:"withdraw,omitempty" plan:"kind"`    // send from a venue to an account of the plan
	Exit        *Exit        `json:"exit,omitempty" plan:"kind"`        // get out of a protocol, on chain

	// Timeout ends the step unsuccessfully; by kind when absent (check, manual, verify, exit 24h, approve 1h, orders 48h).
	Timeout Duration `json:"timeout,omitempty"`
	// Retries after a failure or time-out; none when absent. A person's no is not asked again.
	Retries int `json:"retries,omitempty" plan:"range=0-99"`
	// RetryAfter is the pause before each of them; 1m when absent.
	RetryAfter Duration `json:"retry_after,omitempty"`
	// RetryGrowth multiplies the pause after each retry; 2 doubles it, and 1 is what absent means.
	RetryGrowth float64 `json:"retry_growth,omitempty"`
	// RetryMax is the longest pause that growth leads to; 1h when absent.
	RetryMax Duration `json:"retry_max,omitempty"`
	// RetryOn are the kinds of failure after which a retry is worth while; all but refused when absent. What somebody
	// with authority refused is never tried again.
	RetryOn []string `json:"retry_on,omitempty" plan:"of=transient|rejected|unmet|timed-out"`
	// OnFailure says what then: stop (the default) or continue.
	OnFailure string `json:"on_failure,omitempty" plan:"of=stop|continue"`
	// Compensate are the steps that undo this one. When a later step stops the run, they are carried out for every step
	// that was done, the last one first.
	Compensate []Step `json:"compensate,omitempty"`
	// RTO is the step's share of the playbook's budget; people are warned before it is used up.
	RTO Duration `json:"rto,omitempty"`
}

// Kind of the step: the key under which the owner wrote it; "" for none.
func (s Step) Kind() string {
	v := reflect.ValueOf(s)
	for _, k := range stepKinds {
		if !v.FieldByIndex(k.index).IsZero() {
			return k.name
		}
	}
	return ""
}

// stepKinds are the keys of a step that say what it is; a run asks for them at every step.
var stepKinds = slices.DeleteFunc(keysOf(reflect.TypeFor[Step]()), func(k key) bool { return !k.rules.kind })

// Nested steps are a list of them within a step.
type nested struct {
	key   string // under which it is written
	steps *[]Step
}

// inside are the lists of steps that a step holds.
func (s *Step) inside() []nested {
	all := []nested{{"do", &s.Do}, {"parallel", &s.Parallel}, {"compensate", &s.Compensate}}
	if s.ForEach != nil {
		all = append(all, nested{"for_each.do", &s.ForEach.Do})
	}
	if s.If != nil {
		all = append(all, nested{"if.then", &s.If.Then}, nested{"if.else", &s.If.Else})
	}
	return all
}

// For gives the steps as they are for one holding: in every text {symbol} and {account} are its names.
func (f ForEach) For(symbol, account string) []Step {
	names := strings.NewReplacer("{symbol}", inText(symbol), "{account}", inText(account))
	var steps []Step
	if err := json.Unmarshal([]byte(names.Replace(string(canonical(f.Do)))), &steps); err != nil {
		panic(err) // what was marshalled, with well-formed texts in it, reads back
	}
	return steps
}

// inText is a name as it stands inside a text of a JSON document.
func inText(name string) string {
	quoted := canonical(name)
	return string(quoted[1 : len(quoted)-1])
}

// stands reports a text in a for_each that is a name only once a holding stands in the place of {symbol} or {account}.
func stands(path, text string) bool {
	return strings.Contains(path, ".for_each.do[") && (strings.Contains(text, "{symbol}") || strings.Contains(text, "{account}"))
}

// Walk visits steps and all the steps within them, each before those within it. Playbooks that steps name are not entered.
func Walk(steps []Step, visit func(Step)) {
	for _, s := range steps {
		visit(s)
		for _, inside := range s.inside() {
			Walk(*inside.steps, visit)
		}
	}
}

// Check is a pre-flight: every field that is set must hold before the run goes on; it waits for them until the
// step's time-out.
type Check struct {
	// Market is open when orders must be placeable at once; "" does not ask.
	Market string `json:"market,omitempty" plan:"of=open"`
	// DataAge is the oldest price, of anything held in a tradable account, that may be acted on, counted while its market is open.
	DataAge Duration `json:"data_age,omitempty"`
	// MaxPosition is the largest share of the tradable accounts together that any one non-cash holding may have.
	MaxPosition Ratio `json:"max_position,omitempty"`
	// MaxDaysToExit is how many days of average volume a holding may take to be sold, at Participation.
	MaxDaysToExit float64 `json:"max_days_to_exit,omitempty"`
	// Participation is the share of the average daily volume that we may be; 10% when absent.
	Participation Ratio `json:"participation,omitempty"`
	// That is an expression of the rule language.
	That string `json:"that,omitempty" plan:"expr"`
}

// Rebalance moves the tradable accounts to a model, or by a sentence such as "reduce equities by 25% and raise cash to 40%".
type Rebalance struct {
	Model       string `json:"model,omitempty" plan:"to=model"` // the allocation to move to
	Reduce      string `json:"reduce,omitempty"`                // a class or symbol
	By          Ratio  `json:"by,omitempty"`                    // this share of what is held of it
	RaiseCashTo Ratio  `json:"raise_cash_to,omitempty"`         // a share of each account in which lifeboat may trade
	// Limit is how far from the arrival price an order may fill; 0 sends market orders.
	Limit Ratio `json:"limit,omitempty"`
	// MinTrade leaves differences below this share of the account alone; 0.5% when absent.
	MinTrade Ratio `json:"min_trade,omitempty"`
	// CashBuffer is the share of each account that stays cash whatever the model says: no purchase touches it.
	CashBuffer Ratio `json:"cash_buffer,omitempty"`
	// Participation trades in slices: each is at most this share of what is usually traded in the time between two of them.
	Participation Ratio `json:"participation,omitempty"`
	// SliceEvery is the time between two slices; 30m when absent. What a slice did not fill goes into the next.
	SliceEvery Duration `json:"slice_every,omitempty"`
}

// Order is one order, sized by Quantity or by Fraction of the position.
type Order struct {
	Account  string          `json:"account" plan:"to=account"`        // the one that holds the symbol when absent
	Symbol   string          `json:"symbol" plan:"required,to=symbol"` // what is traded
	Side     lifeboat.Side   `json:"side" plan:"required,of=buy|sell"` // which way
	Quantity decimal.Decimal `json:"quantity,omitzero"`                // units
	Fraction Ratio           `json:"fraction,omitempty"`               // a share of the position that the account has
	Limit    Ratio           `json:"limit,omitempty"`                  // as in Rebalance
}

// Approve asks for a yes to exactly what the next step that acts would do: the amounts and limits that are shown are the
// ones that are sent.
type Approve struct {
	By   string `json:"by" plan:"required,to=approver"` // a person, a role, or a mandate; of a person or role the first answer counts
	Text string `json:"text,omitempty"`                 // the question; what would be done is added to it
	// ValidFor is how long a yes counts; what has not been sent by then is asked again. 1h when absent.
	ValidFor Duration `json:"valid_for,omitempty"`
	// OnTimeout is what silence means: abort (the default), escalate to somebody else, or smaller, which does the part
	// that the owner authorises here in advance.
	OnTimeout string `json:"on_timeout,omitempty" plan:"of=abort|escalate|smaller"`
	// EscalateTo is asked when nobody answered in time; the time-out then begins anew, once.
	EscalateTo string `json:"escalate_to,omitempty" plan:"to=approver"`
	// Smaller is the share of the amounts that silence permits.
	Smaller Ratio `json:"smaller,omitempty"`
}

// Manual is runbook text that a person carries out and confirms.
type Manual struct {
	Who  string `json:"who" plan:"to=person"` // the owner, or the first person, when absent
	Text string `json:"text" plan:"required"` // what to do, so that it can be done at three in the morning
	// Evidence is what the person attaches to the confirmation: a confirmation number, a screenshot's name.
	Evidence []string `json:"evidence,omitempty"`
}

// Notify tells people.
type Notify struct {
	To   []string `json:"to" plan:"to=person"`  // names or roles; everybody when absent
	Text string   `json:"text" plan:"required"` // what they read
}

// Wait for a span, or until the market opens or closes.
type Wait struct {
	For   Duration `json:"for,omitempty"`                        // a span of wall time
	Until string   `json:"until,omitempty" plan:"of=open|close"` // open or close
}

// Verify holds the run to a post-condition in the rule language; it is tried until the time-out.
type Verify struct {
	That string `json:"that" plan:"required,expr"` // a condition in the rule language
}

// ForEach carries the same steps out for each of several holdings, one after the other. In the steps {symbol} and {account}
// stand for the holding.
type ForEach struct {
	Of string `json:"of" plan:"required"` // a class, a symbol, an account, or holdings for all; only accounts in which lifeboat may trade
	Do []Step `json:"do" plan:"required"` // what is done for each
}

// If chooses between steps.
type If struct {
	That   string `json:"that" plan:"required,expr"`                  // a condition in the rule language
	Then   []Step `json:"then,omitempty"`                             // when it holds
	Else   []Step `json:"else,omitempty"`                             // when it does not
	NoData string `json:"no_data,omitempty" plan:"of=then|else|wait"` // what a condition without fresh data means; wait for data, until the time-out, when absent
}

// HTTP calls an address once. The call carries a key of its own in the header Idempotency-Key.
type HTTP struct {
	Method  string            `json:"method,omitempty" plan:"of=GET|POST|PUT|PATCH|DELETE"` // POST when absent
	URL     string            `json:"url" plan:"required"`                                  // ${NAME} in it is taken from the environment, for keys
	Headers map[string]string `json:"headers,omitempty"`                                    // ${NAME} as in url
	Body    string            `json:"body,omitempty"`                                       // sent as it stands
	// Idempotent says that the other side knows the key again, so that a call whose answer was lost may be repeated.
	// Otherwise a person is asked what became of it.
	Idempotent bool `json:"idempotent,omitempty"`
}

// Exec runs a command that the plan lists under commands, and keeps what it says.
type Exec struct {
	Command string   `json:"command" plan:"required,to=command"` // as commands calls it
	Args    []string `json:"args,omitempty"`                     // after those of the command itself
	// Idempotent says that running it twice does no harm; otherwise, after a crash in the middle, a person is asked.
	Idempotent bool `json:"idempotent,omitempty"`
}

// Command is a program that exec steps may run. The daemon runs it only when it was started with --allow-exec.
type Command struct {
	Name string   `json:"name" plan:"required,name"` // as exec writes it
	Run  []string `json:"run" plan:"required"`       // the program by its full path, and its arguments; no shell reads them
	Dir  string   `json:"dir,omitempty"`             // inside the plan directory; the plan directory itself when absent
}

// Terraform makes a plan, asks for a yes to its hash, and applies that very plan.
type Terraform struct {
	Dir string            `json:"dir" plan:"required"`            // of the configuration, inside the plan directory
	By  string            `json:"by" plan:"required,to=approver"` // whose yes to the plan is wanted
	Var map[string]string `json:"var,omitempty"`                  // input variables
}

// Withdraw sends something from the account at a venue to the address of another account of the plan, after a yes to exactly that.
type Withdraw struct {
	Account  string          `json:"account" plan:"required,to=account"` // what it leaves; its venue must be one that lets lifeboat withdraw
	Symbol   string          `json:"symbol" plan:"required,to=symbol"`   // what is sent
	Amount   decimal.Decimal `json:"amount,omitzero"`                    // units that leave the account, the venue's fee among them
	Fraction Ratio           `json:"fraction,omitempty"`                 // instead of an amount, a share of what is free there
	To       string          `json:"to" plan:"required,to=account"`      // the account that receives; its address is where it goes
	Network  string          `json:"network" plan:"required"`            // as the venue calls the chain: ETH, ARBITRUM, BTC
	Tag      string          `json:"tag,omitempty"`                      // memo or destination tag, where the address wants one
	By       string          `json:"by" plan:"required,to=approver"`     // whose yes to what would leave and arrive is wanted
}

// Failover changes a dependency over to another of its endpoints, with a look at its health before and after.
type Failover struct {
	Dependency string `json:"dependency" plan:"required,to=dependency"` // which one
	To         string `json:"to,omitempty" plan:"of=backup|primary"`    // backup when absent; primary is the way back
}

// Communicate calls people in turn until each of them, or one of them, has acknowledged.
type Communicate struct {
	Call []string `json:"call" plan:"required,to=person"`     // names or roles, in the order in which they are called
	Text string   `json:"text" plan:"required"`               // what they are told
	Need string   `json:"need,omitempty" plan:"of=all|first"` // whose acknowledgement ends the step; all when absent
	// After is how long one is given before the next is called as well; 5m when absent.
	After Duration `json:"after,omitempty"`
}
