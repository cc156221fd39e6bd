package notify

import (
	"bytes"
	"io"
	"net/mail"
	"strings"
	"testing"

	"lifeboat/plan"
)

// A mail goes out encrypted, signed in, with the same Message-ID at every attempt, and refers to the first of its thread.
func TestMail(t *testing.T) {
	for _, tc := range []struct {
		name, tls string
	}{{"STARTTLS", ""}, {"TLS from the first byte", "tls"}} {
		t.Run(tc.name, func(t *testing.T) {
			office := openPostOffice(t, tc.tls == "tls")
			smtp := &plan.SMTP{Host: office.address, From: "lifeboat@lifeboat.example", User: "${SMTP_USER}", Password: "${SMTP_PASSWORD}", TLS: tc.tls}
			c := open(t, plan.Messages{SMTP: smtp}, plan.Channel{Mail: "ana@lifeboat.example"}, Options{Roots: office.roots})
			first, again := sample(), sample()
			again.Key = "lb-again"
			for _, d := range []Delivery{first, first, again} {
				if err := c.Send(t.Context(), d); err != nil {
					t.Fatal(err)
				}
			}
			letters := office.all()
			if len(letters) != 3 || letters[0].to[0] != "ana@lifeboat.example" || letters[0].from != "lifeboat@lifeboat.example" {
				t.Fatalf("got %+v", letters)
			}
			var ids []string
			for _, l := range letters {
				m, err := mail.ReadMessage(bytes.NewReader(l.data))
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, m.Header.Get("Message-ID"))
				if m.Header.Get("Subject") != "Family: EMERGENCY: SPY fell 12 % <today> & more" || m.Header.Get("Date") == "" || m.Header.Get("Auto-Submitted") != "auto-generated" {
					t.Errorf("headers %v", m.Header)
				}
				body, _ := io.ReadAll(m.Body)
				if !strings.Contains(string(body), "https://lifeboat.example/m/abc") {
					t.Errorf("body %s", body)
				}
				if ref := m.Header.Get("In-Reply-To"); ref != "" && ref != ids[0] {
					t.Errorf("in reply to %s, not to %s", ref, ids[0])
				}
			}
			if ids[0] != ids[1] || ids[1] == ids[2] || !strings.HasSuffix(ids[0], "@lifeboat.example>") {
				t.Errorf("ids %v", ids)
			}
			if m, _ := mail.ReadMessage(bytes.NewReader(letters[2].data)); m.Header.Get("In-Reply-To") != ids[0] {
				t.Errorf("the second of a thread stands alone: %v", m.Header)
			}
		})
	}
}

// What can go wrong with mail is told without the password, even where the server repeats it.
func TestMailRefused(t *testing.T) {
	office := openPostOffice(t, false)
	office.echo = true
	good := plan.SMTP{Host: office.address, From: "lifeboat@lifeboat.example", User: "${SMTP_USER}", Password: "${SMTP_PASSWORD}"}
	for _, tc := range []struct {
		name  string
		spoil func(*plan.SMTP) Options
		want  string
	}{
		{"an unknown certificate", func(*plan.SMTP) Options { return Options{} }, "its certificate cannot be trusted"},
		{"a wrong password", func(s *plan.SMTP) Options { s.Password = "${HOOK}"; return Options{Roots: office.roots} }, "…"},
		{"nobody there", func(s *plan.SMTP) Options { s.Host = "127.0.0.1:1"; return Options{Roots: office.roots} }, "it refuses the connection"},
	} {
		s := good
		o := tc.spoil(&s)
		err := open(t, plan.Messages{SMTP: &s}, plan.Channel{Mail: "ana@lifeboat.example"}, o).Send(t.Context(), sample())
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), environment["HOOK"]) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	if n := len(office.all()); n != 0 {
		t.Errorf("%d letters were taken", n)
	}
}
