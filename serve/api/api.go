// Package api is the daemon's HTTP face: health, status, metrics, and answers to questions. The OpenAPI 3.1 document is
// made from the code and served at /openapi.json.
//
// It reads a snapshot that the daemon publishes and never touches the flow; an answer is handed over and waits for its
// turn. There is no sign-in yet: reading is open to every user of this machine, so it must listen on loopback only, and
// answering needs the token that the daemon leaves in its data directory for its owner alone.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"lifeboat"
)

// Daemon is what the API needs of the program behind it.
type Daemon interface {
	// Status is the latest snapshot; safe for concurrent use.
	Status() Status
	// Say verifies the second factor, if one is given, queues what a person says – a [lifeboat.Answer] or a
	// [lifeboat.Request] – and returns its name when it is in the journal.
	Say(ctx context.Context, said lifeboat.Event, proof *Proof) (id string, err error)
	// Challenge begins to sign what a person will say with a passkey: the options for navigator.credentials.get.
	Challenge(ctx context.Context, said lifeboat.Event) (json.RawMessage, error)
	// TypedData is what an owner's wallet signs for a yes to a question; safe for concurrent use.
	TypedData(question string) (json.RawMessage, error)
	// Alert takes what somebody outside posted under a name; an error says why it changed nothing.
	Alert(name string, header http.Header, body []byte) error
	// OpenLink says what a signed link in a message leads to.
	OpenLink(token string) (Opened, error)
	// Enrol begins or ends the enrolment of a second factor.
	Enrol(ctx context.Context, e Enrolling) (Enrolled, error)
	// Ticket says for whom a passkey is to be made, with the options for navigator.credentials.create; FinishTicket ends it.
	Ticket(ticket string) (person string, options json.RawMessage, err error)
	FinishTicket(ctx context.Context, ticket string, response json.RawMessage) error
}

// Status is one page of truth: what is wrong, how bad, what can be done now.
type Status struct {
	At        time.Time     `json:"at" doc:"when this was true"`
	Portfolio string        `json:"portfolio"`
	PlanHash  string        `json:"plan_hash"`
	Since     time.Time     `json:"since" doc:"when the daemon started"`
	Tier      int           `json:"tier" doc:"the highest tier that has fired and not cleared; 0 is calm"`
	State     string        `json:"state" doc:"what fired outranks what cannot be seen, and what cannot be seen is never calm" enum:"calm,watch,action,emergency,no data"`
	Value     *float64      `json:"value" doc:"of the portfolio in its base currency; null without fresh data"`
	Currency  string        `json:"currency"`
	Incident  *Incident     `json:"incident" doc:"the open one, if any"`
	Triggers  []Trigger     `json:"triggers"`
	Series    []Series      `json:"series"`
	Runs      []Run         `json:"runs" doc:"open ones"`
	Questions []Question    `json:"questions" doc:"waiting for a person"`
	Breaker   Breaker       `json:"breaker"`
	Held      []Held        `json:"held" doc:"accounts to which no order is sent"`
	Orders    int           `json:"open_orders"`
	Journal   Journal       `json:"journal"`
	Feeds     []FeedProblem `json:"feed_problems"`
	Venues    []Venue       `json:"venues" doc:"real ones, and chains that say what accounts hold; and whether they can be reached"`
	Rehearsed *Rehearsed    `json:"rehearsed" doc:"the daily pre-flight of every playbook; null before the first"`
	Exits     []Exit        `json:"exits" doc:"steps that leave something on a chain, as the daily look found them; empty before the first"`
	Sandbox   bool          `json:"sandbox,omitempty" doc:"every account trades with a simulated broker"`
	Nodes     []Node        `json:"nodes" doc:"of chains, and what they know"`
	Endpoints []Endpoint    `json:"endpoints" doc:"of dependencies that have more than one"`
	Channels  []Channel     `json:"channels" doc:"by which people are reached"`
	Missed    string        `json:"missed,omitempty" doc:"what was not evaluated in the last 24 hours, in a sentence; lifeboat coverage tells all of it"`
}

// Incident that is open.
type Incident struct {
	ID     string    `json:"id"`
	Opened time.Time `json:"opened"`
	Tier   int       `json:"tier"`
}

// Trigger and where it stands.
type Trigger struct {
	Name   string             `json:"name"`
	Tier   int                `json:"tier"`
	State  string             `json:"state" doc:"calm, holding, fired, cooling or no data"`
	Since  *time.Time         `json:"since"`
	NoData []string           `json:"no_data,omitempty" doc:"series without fresh data"`
	Values map[string]float64 `json:"values"`
}

