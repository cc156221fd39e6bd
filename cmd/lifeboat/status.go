package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/prose"
	"lifeboat/serve/api"
)

func statusCommand() *cobra.Command {
	var dataDir string
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "What is wrong, how bad, and what can be done now", Args: arguments(0, 0),
		Long: `status asks the running daemon. When none runs it says so and tells what the
journal last knew.`,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := askStatus(c.Context(), dataDir)
			if err != nil {
				return statusAtRest(c, dataDir, err)
			}
			if asJSON {
				return writeJSON(c, s)
			}
			tellStatus(c.OutOrStdout(), s)
			return nil
		},
	}
	c.Flags().StringVar(&dataDir, "data", "lifeboat-data", "data `DIR` of the daemon")
	c.Flags().BoolVar(&asJSON, "json", false, "print the daemon's status as JSON")
	return c
}

func askStatus(ctx context.Context, dataDir string) (api.Status, error) {
	var s api.Status
	err := call(ctx, dataDir, http.MethodGet, "/api/v1/status", nil, &s)
	return s, err
}

// call is one request to the daemon that runs on a data directory.
func call(ctx context.Context, dataDir, method, path string, in, out any) error {
	daemon, err := app.Meet(dataDir)
	if err != nil {
		return err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patienceFor(in))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+daemon.Address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+daemon.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return &lifeboat.Problem{Reason: "daemon-unreachable", What: fmt.Sprintf("the daemon at %s does not answer", daemon.Address), Money: "nothing was changed",
			Next: "if it was killed, start it again with lifeboat serve: open runs resume", Err: err}
	}
	defer response.Body.Close()
	return understand(response, out)
}

// patienceFor a request: one that waits for somebody to take a telephone out and tap on a push takes its time.
func patienceFor(in any) time.Duration {
	switch in := in.(type) {
	case api.Answering:
		return patienceWith(in.Proof)
	case api.Wanting:
		return patienceWith(in.Proof)
	case api.Enrolling:
		if in.Kind == "duo" {
			return pushPatience
		}
		return patienceWith(in.Proof)
	}
	return daemonPatience
}

const (
	daemonPatience = 10 * time.Second
	pushPatience   = 90 * time.Second // Duo gives a push up after 60
)

func patienceWith(p *api.Proof) time.Duration {
	if p != nil && p.Kind == "duo" {
		return pushPatience
	}
	return daemonPatience
}

