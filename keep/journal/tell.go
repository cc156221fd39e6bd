package journal

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"lifeboat"
	"lifeboat/prose"
)

// Tell says on one line what an entry records, at the reader's wall clock (UTC when zone is nil):
//
//	2020-03-12 20:00:00Z  FIRED     tier 3 Emergency "Market crash" (CRITICAL): drawdown(SPX) 0.267, vix 75.47
//
// It never fails: an entry that this version cannot read is told as that.
func Tell(e Entry, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	verb, text := tell(e)
	return fmt.Sprintf("%s  %-8s  %s", e.At.In(zone).Format("2006-01-02 15:04:05Z07:00"), verb, oneLine(text))
}

func tell(e Entry) (verb, text string) {
	event, err := e.Event()
	if err != nil {
		return "UNKNOWN", fmt.Sprintf("%q, which this version of lifeboat cannot read", e.Word)
	}
	switch v := event.(type) {
	case lifeboat.PlanLoaded:
		return "PLAN", fmt.Sprintf("%q is in force with %s (%s, %s)", v.Name, prose.Count(len(v.Positions), "position"), v.Mode, short(v.Hash))
	case lifeboat.Resumed:
		return "RESUMED", fmt.Sprintf("nothing shows that lifeboat was running since %s, for %s", v.Since.UTC().Format(time.RFC3339), prose.Span(e.At.Sub(v.Since)))
	case lifeboat.Instant:
		return "READ", tellReadings(v.Readings)
	case lifeboat.Gap:
		return tellGap(v)
	case lifeboat.Firing:
		return tellFiring(v)
	case lifeboat.IncidentChange:
		return "INCIDENT", tellIncident(v)
	case lifeboat.Decision:
		return tellDecision(v)
	case lifeboat.Answer:
		return "ANSWER", fmt.Sprintf("%s said %s to %s%s", v.By, yesNo(v.Yes), v.Question, prose.After(": ", v.Note))
	case lifeboat.RunStarted:
		return "RUN", fmt.Sprintf("%s starts playbook %q (%s) for %q, by %s%s",
			v.Run, v.Playbook, short(v.Hash), v.Trigger, v.By, prose.After(", in place of ", strings.Join(v.Supersedes, ", ")))
	case lifeboat.StepStarted:
		return "STEP", fmt.Sprintf("%s step %s %q (%s) begins%s", v.Run, v.Step, v.Name, v.Kind, attempt(v.Attempt))
	case lifeboat.StepFinished:
		return "STEP", tellStepFinished(v)
	case lifeboat.RunFinished:
		return "RUN", fmt.Sprintf("%s ended %s%s", v.Run, v.Status, prose.After(": ", v.Why))
	case lifeboat.Intent:
		return tellIntent(v)
	case lifeboat.Refused:
		return "REFUSED", fmt.Sprintf("%s was not carried out%s", v.Key, prose.After(": ", v.Why))
	case lifeboat.Receipt:
		return "RECEIPT", tellReceipt(v)
	case lifeboat.Request:
		return "REQUEST", tellRequest(v)
	case lifeboat.BreakerMove:
		return "BREAKER", fmt.Sprintf("%s, by %s: %s", v.To, v.By, v.Why)
	case lifeboat.Quarantine:
		return "HELD", fmt.Sprintf("nothing is sent to %s until what the venue knows was compared: %s", list(v.Accounts), v.Why)
	case lifeboat.Reconciled:
		return "COMPARED", tellReconciled(v)
	case lifeboat.Statement:
		return "STATED", fmt.Sprintf("%s says that %s holds %s%s", v.Source, v.Account, prose.Count(len(v.Lines), "asset"), prose.After("; it may not trade: ", v.Blocked))
	case lifeboat.Restated:
		return "RESTATED", fmt.Sprintf("the book of %s follows %s: %s", v.Account, v.Source, v.Why)
	case lifeboat.Outlook:
		return "OUTLOOK", fmt.Sprintf("the exit of step %s in %q is %s%s", v.Step, v.Playbook, v.State, prose.After(": ", strings.Join(v.Why, "; ")))
	}
	return strings.ToUpper(e.Word), string(e.Body)
}

func tellRequest(r lifeboat.Request) string {
	signed := ""
	if r.Factor != nil {
		signed = ", signed with " + r.Factor.Kind
	}
	return fmt.Sprintf("%s wants %s%s%s%s (%s)%s", r.By, r.Verb, prose.After(" ", r.Object), prose.After(" step ", r.Step), signed, r.ID, prose.After(": ", r.Note))
}

func tellReconciled(r lifeboat.Reconciled) string {
	text := fmt.Sprintf("%s has the %s of the journal", r.Account, prose.Count(r.Known, "order"))
	if len(r.Strange) == 0 {
		return text + " and no other; it is open again"
	}
	var strange []string
	for _, s := range r.Strange {
		strange = append(strange, fmt.Sprintf("%s %s %s %s (%s)", s.Order.Side, s.Order.Quantity, s.Order.Symbol, s.Receipt.Status, s.Order.ID))
	}
	return text + ", and others that it does not know: " + list(strange) + "; a person must release it"
}

// toldMax is how many readings, or values of a check, are told one by one.
const toldMax = 4

// tellReadings begins with what cannot be trusted, which is what the reader of a log looks for.
func tellReadings(readings []lifeboat.Reading) string {
	var told []string
	for _, good := range []bool{false, true} {
		for _, r := range readings {
			if (r.Quality == lifeboat.Good) == good {
				told = append(told, tellReading(r))
			}
		}
	}
	return prose.Count(len(readings), "reading") + prose.After(": ", list(told))
}