// Series and how fresh it is.
type Series struct {
	Name   string     `json:"name"`
	Source string     `json:"source,omitempty"`
	Value  *float64   `json:"value"`
	At     *time.Time `json:"at"`
	Fresh  bool       `json:"fresh"`
}

// Run that is open.
type Run struct {
	ID       string    `json:"id"`
	Playbook string    `json:"playbook"`
	Trigger  string    `json:"trigger"`
	Started  time.Time `json:"started"`
	Step     string    `json:"step"`
	Waits    string    `json:"waits" doc:"for what, in a sentence"`
}

// Breaker and where it stands.
type Breaker struct {
	State string    `json:"state" enum:"active,reducing,halted"`
	Since time.Time `json:"since"`
	Why   string    `json:"why"`
	Next  string    `json:"next,omitempty" doc:"what it takes to let it go, or when it moves by itself"`
	Holds []Task    `json:"holds,omitempty" doc:"what was under way before a halt: what has not left of it waits, what is out goes on"`
}

// Task is what a step of a run has under way beside orders.
type Task struct {
	Run  string `json:"run,omitempty"`
	Step string `json:"step,omitempty"`
	Kind string `json:"kind"`
}

// Held is an account to which no order is sent.
type Held struct {
	Account string `json:"account"`
	Why     string `json:"why"`
	Person  bool   `json:"person" doc:"it waits for a person's release"`
}

// Rehearsed is what the last daily pre-flight found.
type Rehearsed struct {
	At      time.Time `json:"at"`
	Fails   []string  `json:"fails,omitempty" doc:"playbooks that would not go through"`
	Drift   []string  `json:"drift,omitempty" doc:"what they would do otherwise than the day before, in sentences"`
	Problem string    `json:"problem,omitempty"`
}

// Exit is a step of a playbook that leaves something on a chain, and whether it would go through.
type Exit struct {
	Playbook string    `json:"playbook"`
	Step     string    `json:"step"`
	Account  string    `json:"account"`
	Via      string    `json:"via" enum:"owners,role,presigned"`
	State    string    `json:"state" enum:"passes,armed,nothing,unsigned,stale,fails,unknown"`
	Why      []string  `json:"why,omitempty"`
	At       time.Time `json:"at" doc:"of the last look"`
	Since    time.Time `json:"since" doc:"of the first look that found this state, by this daemon"`
}

// Venue of an account, and the way to it.
type Venue struct {
	Account string     `json:"account"`
	Venue   string     `json:"venue" doc:"or the chain on which the account is"`
	Chain   bool       `json:"chain,omitempty" doc:"it is a chain, which is read and where no order goes"`
	LastOK  *time.Time `json:"last_ok" doc:"when it last answered; null before it ever did"`
	Stated  *time.Time `json:"stated" doc:"of what it last said of the account"`
	Problem string     `json:"problem,omitempty" doc:"of the last call, when that failed"`
	Since   *time.Time `json:"since,omitempty" doc:"of the problem"`
	Blocked string     `json:"blocked,omitempty" doc:"why the account may not trade, as the venue says"`
}

// Node of a chain, and how it does.
type Node struct {
	Chain         string `json:"chain"`
	Host          string `json:"host"`
	Private       bool   `json:"private,omitempty" doc:"a relay that is only sent to"`
	Head          uint64 `json:"head" doc:"the newest block that it told of; 0 before it was heard"`
	Lag           uint64 `json:"lag" doc:"blocks behind the farthest of the others"`
	Disagreements uint64 `json:"disagreements" doc:"how often a quorum said something else"`
	Disagreed     string `json:"disagreed,omitempty" doc:"what it said last against the quorum"`
	Problem       string `json:"problem,omitempty" doc:"why it is not asked now"`
}

// Endpoint of a dependency, and how it does.
type Endpoint struct {
	Dependency string    `json:"dependency"`
	Active     string    `json:"active" doc:"the endpoint in use: primary or backup"`
	Backup     bool      `json:"backup" doc:"it is not the primary"`
	Healthy    bool      `json:"healthy"`
	Since      time.Time `json:"since"`
	Problem    string    `json:"problem,omitempty"`
}

// Channel of a person, and whether it works.
type Channel struct {
	Person  string    `json:"person"`
	Kind    string    `json:"kind"`
	LastOK  time.Time `json:"last_ok,omitzero"`
	Problem string    `json:"problem,omitempty"`
}

