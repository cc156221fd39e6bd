package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// alertmanager posts an alert to a Prometheus Alertmanager, which routes, groups and silences by the owner's own rules. One
// matter is one alert for each person; it ends when the matter does.
type alertmanager struct {
	web
	url       string
	portfolio string
}

// alertLasts is how long an alert stands that is never repeated nor ended.
const alertLasts = 24 * time.Hour

type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt,omitzero"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (c alertmanager) Send(ctx context.Context, d Delivery) error {
	a := alert{
		Labels: map[string]string{"alertname": "lifeboat", "portfolio": c.portfolio, "thread": string(d.Thread), "to": d.Person,
			"tier": fmt.Sprint(int(d.Tier)), "severity": strings.ToLower(string(d.Tier.Severity()))},
		Annotations:  map[string]string{"summary": d.Subject, "description": d.Text, "key": string(d.Key), "standing": d.Standing.String()},
		EndsAt:       d.At.Add(alertLasts),
		GeneratorURL: d.Link,
	}
	if d.Standing == Over {
		a.EndsAt = d.At
	}
	body, err := json.Marshal([]alert{a})
	if err != nil {
		return fmt.Errorf("write the body: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.url, "/")+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		return errors.New("its address cannot be asked")
	}
	request.Header.Set("Content-Type", "application/json")
	_, err = c.do(request)
	return err
}
