package api

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"lifeboat"
)

// Proof is how somebody shows, beyond the token, that it is really them.
type Proof struct {
	Kind string `json:"kind,omitempty" enum:"totp,duo,webauthn,wallet" doc:"which second factor; totp when only a code is given"`
	Code string `json:"code,omitempty" maxLength:"16" doc:"of the authenticator, for totp"`
	// Assertion answers a challenge that POST /api/v1/challenges gave.
	Assertion json.RawMessage `json:"assertion,omitempty" doc:"what navigator.credentials.get returned, for webauthn"`
	// Signature is what a wallet made of the question's typed data.
	Signature string `json:"signature,omitempty" maxLength:"200" doc:"for wallet: what eth_signTypedData_v4 returned for the question's typed data"`
}

// Given reports that there is something to verify.
func (p *Proof) Given() bool { return p != nil && (p.Kind != "" || p.Code != "" || p.Signature != "") }

// Noted says under which name something went into the journal.
type Noted struct {
	ID string `json:"id" doc:"the name of the request in the journal"`
}

func registerSaying(api huma.API, d Daemon, token string) {
	huma.Register(api, huma.Operation{OperationID: "put-answer", Method: http.MethodPost, Path: "/api/v1/answers",
		Summary: "Answer a question that a playbook or a trigger asked", DefaultStatus: http.StatusNoContent}, answer(d, token))
	huma.Register(api, huma.Operation{OperationID: "put-request", Method: http.MethodPost, Path: "/api/v1/requests",
		Summary: "Want something: start a playbook, steer a run, move the breaker or a tier, release an account, approve in advance, acknowledge"}, request(d, token))
	huma.Register(api, huma.Operation{OperationID: "halt", Method: http.MethodPost, Path: "/api/v1/halt",
		Summary: "The kill switch: nothing automatic passes any more until people let it go"}, halt(d, token))
	huma.Register(api, huma.Operation{OperationID: "challenge", Method: http.MethodPost, Path: "/api/v1/challenges",
		Summary: "Begin to sign an answer or a request with a passkey"}, challenge(d, token))
	huma.Register(api, huma.Operation{OperationID: "get-typed-data", Method: http.MethodGet, Path: "/api/v1/questions/{key}/typed-data",
		Summary: "What an owner's wallet signs for a yes: the second parameter of eth_signTypedData_v4, exactly"}, typedData(d))
}

// Authorised carries the token.
type Authorised struct {
	Authorization string `header:"Authorization" doc:"Bearer and the token from the data directory"`
}

func (a Authorised) check(token string) error {
	if subtle.ConstantTimeCompare([]byte(a.Authorization), []byte("Bearer "+token)) != 1 {
		return &refusal{huma.ErrorModel{Status: http.StatusUnauthorized, Title: http.StatusText(http.StatusUnauthorized),
			Detail: "the token in the data directory is needed, and this is not it"}, "denied", "nothing was changed", "see daemon.json in the data directory"}
	}
	return nil
}

// Answering is an answer as it is sent.
type Answering struct {
	Question string            `json:"question" doc:"the key of the question"`
	By       string            `json:"by" doc:"who answers, as named in the plan"`
	Yes      bool              `json:"yes"`
	Note     string            `json:"note,omitempty" maxLength:"1000"`
	Content  string            `json:"content,omitempty" doc:"the digest of what was shown, as the question has it; what the question has now when absent"`
	Evidence map[string]string `json:"evidence,omitempty" doc:"what a manual step wants attached: label and what it says"`
	Proof    *Proof            `json:"proof,omitempty"`
}

// Event of the answer.
func (a Answering) Event() lifeboat.Answer {
	return lifeboat.Answer{Question: a.Question, By: a.By, Yes: a.Yes, Note: a.Note, Content: a.Content, Evidence: a.Evidence}
}

type answerInput struct {
	Authorised
	Body Answering
}

func answer(d Daemon, token string) func(context.Context, *answerInput) (*struct{}, error) {
	return func(ctx context.Context, in *answerInput) (*struct{}, error) {
		if err := in.check(token); err != nil {
			return nil, err
		}
		if _, err := d.Say(ctx, in.Body.Event(), in.Body.Proof); err != nil {
			return nil, problem(err)
		}
		return nil, nil
	}
}

type typedDataInput struct {
	Key string `path:"key" doc:"of the question"`
}

func typedData(d Daemon) func(context.Context, *typedDataInput) (*struct{ Body json.RawMessage }, error) {
	return func(_ context.Context, in *typedDataInput) (*struct{ Body json.RawMessage }, error) {
		payload, err := d.TypedData(in.Key)
		if err != nil {
			return nil, problem(err)
		}
		return &struct{ Body json.RawMessage }{payload}, nil
	}
}

