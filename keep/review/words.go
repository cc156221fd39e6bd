package review

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/prose"
)

// against compares what something took with its RTO; "" when it has none.
func against(took, rto time.Duration, open bool) string {
	switch {
	case rto == 0:
		return ""
	case open:
		return fmt.Sprintf("RTO of %s not met, still open", prose.Span(rto))
	case took > rto:
		return fmt.Sprintf("RTO of %s missed by %s", prose.Span(rto), prose.Span(took-rto))
	}
	return fmt.Sprintf("met RTO of %s", prose.Span(rto))
}

func over(took, rto time.Duration, open bool) bool { return rto > 0 && (open || took > rto) }

func decided(v lifeboat.Verdict) string {
	switch v {
	case lifeboat.Start:
		return "started"
	case lifeboat.Ask:
		return "asked before"
	case lifeboat.Hold:
		return "held"
	}
	return string(v)
}

// whose decision it is: a trigger's; a person's own has none.
func whose(trigger string) string {
	if trigger == "" {
		return ""
	}
	return trigger + ": "
}

func change(state lifeboat.IncidentState) string {
	switch state {
	case lifeboat.IncidentOpened:
		return "opened at tier"
	case lifeboat.IncidentRaised:
		return "joined by another trigger, tier"
	case lifeboat.IncidentClosed:
		return "closed; it had reached tier"
	}
	return string(state) + " at tier"
}

func gap(g lifeboat.Gap) string {
	if g.State == lifeboat.GapClosed {
		return fmt.Sprintf("%s gives fresh data again", g.Series)
	}
	return fmt.Sprintf("%s gave no fresh data%s", g.Series, prose.After("; blind meanwhile: ", strings.Join(g.Triggers, ", ")))
}

// values that a condition read, by name.
func values(read map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(read)) {
		text := strconv.FormatFloat(read[name], 'f', 4, 64)
		parts = append(parts, name+" "+strings.TrimRight(strings.TrimRight(text, "0"), "."))
	}
	return strings.Join(parts, ", ")
}

// price to the digits that matter: an average of many fills has more than anybody can read.
func price(d decimal.Decimal) string {
	if d.Abs().GreaterThanOrEqual(decimal.NewFromInt(1)) {
		return d.Round(4).String()
	}
	return d.Round(6).String()
}

// sentence ends a text with a full stop, unless it ends already.
func sentence(text string) string {
	if strings.HasSuffix(text, "?") || strings.HasSuffix(text, "!") {
		return text
	}
	return strings.TrimRight(text, ".") + "."
}
