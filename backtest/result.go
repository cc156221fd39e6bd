package backtest

import (
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/backtest/disaster"
)

// Result is a backtest as it is told: the contract of lifeboat backtest --json. Times are RFC 3339 UTC, shares are
// fractions, spans are seconds, money is a decimal string in the plan's currency.
type Result struct {
	Plan     string `json:"plan"` // the portfolio's name
	PlanHash string `json:"plan_hash"`
	Currency string `json:"currency"`
	// Partial says that somebody stopped it: what is here is true, and not all.
	Partial bool `json:"partial"`
	// First is what the owner has to know first: triggers that never fired, fired falsely, or only when it was too late.
	First []Remark `json:"first"`
	// Verdict is one paragraph: what was lost and saved, what false exits cost, the weakest trigger, what to change.
	Verdict  string    `json:"verdict"`
	Plays    []Played  `json:"plays"`
	Triggers []Trigger `json:"triggers"` // over all plays, in the order of the plan
	Calm     Calm      `json:"calm"`
	Skipped  []Skipped `json:"skipped"` // scenarios that say nothing about the plan
	Warnings []string  `json:"warnings"`
	// Changes against the base plan of --compare; null without it.
	Changes *Changes `json:"changes,omitempty"`
}

// Remark on one trigger.
type Remark struct {
	Trigger string        `json:"trigger"`
	Tier    lifeboat.Tier `json:"tier"`
	Kind    RemarkKind    `json:"kind"`
	Text    string        `json:"text"`
}

// RemarkKind says what is wrong with a trigger.
type RemarkKind string

// What can be wrong with a trigger, the worst first.
const (
	LooksAhead  RemarkKind = "looks ahead" // a bug of lifeboat or of the history
	FalseExit   RemarkKind = "false exit"  // it sold where holding was right
	NeverFires  RemarkKind = "never fires"
	TooLate     RemarkKind = "too late"
	Blind       RemarkKind = "blind"       // it could not see what it was meant for
	FalseAlarm  RemarkKind = "false alarm" // it started a playbook where holding was right, and nothing was sold
	OneBadTick  RemarkKind = "one bad tick"
	Untested    RemarkKind = "untested" // no disaster here shows what it reads
	PriceLevels RemarkKind = "adjusted price"
	Unwatched   RemarkKind = "unwatched" // a disaster of something held, of which no trigger reads anything
)

// Played is one scenario, or the owner's history, with what the plan did in it.
type Played struct {
	Name  string    `json:"name"`
	Title string    `json:"title"`
	Kind  string    `json:"kind"` // exit, hold, or history
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	// Episodes are the disasters that the data cover.
	Episodes []Episode `json:"disasters"`
	Firings  []Firing  `json:"firings"`
	Gaps     []Gap     `json:"gaps"`
	Money    *Money    `json:"money"` // of the whole plan; null when the history is too long to be rehearsed
	Cells    []Cell    `json:"triggers"`
	Ahead    Ahead     `json:"look_ahead"`
	// Checked is where the checks of one bad tick and of looking ahead ended; before To in a long history.
	Checked time.Time `json:"checked"`
	// Varied is the same for other thresholds.
	Varied   time.Time `json:"varied"`
	Instants int       `json:"instants"`

	Samples []Sample `json:"-"` // for the charts
	Thinned bool     `json:"-"` // there were more instants than samples
}

// Episode is a disaster in a play.
type Episode struct {
	ID       string            `json:"id"`
	Kind     disaster.Kind     `json:"kind"`
	Signal   time.Time         `json:"signal"`
	NoReturn *time.Time        `json:"point_of_no_return"` // null where there was no such time
	Begin    time.Time         `json:"begin"`              // where holding was right, firings before it are about something else
	End      time.Time         `json:"end"`                // firings after it are about something else
	Touches  []lifeboat.Series `json:"touches"`
	Held     []lifeboat.Series `json:"held"` // those of them that the plan holds
	// Confidence in the two times: seen, mixed or day.
	Confidence string `json:"confidence"`
}

// Firing of a trigger, or its all-clear.
type Firing struct {
	Time    time.Time            `json:"time"`
	Trigger string               `json:"trigger"`
	Tier    lifeboat.Tier        `json:"tier"`
	State   lifeboat.FiringState `json:"state"`
	Values  map[string]float64   `json:"values"`
	Sources []string             `json:"sources,omitempty"`
}

// Gap is the beginning or the end of a silence.
type Gap struct {
	Time     time.Time         `json:"time"`
	Series   lifeboat.Series   `json:"series"`
	State    lifeboat.GapState `json:"state"`
	Triggers []string          `json:"triggers"` // blind meanwhile
}

// Money is what acting was worth against doing nothing, on simulated venues with simulated people.
type Money struct {
	ValueStart   decimal.Decimal `json:"value_start"`
	ValueEnd     decimal.Decimal `json:"value_end"`
	ValueEndIdle decimal.Decimal `json:"value_end_doing_nothing"`
	// LossAvoided is what more there was at the end than doing nothing would have left: negative when acting cost.
	LossAvoided decimal.Decimal `json:"loss_avoided"`
	// LowSpared is the same at the two lowest points on the way.
	LowSpared decimal.Decimal `json:"low_spared"`
	// ExitCost is what the orders lost against the prices at which they were sent; negative when the market moved well.
	ExitCost decimal.Decimal `json:"exit_cost"`
	Orders   int             `json:"orders"` // that were filled at least in part
	// FirstOrder and LastFill bound the exit, which is the first run that traded; null when nothing was filled.
	FirstOrder *time.Time `json:"first_order"`
	LastFill   *time.Time `json:"last_fill"`

	exits []exit
}