// Question that waits for a person.
type Question struct {
	Key   string    `json:"key"`
	Asked time.Time `json:"asked"`
	Run   string    `json:"run,omitempty"`
	To    []string  `json:"to"`
	Text  string    `json:"text"`
	// Content is the digest of what would be done, and Factor the second factor that an answer needs.
	Content string `json:"content,omitempty"`
	Factor  string `json:"factor,omitempty"`
	// Answered are those whose yes is not enough by itself.
	Answered []string `json:"answered,omitempty" doc:"who has said yes so far, where that is not enough"`
	Signing  *Signing `json:"signing,omitempty" doc:"what a wallet signs, where the factor is wallet"`
	// Proposal is for whoever verifies an answer; its words are in the text.
	Proposal *lifeboat.Proposal `json:"-"`
}

// Signing names a transaction of a Safe in the ways in which wallets show it.
type Signing struct {
	Chain   uint64 `json:"chain"`
	Safe    string `json:"safe"`
	Nonce   uint64 `json:"nonce"`
	Hash    string `json:"hash" doc:"safeTxHash: what is signed"`
	Domain  string `json:"domain" doc:"the one part of the hash, as hardware wallets show it"`
	Message string `json:"message" doc:"the other part"`
}

// Journal and its last entry.
type Journal struct {
	Entries int64  `json:"entries"`
	Head    string `json:"head" doc:"hash of the last entry"`
}

// FeedProblem is a source that does not answer as it should.
type FeedProblem struct {
	Text  string    `json:"text"`
	Since time.Time `json:"since"`
}

// New serves a daemon. token is what an answer must carry.
func New(d Daemon, token, version string, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))

	config := huma.DefaultConfig("lifeboat", version)
	config.DocsPath = "" // the stock page loads its script from another host
	api := humago.New(mux, config)
	huma.Register(api, huma.Operation{OperationID: "get-status", Method: http.MethodGet, Path: "/api/v1/status",
		Summary: "What is wrong, how bad, and what can be done now"}, status(d))
	registerSaying(api, d, token)
	registerLinks(mux, d)
	mux.HandleFunc("POST /api/v1/alerts/{name}", alerts(d))
	registerEnrolment(api, mux, d, token)
	describeProblems(api.OpenAPI().Components.Schemas)
	return localOnly(mux)
}

func status(d Daemon) func(context.Context, *struct{}) (*struct{ Body Status }, error) {
	return func(context.Context, *struct{}) (*struct{ Body Status }, error) {
		return &struct{ Body Status }{d.Status()}, nil
	}
}

// A refusal is a lifeboat problem on its way: as RFC 9457 has it, with what else a person must be told.
type refusal struct {
	huma.ErrorModel
	Reason lifeboat.Reason `json:"reason"`
	Money  string          `json:"money,omitempty"`
	Next   string          `json:"next,omitempty"`
}

// describeProblems adds to the document what refusals say beyond the standard.
func describeProblems(schemas huma.Registry) {
	model := schemas.Map()["ErrorModel"]
	for name, description := range map[string]string{
		"reason": "stable code of a lasting failure, explained in docs/reasons.md",
		"money":  "where the money stands",
		"next":   "what to do next",
	} {
		model.Properties[name] = &huma.Schema{Type: huma.TypeString, Description: description}
	}
}

// problem turns a lifeboat problem into its HTTP status, and says all of it.
func problem(err error) error {
	var p *lifeboat.Problem
	if !errors.As(err, &p) {
		return huma.Error500InternalServerError(err.Error())
	}
	code := statusOf(p)
	return &refusal{huma.ErrorModel{Status: code, Title: http.StatusText(code), Detail: p.What}, p.Reason, p.Money, p.Next}
}

// statusOf a problem's kind.
func statusOf(p *lifeboat.Problem) int {
	code := map[lifeboat.Kind]int{
		lifeboat.Invalid: http.StatusUnprocessableEntity, lifeboat.Usage: http.StatusBadRequest,
		lifeboat.NotFound: http.StatusNotFound, lifeboat.Conflict: http.StatusConflict, lifeboat.Denied: http.StatusForbidden,
		lifeboat.Transient: http.StatusServiceUnavailable,
	}[p.Kind()]
	if code == 0 {
		code = http.StatusInternalServerError
	}
	return code
}

// localOnly turns away requests that a web page elsewhere talked a browser into: another origin, or a host name that
// is not this machine's loopback.
func localOnly(next http.Handler) http.Handler {
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			http.Error(w, "this daemon answers to its loopback address only", http.StatusMisdirectedRequest)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}
