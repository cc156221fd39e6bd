package api

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"lifeboat"
)

// Enrolling begins to enrol a second factor, or ends it: with the code that an authenticator shows, or what a browser made.
type Enrolling struct {
	Person   string          `json:"person" doc:"as named in the plan"`
	Kind     string          `json:"kind" enum:"totp,webauthn,duo"`
	Code     string          `json:"code,omitempty" doc:"ends totp: the first code that the authenticator shows"`
	Response json.RawMessage `json:"response,omitempty" doc:"ends webauthn: what navigator.credentials.create returned"`
	User     string          `json:"user,omitempty" doc:"for duo: the name at Duo; the push that follows must be approved"`
	Proof    *Proof          `json:"proof,omitempty" doc:"of a factor that the person has already"`
}

// Finishes reports that the person holds the new factor and shows it.
func (e Enrolling) Finishes() bool { return e.Code != "" || e.Response != nil }

// Enrolled is what comes of it.
type Enrolled struct {
	ID      string          `json:"id,omitempty" doc:"of the new factor, once it is enrolled"`
	URI     string          `json:"uri,omitempty" doc:"otpauth://, for the authenticator; it holds the secret"`
	Page    string          `json:"page,omitempty" doc:"for webauthn: the address to open in the browser that holds the passkey"`
	Options json.RawMessage `json:"options,omitempty" doc:"for navigator.credentials.create"`
}

// Factor is one that a person enrolled.
type Factor struct {
	Kind     string    `json:"kind"`
	ID       string    `json:"id"`
	Enrolled time.Time `json:"enrolled"`
}

func registerEnrolment(api huma.API, mux *http.ServeMux, d Daemon, token string) {
	huma.Register(api, huma.Operation{OperationID: "enrol", Method: http.MethodPost, Path: "/api/v1/factors",
		Summary: "Enrol a second factor"}, func(ctx context.Context, in *struct {
		Authorised
		Body Enrolling
	}) (*struct{ Body Enrolled }, error) {
		if err := in.check(token); err != nil {
			return nil, err
		}
		enrolled, err := d.Enrol(ctx, in.Body)
		if err != nil {
			return nil, problem(err)
		}
		return &struct{ Body Enrolled }{enrolled}, nil
	})
	mux.HandleFunc("GET /enrol/{ticket}", enrolPage(d))
	mux.HandleFunc("POST /enrol/{ticket}", enrolFinish(d))
}

//go:embed enrol.html
var enrolHTML string

var enrolTemplate = template.Must(template.New("enrol").Parse(enrolHTML))

// enrolPage makes a passkey in the browser that opened it. The ticket is for one person and one passkey.
func enrolPage(d Daemon) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person, options, err := d.Ticket(r.PathValue("ticket"))
		var page bytes.Buffer
		if err == nil {
			err = enrolTemplate.Execute(&page, struct{ Person, Options string }{person, string(options)})
		}
		if err != nil {
			plainProblem(w, err)
			return
		}
		secured(w.Header())
		_, _ = w.Write(page.Bytes())
	}
}

func enrolFinish(d Daemon) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var response json.RawMessage
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, linkBodyMax)).Decode(&response)
		if err != nil {
			err = &lifeboat.Problem{Reason: "usage", What: "the page sent something that cannot be read", Money: "nothing was enrolled"}
		} else {
			err = d.FinishTicket(r.Context(), r.PathValue("ticket"), response)
		}
		if err != nil {
			plainProblem(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