// Cell is one trigger in one play.
type Cell struct {
	Trigger string            `json:"trigger"`
	Concern bool              `json:"concerned"`       // it reads something that the history has
	Reads   []lifeboat.Series `json:"reads"`           // by symbol
	Whole   bool              `json:"whole_portfolio"` // it is about everything held
	Fired   int               `json:"fired"`
	Seen    float64           `json:"seen"` // share of the time in which its condition was known
	Leads   []Lead            `json:"leads"`
	// Alone is what the trigger's playbook was worth with no other trigger in the plan; null when it did not fire or has
	// no playbook.
	Alone *Money `json:"alone"`
	// FalseExits counts its runs that sold where holding was right; FalseExitCost is what that cost, never negative: to
	// the end of a scenario, and in the owner's own history over the 30 days after the orders.
	FalseExits    int             `json:"false_exits"`
	FalseExitCost decimal.Decimal `json:"false_exit_cost"`
	Ticks         []Tick          `json:"bad_ticks"` // those that changed what the trigger said
	TicksTried    int             `json:"bad_ticks_tried"`
	// Unmoved is the trigger as it is, over the time in which the variants were played; null when none were.
	Unmoved  *Variant  `json:"unmoved"`
	Variants []Variant `json:"variants"`
}

// Lead is how long before a disaster's point of no return a trigger fired.
type Lead struct {
	Disaster string     `json:"disaster"`
	Judged   Judgement  `json:"judged"`
	Fired    *time.Time `json:"fired"`
	LeadS    *float64   `json:"lead_s"`  // to the point of no return; negative is too late
	AfterS   *float64   `json:"after_s"` // since the first observable signal; negative when it fired before
}

// Judgement of a trigger in a disaster.
type Judgement string

// The judgements. Silent and Alarmed are those of disasters in which holding was right.
const (
	InTime  Judgement = "in time"
	Late    Judgement = "too late"
	Fires   Judgement = "fired" // there is no point of no return to hold it against
	Already Judgement = "stood fired for months before"
	Never   Judgement = "never fired"
	NotSeen Judgement = "blind"
	Silent  Judgement = "silent"
	Alarmed Judgement = "fired where holding was right"
)

// Tick is one bad value and what a trigger made of it.
type Tick struct {
	Series lifeboat.Series `json:"series"`
	Source string          `json:"source,omitempty"`
	Time   time.Time       `json:"time"`
	Value  float64         `json:"value"`
	What   string          `json:"what"` // ×3, ÷3, 0 or 1e13
	// Fires is when the trigger fired because of it; null when it only changed a later firing.
	Fires *time.Time `json:"fires"`
	// Changes is the first firing or clearing that came out differently.
	Changes time.Time `json:"changes"`
}

// Variant is the trigger with another threshold.
type Variant struct {
	Written string  `json:"written"` // as it stands in the plan
	Instead string  `json:"instead"`
	Factor  float64 `json:"factor"`
	Fired   int     `json:"fired"`
	Leads   []Lead  `json:"leads"`
}

// Ahead is the check that nothing of the future is known.
type Ahead struct {
	Cuts   int      `json:"cuts"`   // times at which the history was cut off
	Broken []string `json:"broken"` // what came out differently; each is a bug
}

// Trigger over all plays.
type Trigger struct {
	Name      string        `json:"name"`
	Tier      lifeboat.Tier `json:"tier"`
	Condition string        `json:"condition"`
	Playbook  string        `json:"playbook,omitempty"`
	Exits     bool          `json:"exits"` // its orders were filled in at least one play
	Fired     int           `json:"fired"`
	InTime    int           `json:"in_time"`
	TooLate   int           `json:"too_late"`
	Already   int           `json:"stood_fired_before"`
	Missed    int           `json:"never_fired"`
	Alarms    int           `json:"fired_where_holding_was_right"`
	// LossAvoided in disasters by the trigger alone, and what its false exits cost.
	LossAvoided   decimal.Decimal `json:"loss_avoided"`
	FalseExits    int             `json:"false_exits"`
	FalseExitCost decimal.Decimal `json:"false_exit_cost"`
	BadTicks      int             `json:"bad_ticks"` // that made it fire
	BadTicksTried int             `json:"bad_ticks_tried"`
	CalmAlerts    int             `json:"calm_alerts"`
	PerCalmYear   *float64        `json:"alerts_per_calm_year"` // null when there is too little calm data to say
}

// Calm is the time in which nothing happened: outside all disasters, and with the benchmark less than 10 % below its
// highest price so far.
type Calm struct {
	Seconds float64  `json:"seconds"`
	Alerts  int      `json:"alerts"`
	PerYear *float64 `json:"alerts_per_year"` // null when there is less than a quarter of a year
}

// Skipped scenario.
type Skipped struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Changes from one plan to another.
type Changes struct {
	Base     string   `json:"base"` // the base plan's name
	BaseHash string   `json:"base_hash"`
	Verdict  string   `json:"verdict"`
	Added    []string `json:"added"`
	Removed  []string `json:"removed"`
	Rows     []Change `json:"rows"` // what differs, and nothing else
}

// Change of one trigger, or of the whole plan, in one play.
type Change struct {
	Trigger string `json:"trigger"` // "" is the whole plan
	Play    string `json:"play"`
	What    string `json:"what"`
	Before  string `json:"before"`
	After   string `json:"after"`
}