// Wanting is a request as it is sent.
type Wanting struct {
	ID     string          `json:"id,omitempty" pattern:"^Q[0-9]{6}-[0-9a-f]{12}$" doc:"as the challenge that was signed gave it; a new one when absent"`
	Verb   lifeboat.Verb   `json:"verb" enum:"start,tier,breaker,pause,resume,skip-step,retry-step,abandon,release,preauthorise,revoke,acknowledge,silence"`
	Object string          `json:"object,omitempty" doc:"what it is about: a playbook, a run, a state of the breaker …"`
	Step   string          `json:"step,omitempty" doc:"of the run"`
	By     string          `json:"by" doc:"who wants it, as named in the plan"`
	Note   string          `json:"note,omitempty" maxLength:"1000"`
	Bound  *lifeboat.Bound `json:"bound,omitempty" doc:"what is approved in advance"`
	Proof  *Proof          `json:"proof,omitempty"`
}

// Event of the request.
func (w Wanting) Event() lifeboat.Request {
	return lifeboat.Request{ID: w.ID, Verb: w.Verb, Object: w.Object, Step: w.Step, By: w.By, Note: w.Note, Bound: w.Bound}
}

type requestInput struct {
	Authorised
	Body Wanting
}

func request(d Daemon, token string) func(context.Context, *requestInput) (*struct{ Body Noted }, error) {
	return func(ctx context.Context, in *requestInput) (*struct{ Body Noted }, error) {
		if err := in.check(token); err != nil {
			return nil, err
		}
		return noted(d.Say(ctx, in.Body.Event(), in.Body.Proof))
	}
}

func noted(id string, err error) (*struct{ Body Noted }, error) {
	if err != nil {
		return nil, problem(err)
	}
	return &struct{ Body Noted }{Noted{id}}, nil
}

type haltInput struct {
	Authorised
	Body *Halting // a kill switch works with the token alone
}

// Halting says who pulls the kill switch, and why. Both can be left out, and the body with them.
type Halting struct {
	By   string `json:"by,omitempty" doc:"who halts, as named in the plan; the kill switch itself when absent"`
	Note string `json:"note,omitempty" maxLength:"1000"`
}

// KillSwitch stands for whoever holds the token and names no person.
const KillSwitch = "kill switch"

func halt(d Daemon, token string) func(context.Context, *haltInput) (*struct{ Body Noted }, error) {
	return func(ctx context.Context, in *haltInput) (*struct{ Body Noted }, error) {
		if err := in.check(token); err != nil {
			return nil, err
		}
		pulled := lifeboat.Request{Verb: lifeboat.MoveBreaker, Object: string(lifeboat.Halted), By: KillSwitch}
		if in.Body != nil {
			pulled.By, pulled.Note = cmp.Or(strings.TrimSpace(in.Body.By), KillSwitch), in.Body.Note
		}
		id, err := d.Say(ctx, pulled, nil)
		return noted(id, namelessHelps(pulled, err))
	}
}

// namelessHelps tells somebody whose name does not halt that none is needed.
func namelessHelps(pulled lifeboat.Request, err error) error {
	var p *lifeboat.Problem
	if pulled.By == KillSwitch || !errors.As(err, &p) || p.Kind() != lifeboat.Denied {
		return err
	}
	return &lifeboat.Problem{Reason: p.Reason, What: p.What, Money: "nothing is halted", Next: "halt without a name: the token alone is enough", Err: err}
}

type challengeInput struct {
	Authorised
	Body struct {
		Answer  *Answering `json:"answer,omitempty" doc:"what will be said, without proof; or request"`
		Request *Wanting   `json:"request,omitempty"`
	}
}

func challenge(d Daemon, token string) func(context.Context, *challengeInput) (*struct{ Body json.RawMessage }, error) {
	return func(ctx context.Context, in *challengeInput) (*struct{ Body json.RawMessage }, error) {
		if err := in.check(token); err != nil {
			return nil, err
		}
		var said lifeboat.Event
		switch {
		case in.Body.Answer != nil:
			said = in.Body.Answer.Event()
		case in.Body.Request != nil:
			said = in.Body.Request.Event()
		default:
			return nil, huma.Error422UnprocessableEntity("say what is to be signed: an answer or a request")
		}
		options, err := d.Challenge(ctx, said)
		if err != nil {
			return nil, problem(err)
		}
		return &struct{ Body json.RawMessage }{options}, nil
	}
}