func understand(response *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return refused(response.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// refused is what the daemon said instead: its problem with all three parts, or what does not fit the form of the request.
func refused(status string, text []byte) error {
	var said struct {
		Detail, Money, Next string
		Reason              lifeboat.Reason
		Errors              []struct{ Message, Location string }
	}
	_ = json.Unmarshal(text, &said) // what cannot be read leaves the status alone, which must do
	switch {
	case said.Reason != "":
		return &lifeboat.Problem{Reason: said.Reason, What: said.Detail, Money: said.Money, Next: said.Next}
	case len(said.Errors) > 0:
		field := said.Errors[0].Location[strings.LastIndexByte(said.Errors[0].Location, '.')+1:]
		return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("the daemon does not take this %s: %s", field, said.Errors[0].Message), Money: "nothing was changed"}
	}
	return fmt.Errorf("the daemon answered %s%s", status, prose.After(": ", said.Detail))
}

func tellStatus(w io.Writer, s api.Status) {
	if s.Sandbox {
		fmt.Fprintln(w, "SANDBOX: every account trades with a simulated broker")
	}
	fmt.Fprintf(w, "%s: %s", s.Portfolio, strings.ToUpper(s.State))
	if s.Value != nil {
		fmt.Fprintf(w, ", worth %.2f %s", *s.Value, s.Currency)
	} else {
		fmt.Fprint(w, ", value unknown (no fresh data)")
	}
	fmt.Fprintf(w, "\nas of %s, watching since %s\n", stamp(s.At), stamp(s.Since))
	if s.Incident != nil {
		fmt.Fprintf(w, "incident %s, tier %d, open since %s (lifeboat incident show %s)\n", s.Incident.ID, s.Incident.Tier, stamp(s.Incident.Opened), s.Incident.ID)
	}
	for _, q := range s.Questions {
		fmt.Fprintf(w, "asked %s at %s: %s%s\n", strings.Join(q.To, ", "), stamp(q.Asked), q.Text, wantsFactor(q)) // which says how to answer
	}
	for _, r := range s.Runs {
		fmt.Fprintf(w, "run %s of %q since %s: %s\n", r.ID, r.Playbook, stamp(r.Started), cmp.Or(r.Waits, fmt.Sprintf("at step %q", r.Step)))
	}
	fmt.Fprintf(w, "open orders: %d\n", s.Orders)
	tellBreaker(w, s.Breaker)
	for _, h := range s.Held {
		tellHeld(w, h)
	}
	for _, v := range s.Venues {
		tellVenue(w, v)
	}
	tellRehearsed(w, s.Rehearsed)
	for _, e := range s.Exits {
		if !app.ExitState(e.State).Good() {
			fmt.Fprintf(w, "exit: %s, step %s, is %s since %s%s (lifeboat exits status)\n", e.Playbook, e.Step, app.ExitState(e.State).Told(), stamp(e.Since), prose.After(": ", strings.Join(e.Why, "; ")))
		}
	}
	if s.Missed != "" {
		fmt.Fprintf(w, "%s (lifeboat coverage)\n", s.Missed)
	}
	fmt.Fprintln(w)
	for _, t := range s.Triggers {
		note := ""
		if len(t.NoData) > 0 {
			note = "  no data: " + strings.Join(t.NoData, ", ")
		}
		fmt.Fprintf(w, "  tier %d  %-9s %s%s\n", t.Tier, t.State, t.Name, note)
	}
	for _, p := range s.Feeds {
		fmt.Fprintf(w, "feed: %s (%s)\n", p.Text, stamp(p.Since))
	}
	for _, e := range s.Endpoints {
		if e.Backup || !e.Healthy {
			fmt.Fprintf(w, "endpoint: %s goes through %s since %s%s\n", e.Dependency, e.Active, stamp(e.Since), prose.After(": ", e.Problem))
		}
	}
	for _, n := range s.Nodes {
		tellNode(w, n)
	}
	for _, ch := range s.Channels {
		if ch.Problem != "" {
			fmt.Fprintf(w, "channel: %s by %s: %s\n", ch.Person, ch.Kind, ch.Problem)
		}
	}
}

// lagMax is how many blocks behind the others a node may be without a word: news take their time.
const lagMax = 3

// tellNode is silent about a node that knows what the others do.
func tellNode(w io.Writer, n api.Node) {
	if n.Problem != "" {
		fmt.Fprintf(w, "node: %s of %s: %s\n", n.Host, n.Chain, n.Problem)
	}
	if n.Lag > lagMax {
		fmt.Fprintf(w, "node: %s of %s is %d blocks behind\n", n.Host, n.Chain, n.Lag)
	}
	if n.Disagreements > 0 {
		fmt.Fprintf(w, "node: %s of %s was overruled %s: %s\n", n.Host, n.Chain, prose.Count(int(n.Disagreements), "time"), n.Disagreed)
	}
}

// tellBreaker is silent while everything passes and always did.
func tellBreaker(w io.Writer, b api.Breaker) {
	if b.Since.IsZero() {
		fmt.Fprintln(w, "breaker: active")
		return
	}
	fmt.Fprintf(w, "breaker: %s since %s: %s%s\n", b.State, stamp(b.Since), b.Why, prose.After("\n  ", b.Next))
	for _, t := range b.Holds {
		fmt.Fprintf(w, "  %s was under way (%s): what has not left waits, what is out goes on\n", cmp.Or(prose.After("step "+t.Step+" of ", t.Run), "a task of lifeboat's own"), t.Kind)
	}
}

// wantsFactor says how a yes is signed.
func wantsFactor(q api.Question) string {
	switch q.Factor {
	case "":
		return ""
	case "duo":
		return " --duo"
	case "webauthn":
		return " (a yes takes your passkey: open the link in the message)"
	case "wallet":
		return fmt.Sprintf(" --signature 0x… (what your wallet signs: lifeboat question typed-data %s)%s", q.Key, prose.After("; signed so far: ", strings.Join(q.Answered, ", ")))
	case "any":
		return " (a yes takes --code, --duo, or your passkey through the link in the message)"
	}
	return " --code CODE"
}

func tellHeld(w io.Writer, h api.Held) {
	next := "it is compared again and again"
	if h.Person {
		next = "look at them with lifeboat log, then lifeboat release " + h.Account
	}
	fmt.Fprintf(w, "held: no order goes to %s: %s; %s\n", h.Account, h.Why, next)
}

// tellVenue says whether orders would reach a venue now.
func tellVenue(w io.Writer, v api.Venue) {
	switch {
	case v.Chain && v.Problem != "" && v.Since != nil && v.Stated != nil:
		fmt.Fprintf(w, "chain: what %s holds is not known since %s; the book goes by what %s said at %s: %s\n", v.Account, stamp(*v.Since), v.Venue, stamp(*v.Stated), v.Problem)
	case v.Chain && v.Problem != "" && v.Since != nil:
		fmt.Fprintf(w, "chain: what %s holds is not known since %s; the book goes by the plan: %s\n", v.Account, stamp(*v.Since), v.Problem)
	case v.Chain && v.Stated != nil:
		fmt.Fprintf(w, "chain: %s answers; it last said what %s holds at %s\n", v.Venue, v.Account, stamp(*v.Stated))
	case v.Chain:
		fmt.Fprintf(w, "chain: %s has not said yet what %s holds\n", v.Venue, v.Account)
	case v.Problem != "" && v.Since != nil:
		fmt.Fprintf(w, "venue: %s cannot be reached since %s: %s\n", v.Account, stamp(*v.Since), v.Problem)
	case v.Blocked != "":
		fmt.Fprintf(w, "venue: %s may not trade: %s\n", v.Account, v.Blocked)
	case v.Stated == nil:
		fmt.Fprintf(w, "venue: %s has not said yet what %s holds\n", v.Venue, v.Account)
	default:
		fmt.Fprintf(w, "venue: %s answers; it last said what %s holds at %s\n", v.Venue, v.Account, stamp(*v.Stated))
	}
}

// tellRehearsed is silent when every playbook would go through as it would have the day before.
func tellRehearsed(w io.Writer, r *api.Rehearsed) {
	if r == nil {
		return
	}
	if len(r.Fails) > 0 {
		fmt.Fprintf(w, "rehearsed at %s: %s would not go through (lifeboat preflight --all)\n", stamp(r.At), strings.Join(r.Fails, ", "))
	}
	for _, sentence := range r.Drift {
		fmt.Fprintf(w, "changed since the day before: %s\n", sentence)
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "rehearsed at %s: %s\n", stamp(r.At), r.Problem)
	}
}

// statusAtRest tells what the journal last knew, and fails: a portfolio nobody watches is not a status.
func statusAtRest(c *cobra.Command, dataDir string, down error) error {
	record, err := readRecord(c.Context(), dataDir)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: NOT WATCHED, no daemon runs on %s\n", record.Plan.Name, dataDir)
	fmt.Fprintf(c.OutOrStdout(), "last entry %s; open runs: %d, triggers fired: %d, questions: %d\n", stamp(record.Last), len(record.Open()), len(record.Active), len(record.Questions))
	return down
}

// readRecord folds the journal of a data directory.
func readRecord(ctx context.Context, dataDir string) (*app.Record, error) {
	record := &app.Record{}
	return record, app.EachEntry(ctx, dataDir, record.Apply)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