func tellReading(r lifeboat.Reading) string {
	text := string(r.Series) + " " + number(r.Value)
	switch r.Quality {
	case lifeboat.Good:
	case lifeboat.Stale:
		text += " (stale)"
	case lifeboat.Suspect:
		text = string(r.Series) + " (suspect" + prose.After(": ", r.Why) + ")"
	default:
		text = string(r.Series) + " (no value)"
	}
	if r.Source != "" {
		text += " from " + r.Source
	}
	return text
}

func tellGap(g lifeboat.Gap) (verb, text string) {
	if g.State == lifeboat.GapClosed {
		return "HEARD", fmt.Sprintf("%s gives fresh data again", g.Series)
	}
	text = fmt.Sprintf("%s never gave data", g.Series)
	if !g.Since.IsZero() {
		text = fmt.Sprintf("%s has given no fresh data since %s", g.Series, g.Since.UTC().Format(time.RFC3339))
	}
	return "SILENT", text + prose.After("; blind meanwhile: ", quoted(g.Triggers))
}

func tellFiring(f lifeboat.Firing) (verb, text string) {
	values := slices.Clone(f.Sources)
	for i, s := range values {
		values[i] = "agreed by " + s
	}
	return strings.ToUpper(string(f.State)), fmt.Sprintf("tier %d %s %q (%s)%s",
		f.Tier, f.Tier, f.Trigger, f.Severity, prose.After(": ", strings.Join(append(named(f.Values), values...), ", ")))
}

func tellIncident(c lifeboat.IncidentChange) string {
	switch c.State {
	case lifeboat.IncidentClosed:
		return fmt.Sprintf("%s is closed; it reached tier %d %s", c.ID, c.Tier, c.Tier)
	case lifeboat.IncidentRaised:
		return fmt.Sprintf("%s is joined by %q, tier %d %s", c.ID, c.Trigger, c.Tier, c.Tier)
	}
	return fmt.Sprintf("%s is opened by %q, tier %d %s", c.ID, c.Trigger, c.Tier, c.Tier)
}

func tellDecision(d lifeboat.Decision) (verb, text string) {
	does := "hold"
	switch {
	case d.Verdict == lifeboat.Start:
		does = fmt.Sprintf("start playbook %q as %s", d.Playbook, d.Run)
	case d.Verdict == lifeboat.Ask:
		does = fmt.Sprintf("ask before playbook %q (%s)", d.Playbook, d.Question)
	case d.Playbook != "":
		does = fmt.Sprintf("hold playbook %q", d.Playbook)
	}
	return "DECIDED", fmt.Sprintf("%s for %q, by %s%s", does, d.Trigger, d.By, prose.After(": ", d.Why))
}

func tellStepFinished(s lifeboat.StepFinished) string {
	status := string(s.Status)
	if s.Retry {
		status += ", to be tried again"
	}
	return fmt.Sprintf("%s step %s %s%s%s", s.Run, s.Step, status, prose.After(": ", s.Why), prose.After("; ", list(named(s.Values))))
}

func tellIntent(i lifeboat.Intent) (verb, text string) {
	switch {
	case i.Order != nil:
		return "ORDER", tellOrder(*i.Order)
	case i.Message != nil && i.Message.Question:
		return "ASK", fmt.Sprintf("%s (%s): %s", strings.Join(i.Message.To, ", "), i.Key, i.Message.Text)
	case i.Message != nil:
		return "MESSAGE", fmt.Sprintf("to %s: %s", strings.Join(i.Message.To, ", "), i.Message.Text)
	case i.Task != nil:
		return "TASK", fmt.Sprintf("%s (%s)", i.Task.Kind, i.Key)
	case i.Account == "":
		return "CANCEL", fmt.Sprintf("task %s", i.Cancel)
	}
	return "CANCEL", fmt.Sprintf("order %s in %s", i.Cancel, i.Account)
}

func tellOrder(o lifeboat.Order) string {
	price := "at market"
	if o.Type == lifeboat.Limit {
		price = "limit " + o.Limit.String()
	}
	return fmt.Sprintf("%s %s %s %s in %s (%s), arrival price %s", o.Side, o.Quantity, o.Symbol, price, o.Account, o.ID, o.Arrival)
}

func tellReceipt(r lifeboat.Receipt) string {
	text := string(r.Status)
	switch {
	case r.Status == lifeboat.Unknown:
		text = "the venue did not say"
	case !r.Filled.IsZero():
		text = fmt.Sprintf("%s: %s at %s", r.Status, r.Filled, r.Price)
	}
	if !r.Fee.IsZero() {
		text += ", fee " + r.Fee.String()
	}
	return fmt.Sprintf("%s %s%s", r.Key, text, prose.After(": ", r.Why))
}

// list joins the first few and says how many more there are.
func list(parts []string) string {
	if len(parts) <= toldMax {
		return strings.Join(parts, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(parts[:toldMax], ", "), len(parts)-toldMax)
}

// named tells values by name, in the order of the names.
func named(values map[string]float64) []string {
	told := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		told = append(told, name+" "+number(values[name]))
	}
	return told
}

// number shortens a value to what a person reads: two decimals, four below one, three digits below that.
func number(v float64) string {
	abs, decimals := math.Abs(v), 2
	switch {
	case abs != 0 && abs < 0.001 || abs >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case abs < 1:
		decimals = 4
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func quoted(names []string) string {
	told := make([]string, len(names))
	for i, name := range names {
		told[i] = strconv.Quote(name)
	}
	return list(told)
}

func attempt(n int) string {
	if n <= 1 {
		return ""
	}
	return fmt.Sprintf(", attempt %d", n)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// short is how much of a hash a person compares.
func short(hash string) string { return hash[:min(len(hash), 12)] }

// oneLine keeps what people wrote on the line, and what would steer the terminal or turn the text around away from it.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
}
