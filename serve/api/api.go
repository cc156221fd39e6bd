// Package api is the daemon's HTTP face: health, status, metrics, and answers to questions. The OpenAPI 3.1 document is
// made from the code and served at /openapi.json.
//
// It reads a snapshot that the daemon publishes and never touches the flow; an answer is handed over and waits for its
// turn. There is no sign-in yet: reading is open to every user of this machine, so it must listen on loopback only, and
// answering needs the token that the daemon leaves in its data directory for its owner alone.
package api

import (
	"context"
	"crypto/subtle"
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
	// Answer queues a person's answer and returns when it is in the journal.
	Answer(ctx context.Context, a lifeboat.Answer) error
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
	Orders    int           `json:"open_orders"`
	Journal   Journal       `json:"journal"`
	Feeds     []FeedProblem `json:"feed_problems"`
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
}

// Question that waits for a person.
type Question struct {
	Key   string    `json:"key"`
	Asked time.Time `json:"asked"`
	Run   string    `json:"run,omitempty"`
	To    []string  `json:"to"`
	Text  string    `json:"text"`
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
	huma.Register(api, huma.Operation{OperationID: "put-answer", Method: http.MethodPost, Path: "/api/v1/answers",
		Summary: "Answer a question that a playbook or a trigger asked", DefaultStatus: http.StatusNoContent}, answer(d, token))
	return localOnly(mux)
}

func status(d Daemon) func(context.Context, *struct{}) (*struct{ Body Status }, error) {
	return func(context.Context, *struct{}) (*struct{ Body Status }, error) {
		return &struct{ Body Status }{d.Status()}, nil
	}
}

type answerInput struct {
	Authorization string `header:"Authorization" doc:"Bearer and the token from the data directory"`
	Body          struct {
		Question string `json:"question" doc:"the key of the question"`
		By       string `json:"by" doc:"who answers, as named in the plan"`
		Yes      bool   `json:"yes"`
		Note     string `json:"note,omitempty" maxLength:"1000"`
	}
}

func answer(d Daemon, token string) func(context.Context, *answerInput) (*struct{}, error) {
	return func(ctx context.Context, in *answerInput) (*struct{}, error) {
		if subtle.ConstantTimeCompare([]byte(in.Authorization), []byte("Bearer "+token)) != 1 {
			return nil, huma.Error401Unauthorized("the token in the data directory is needed")
		}
		b := in.Body
		err := d.Answer(ctx, lifeboat.Answer{Question: b.Question, By: b.By, Yes: b.Yes, Note: b.Note})
		if err != nil {
			return nil, problem(err)
		}
		return nil, nil
	}
}

// problem turns a lifeboat problem into its HTTP status.
func problem(err error) error {
	var p *lifeboat.Problem
	if !errors.As(err, &p) {
		return huma.Error500InternalServerError(err.Error())
	}
	code := map[lifeboat.Kind]int{
		lifeboat.Invalid: http.StatusUnprocessableEntity, lifeboat.Usage: http.StatusBadRequest,
		lifeboat.NotFound: http.StatusNotFound, lifeboat.Conflict: http.StatusConflict, lifeboat.Denied: http.StatusForbidden,
		lifeboat.Transient: http.StatusServiceUnavailable,
	}[p.Kind()]
	if code == 0 {
		code = http.StatusInternalServerError
	}
	return huma.NewError(code, p.What)
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
