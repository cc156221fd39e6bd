package plan

// Mandate is an authority that takes more than one person's word: how many of whom, with which second factor.
type Mandate struct {
	Name   string `json:"name" plan:"required,name"`                                    // as authority, by and start write it
	By     string `json:"by" plan:"required,to=person"`                                 // a person or role
	Need   int    `json:"need,omitempty" plan:"range=1-9"`                              // how many of them must say yes; 1 when absent
	Factor string `json:"factor,omitempty" plan:"of=none|any|totp|webauthn|duo|wallet"` // what a yes must be signed with; none when absent
	// NotStarter wants somebody other than whoever started or proposed it.
	NotStarter bool `json:"not_starter,omitempty"`
}

// Authority says who may do what without a trigger. Each names a person, a role or a mandate; the owner when absent.
type Authority struct {
	Raise   string `json:"raise,omitempty" plan:"to=authority"`        // raise the tier of an incident
	Lower   string `json:"lower,omitempty" plan:"to=authority"`        // lower it, or close the incident
	Runs    string `json:"runs,omitempty" plan:"to=authority"`         // pause, resume, skip, retry and abandon runs
	Halt    string `json:"halt,omitempty" plan:"to=authority"`         // make the breaker stricter; everybody in the plan when absent
	Loosen  string `json:"loosen,omitempty" plan:"to=authority"`       // make the breaker less strict
	Release string `json:"release,omitempty" plan:"to=authority"`      // release an account from quarantine
	Approve string `json:"preauthorise,omitempty" plan:"to=authority"` // approve a bounded act in advance
	Duo     *Duo   `json:"duo,omitempty"`                              // how pushes leave, for the second factor duo
}

// Breaker says when acts are held back, and how they are let go again. Without it the breaker still obeys people.
type Breaker struct {
	// OrdersPerHour above which the breaker halts: a runaway.
	OrdersPerHour int `json:"orders_per_hour,omitempty" plan:"range=1-100000"`
	// TurnoverPerDay is the value traded in a day, as a share of the tradable book, above which it halts.
	TurnoverPerDay float64 `json:"turnover_per_day,omitempty"`
	// FailuresInRow of orders that venues rejected or lost, after which it halts.
	FailuresInRow int `json:"failures_in_row,omitempty" plan:"range=1-1000"`
	// Hold is how long it stays halted or reducing at the least, whatever anybody says; 15m when absent.
	Hold Duration `json:"hold,omitempty"`
	// Wait is how long a solo owner waits between asking to loosen it and its loosening; 1h when absent.
	Wait Duration `json:"wait,omitempty"`
	// Stage is how long it stays reducing on the way from halted to active; 1h when absent.
	Stage Duration `json:"stage,omitempty"`
	// CancelOpen says whether a halt cancels the open orders that add risk; true when absent.
	CancelOpen *bool `json:"cancel_open,omitempty"`
	// OnHalt is a playbook that reduces exposure when the breaker halts; only its reductions pass.
	OnHalt string `json:"on_halt,omitempty" plan:"to=playbook"`
	// Reduce is what acts that reduce risk do when the breaker cannot be sure where it stands: open lets them pass (the
	// default), closed does not. Acts that add risk never pass then.
	Reduce string `json:"reduce,omitempty" plan:"of=open|closed"`
	// File is the kill switch on disk: while it exists the breaker is halted. HALT in the data directory when absent.
	File string `json:"file,omitempty"`
}

// Duo is the account that pushes leave by, for the second factor duo.
type Duo struct {
	Host   string `json:"host" plan:"required"`   // its API host, such as api-1234.duosecurity.com
	Key    string `json:"key" plan:"required"`    // ${NAME} of the integration key
	Secret string `json:"secret" plan:"required"` // ${NAME}
}
