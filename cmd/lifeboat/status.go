package main

import (
	"bytes"
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
	"lifeboat/keep/sqlite"
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
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
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

func understand(response *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		var problem struct{ Detail string }
		_ = json.Unmarshal(text, &problem) // without a detail the status alone must do
		reason := map[int]lifeboat.Reason{404: "not-found", 403: "denied", 401: "denied"}[response.StatusCode]
		if reason == "" {
			return fmt.Errorf("the daemon answered %s: %s", response.Status, problem.Detail)
		}
		return &lifeboat.Problem{Reason: reason, What: problem.Detail, Money: "nothing was changed", Next: "lifeboat status"}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

func tellStatus(w io.Writer, s api.Status) {
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
		fmt.Fprintf(w, "asked %s at %s: %s\n", strings.Join(q.To, ", "), stamp(q.Asked), q.Text) // which says how to answer
	}
	for _, r := range s.Runs {
		fmt.Fprintf(w, "run %s of %q since %s, at step %q\n", r.ID, r.Playbook, stamp(r.Started), r.Step)
	}
	fmt.Fprintf(w, "open orders: %d\n", s.Orders)
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
	reader, err := sqlite.OpenReader(dataDir)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	record := &app.Record{}
	for entry, err := range reader.Entries(ctx, 0) {
		if err != nil {
			return nil, err
		}
		event, err := entry.Event()
		if err != nil {
			return nil, err
		}
		record.Apply(entry.At, event)
	}
	return record, nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
