package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"net/http"

	"lifeboat"
)

// Opened is what a signed link in a message leads to: one question, or one message to acknowledge, for one person.
type Opened struct {
	Person   string
	Key      lifeboat.Key // of the question or the message
	Question *Question    // nil when nothing is asked any more
	Told     string       // the message, when it asks nothing
	Shown    string       // what a yes permits, in words; "" when nothing is proposed
	Passkey  bool         // the person has enrolled one
}

// A link identifies a person and a matter. It acknowledges and says no by itself; a yes takes a second factor besides,
// whatever the question wants of others: whoever reads a mailbox must not be able to sell.
var errFactorWanted = &lifeboat.Problem{Reason: "factor", What: "a yes through a link needs a second factor", Money: "nothing was decided",
	Next: "enter the code of your authenticator, or use your passkey"}

//go:embed link.html
var linkPage string

var linkTemplate = template.Must(template.New("link").Parse(linkPage))

// linkBodyMax bounds what a browser may send, in bytes.
const linkBodyMax = 64 << 10

// registerLinks adds the page behind a link and what its buttons do.
func registerLinks(mux *http.ServeMux, d Daemon) {
	mux.HandleFunc("GET /link/{token}", func(w http.ResponseWriter, r *http.Request) {
		opened, err := d.OpenLink(r.PathValue("token"))
		var page bytes.Buffer
		if err == nil {
			err = linkTemplate.Execute(&page, opened)
		}
		if err != nil {
			plainProblem(w, err)
			return
		}
		secured(w.Header())
		_, _ = w.Write(page.Bytes())
	})
	for name, file := range linkFiles {
		mux.HandleFunc("GET /link-page/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			_, _ = w.Write(file.content)
		})
	}
	mux.HandleFunc("POST /link/{token}/answer", linkSays(d, func(o Opened, in linkInput) (lifeboat.Event, error) {
		if in.Yes && !in.Proof.Given() {
			return nil, errFactorWanted
		}
		return in.answer(o), nil
	}))
	mux.HandleFunc("POST /link/{token}/keypad", keypad(d))
	mux.HandleFunc("POST /link/{token}/acknowledge", linkSays(d, func(o Opened, in linkInput) (lifeboat.Event, error) {
		return lifeboat.Request{Verb: lifeboat.Acknowledge, Object: string(o.Key), By: o.Person, Note: in.Note}, nil
	}))
	mux.HandleFunc("POST /link/{token}/challenge", linkChallenge(d))
}

// secured is how a page is sent that nothing else may frame, script or remember.
func secured(h http.Header) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
}

//go:embed link.js
var linkScript []byte

//go:embed link.css
var linkStyle []byte

var linkFiles = map[string]struct {
	kind    string
	content []byte
}{
	"link.js":  {"text/javascript; charset=utf-8", linkScript},
	"link.css": {"text/css; charset=utf-8", linkStyle},
}

// linkInput is what the page sends.
type linkInput struct {
	Yes      bool              `json:"yes"`
	Note     string            `json:"note"`
	Content  string            `json:"content"` // the digest of what the page showed
	Evidence map[string]string `json:"evidence"`
	Proof    *Proof            `json:"proof"`
}

func (in linkInput) answer(o Opened) lifeboat.Answer {
	return lifeboat.Answer{Question: string(o.Key), By: o.Person, Yes: in.Yes, Note: in.Note, Content: in.Content, Evidence: in.Evidence}
}

func linkSays(d Daemon, said func(Opened, linkInput) (lifeboat.Event, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		opened, in, err := readLink(d, w, r)
		var event lifeboat.Event
		if err == nil {
			event, err = said(opened, in)
		}
		if err == nil {
			_, err = d.Say(r.Context(), event, in.Proof)
		}
		if err != nil {
			plainProblem(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// keypad is what a call's keys say, as Twilio posts it: 1 acknowledges, and nothing else does anything.
func keypad(d Daemon) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, linkBodyMax)
		opened, err := d.OpenLink(r.PathValue("token"))
		said := "Nothing was noted."
		if err == nil && r.PostFormValue("Digits") == "1" {
			if _, err = d.Say(r.Context(), lifeboat.Request{Verb: lifeboat.Acknowledge, Object: string(opened.Key), By: opened.Person, Note: "by telephone"}, nil); err == nil {
				said = "It is noted that you have it."
			}
		}
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Response><Say>`+said+`</Say></Response>`)
	}
}

func linkChallenge(d Daemon) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		opened, in, err := readLink(d, w, r)
		var options json.RawMessage
		if err == nil {
			options, err = d.Challenge(r.Context(), in.answer(opened))
		}
		if err != nil {
			plainProblem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(options)
	}
}

func readLink(d Daemon, w http.ResponseWriter, r *http.Request) (Opened, linkInput, error) {
	var in linkInput
	opened, err := d.OpenLink(r.PathValue("token"))
	if err != nil {
		return opened, in, err
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, linkBodyMax)).Decode(&in); err != nil {
		return opened, in, &lifeboat.Problem{Reason: "usage", What: "the page sent something that cannot be read", Money: "nothing was decided", Next: "load the page again"}
	}
	if opened.Question == nil && in.Yes {
		return opened, in, &lifeboat.Problem{Reason: "not-found", What: "the question is settled", Money: "nothing was decided"}
	}
	return opened, in, nil
}

// plainProblem tells a problem as text, which the page shows as it is.
func plainProblem(w http.ResponseWriter, err error) {
	text, code := "something went wrong here; nothing was decided", http.StatusInternalServerError
	var p *lifeboat.Problem
	if errors.As(err, &p) {
		text, code = p.What, statusOf(p)
		if p.Money != "" {
			text += "; " + p.Money
		}
	}
	http.Error(w, text, code)
}
