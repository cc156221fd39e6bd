package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"lifeboat"
)

// pagerDuty tells PagerDuty's Events API v2. All messages about a matter share one dedup_key, so that they are one incident
// there, which is acknowledged and resolved when the matter is.
type pagerDuty struct {
	web
	url       string
	key       string
	portfolio string
}

const (
	pagerDutyURL = "https://events.pagerduty.com"
	summaryMax   = 1024 // characters, by the API's description
)

type pagerEvent struct {
	RoutingKey string        `json:"routing_key"`
	Action     string        `json:"event_action"`
	DedupKey   string        `json:"dedup_key"`
	Links      []pagerLink   `json:"links,omitempty"`
	Client     string        `json:"client,omitempty"`
	Payload    *pagerPayload `json:"payload,omitempty"`
}

type pagerLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

type pagerPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

func (c pagerDuty) Send(ctx context.Context, d Delivery) error {
	body, err := json.Marshal(c.event(d))
	if err != nil {
		return fmt.Errorf("write the body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v2/enqueue", bytes.NewReader(body))
	if err != nil {
		return errors.New("its address cannot be asked")
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.do(request)
	if err != nil {
		return err
	}
	var said struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer, &said); err != nil || said.Status != "success" {
		return errors.New("it did not confirm the event" + c.said([]byte(said.Message)))
	}
	return nil
}

func (c pagerDuty) event(d Delivery) pagerEvent {
	e := pagerEvent{RoutingKey: c.key, DedupKey: string(d.Thread), Action: [...]string{"trigger", "acknowledge", "resolve"}[d.Standing]}
	if d.Standing != Open {
		return e
	}
	e.Client = "lifeboat"
	e.Payload = &pagerPayload{
		Summary: cut(d.Subject, summaryMax), Source: c.portfolio, Severity: pagerSeverity(d), Timestamp: d.At.UTC().Format(time.RFC3339),
		Details: map[string]string{"text": d.Text, "to": d.Person, "key": string(d.Key)},
	}
	if d.Link != "" {
		e.Links = []pagerLink{{d.Link, "acknowledge or answer"}}
	}
	return e
}

// pagerSeverity is one of the four words that the API knows.
func pagerSeverity(d Delivery) string {
	switch {
	case d.Tier >= lifeboat.Emergency:
		return "critical"
	case d.Tier == lifeboat.Action || d.Question:
		return "error"
	case d.Tier == lifeboat.Watch:
		return "warning"
	}
	return "info"
}
