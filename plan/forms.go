package plan

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// form reads what has a form of its own: units, and the short ways to write a step or a trigger. It reports whether
// the node was in such a form.
func (d *decoder) form(n *node, path string, r rules, name string, v reflect.Value) bool {
	switch v.Type() {
	case typeDuration:
		d.duration(n, name, v)
	case typeRatio:
		d.ratio(n, name, v)
	case typeDecimal:
		d.amount(n, r, name, v)
	case typeGas:
		d.gas(n, name, v)
	case typeTier:
		d.tier(n, name, v)
	case typeSeverity:
		d.severity(n, name, v)
	case typeTrigger:
		d.trigger(n, path, v.Addr().Interface().(*Trigger))
	case typeTargets:
		return d.weights(n, path, v.Addr().Interface().(*[]Target))
	default:
		return n.kind == scalar && d.short(n, path, name, v)
	}
	return true
}

// short reads a step that is written as one text.
func (d *decoder) short(n *node, path, name string, v reflect.Value) bool {
	text := strings.TrimSpace(n.text)
	inside := func(key string) { d.places.set(path+"."+key, n) }
	switch step := v.Addr().Interface().(type) {
	case *Rebalance:
		*step = Rebalance{Model: text}
		if r, ok := ParseSentence(text); ok {
			*step = r
			inside("reduce")
		}
		inside("model")
	case *Approve:
		step.By = text
		inside("by")
	case *Manual:
		step.Text = text
		inside("text")
	case *Notify:
		step.Text = text
		inside("text")
	case *Verify:
		step.That = text
		inside("that")
	case *Wait:
		if text == "open" || text == "close" {
			step.Until = text
			return true
		}
		d.duration(n, name, reflect.ValueOf(&step.For).Elem())
	default:
		return false
	}
	return true
}

func (d *decoder) duration(n *node, name string, v reflect.Value) {
	span, err := ParseDuration(n.text)
	if n.kind == scalar && err == nil {
		v.SetInt(int64(span))
		return
	}
	suggestion := ""
	if number, err := parseDecimal(n.text); n.kind == scalar && err == nil && !number.IsNegative() {
		suggestion = strings.TrimSpace(n.text) + "m"
	}
	if letters := unitForm.ReplaceAllString(strings.ToLower(n.text), "$1"); suggestion == "" && durationForm.MatchString(letters) {
		suggestion = strings.ReplaceAll(letters, " ", "")
	}
	d.fault(n, fmt.Sprintf("%s wants a span such as 30m or 4h, not %s", name, n.told()), suggestion)
}

// unitForm is a unit written out, of which the first letter is the unit.
var unitForm = regexp.MustCompile(`\b?(s|m|h|d|w)(?:ec|ecs|econds?|in|ins|inutes?|r|rs|ours?|ays?|eeks?)\b`)

func (d *decoder) ratio(n *node, name string, v reflect.Value) {
	share, err := ParseRatio(n.text)
	if n.kind == scalar && err == nil {
		v.SetFloat(float64(share))
		return
	}
	suggestion := ""
	if n.kind == scalar && errors.Is(err, errWantsPercent) {
		suggestion = strings.TrimSpace(n.text) + "%"
	} else if n.kind == scalar && strings.HasPrefix(n.text, "%") {
		suggestion = strings.TrimSpace(n.text[1:]) + "%"
	} else if n.kind == scalar && strings.Count(n.text, ",") == 1 {
		suggestion = strings.Replace(n.text, ",", ".", 1)
	}
	if _, err := ParseRatio(suggestion); err != nil {
		suggestion = ""
	}
	d.fault(n, fmt.Sprintf("%s wants a share such as 15%% or 0.15, not %s", name, n.told()), suggestion)
}

// amount reads an exact number, and a currency where the number is money.
func (d *decoder) amount(n *node, r rules, name string, v reflect.Value) {
	var number decimal.Decimal
	var err error
	wanted := "a number such as 12.5"
	if r.money {
		var currency string
		wanted = "an amount such as 5000, $5,000 or 5000 EUR"
		if number, currency, err = parseMoney(n.text); err == nil && currency != "" {
			d.money = append(d.money, amount{n, currency})
		}
	} else {
		number, err = parseDecimal(n.text)
	}
	if n.kind != scalar || err != nil || number.IsNegative() && !r.signed {
		if n.kind == scalar && err == nil {
			wanted += " that is 0 or more"
		}
		d.fault(n, fmt.Sprintf("%s wants %s, not %s", name, wanted, n.told()), "")
		return
	}
	v.Set(reflect.ValueOf(number))
}

// tier reads 2, "2", and the tier's word.
func (d *decoder) tier(n *node, name string, v reflect.Value) {
	text := strings.TrimSpace(n.text)
	for t := lifeboat.Watch; t <= lifeboat.Emergency; t++ {
		if n.kind == scalar && (text == fmt.Sprint(int(t)) || strings.EqualFold(text, t.String())) {
			v.SetInt(int64(t))
			return
		}
	}
	d.fault(n, fmt.Sprintf("%s wants 1 (Watch), 2 (Action) or 3 (Emergency), not %s", name, n.told()),
		d.nearest(text, []string{"Watch", "Action", "Emergency"}))
}

// gas reads 300 gwei.
func (d *decoder) gas(n *node, name string, v reflect.Value) {
	price, err := ParseGasPrice(n.text)
	if n.kind == scalar && err == nil {
		v.SetInt(int64(price))
		return
	}
	suggestion := strings.TrimSpace(n.text) + " gwei"
	if _, err := ParseGasPrice(suggestion); n.kind != scalar || err != nil {
		suggestion = ""
	}
	d.fault(n, fmt.Sprintf("%s wants a price of gas such as 300 gwei, not %s", name, n.told()), suggestion)
}

// severities are the words that are probably meant by a word like them. Others are the owner's own.
var severities = []string{"CRITICAL", "HIGH", "MEDIUM", "WARNING", "LOW", "INFO"}

var severityForm = regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,30}$`)

func (d *decoder) severity(n *node, name string, v reflect.Value) {
	if s, ok := d.severityOf(n, name, strings.TrimSpace(n.text)); ok {
		v.SetString(string(s))
	}
}

// severityOf checks a word. One that looks like a mistyped CRITICAL must not quietly become the lowest tier.
func (d *decoder) severityOf(n *node, name, text string) (lifeboat.Severity, bool) {
	upper := strings.ToUpper(text)
	if n.kind != scalar || !severityForm.MatchString(text) {
		d.fault(n, fmt.Sprintf("%s wants a word such as CRITICAL, HIGH or WARNING, not %s", name, n.told()), "")
		return "", false
	}
	if slices.Contains(severities, upper) {
		return lifeboat.Severity(upper), true
	}
	if meant := d.nearest(upper, severities); meant != "" {
		d.fault(n, fmt.Sprintf("%s is not %s", name, text), meant)
		return "", false
	}
	return lifeboat.Severity(upper), true
}

// tierOf a severity, for a trigger that names no tier.
func tierOf(s lifeboat.Severity) lifeboat.Tier {
	switch s {
	case "CRITICAL":
		return lifeboat.Emergency
	case "HIGH":
		return lifeboat.Action
	}
	return lifeboat.Watch
}

// trigger reads a mapping, or a text that is a rule.
func (d *decoder) trigger(n *node, path string, t *Trigger) {
	if n.kind == scalar {
		t.Rule = strings.TrimSpace(n.text)
		d.rule(n, path, t)
		return
	}
	d.fields(n, path, "a trigger", reflect.ValueOf(t).Elem())
	if n.kind != mapping {
		return
	}
	if rule := n.get("rule"); rule != nil && t.Rule != "" {
		d.rule(rule, path, t)
	}
	if t.Condition == "" && t.Rule == "" && !d.bad[path+".condition"] {
		d.fault(n.here(), "a trigger wants a condition, or a rule: IF … THEN severity = CRITICAL", "")
	}
	if t.Action != "" && t.Playbook != "" {
		d.fault(n.get("action"), "a trigger has an action or a playbook, not both", "")
	}
}

// ruleForm is a condition and a severity in one line.
var ruleForm = regexp.MustCompile(`(?is)^\s*IF\s+(.*?\S)\s+THEN\s+severity\s*={1,2}\s*["']?([A-Za-z][A-Za-z_-]*)["']?\s*;?\s*$`)

// rule splits IF … THEN severity = X.
func (d *decoder) rule(n *node, path string, t *Trigger) {
	parts := ruleForm.FindStringSubmatchIndex(n.text)
	if parts == nil {
		d.fault(n, "a rule reads IF condition THEN severity = CRITICAL", "")
		d.bad[path] = true
		return
	}
	condition, severity := n.text[parts[2]:parts[3]], n.text[parts[4]:parts[5]]
	if t.Condition != "" {
		d.fault(n, "a trigger has a condition or a rule, not both", "")
		return
	}
	t.Condition = condition
	d.places.part(path+".condition", n, condition, len([]rune(n.text[:parts[2]])))
	written := t.Severity
	if s, ok := d.severityOf(n, "severity", severity); ok {
		t.Severity = s
	}
	if written != "" && written != t.Severity {
		d.fault(n, fmt.Sprintf("the rule says severity %s and the trigger %s", t.Severity, written), "")
	}
}

// weights reads {SPY: 20%, cash: 80%} in the order in which it stands. A list is read as any other.
func (d *decoder) weights(n *node, path string, targets *[]Target) bool {
	if n.kind != mapping {
		return false
	}
	for i, f := range n.fields {
		at := fmt.Sprintf("%s[%d]", path, i)
		target := Target{Of: strings.TrimSpace(f.key.text)}
		d.places.set(at, f.key)
		d.places.set(at+".of", f.key)
		d.value(f.value, at+".weight", rules{}, "the weight of "+shorten(target.Of, textMax), reflect.ValueOf(&target.Weight).Elem())
		if f.value.kind == null {
			d.fault(f.key, fmt.Sprintf("%s has no weight", shorten(target.Of, textMax)), "")
		}
		*targets = append(*targets, target)
	}
	return true
}

var (
	reduceForm = regexp.MustCompile(`(?i)^(?:reduce|cut|sell|lower|decrease|trim)\s+(?:the\s+|our\s+|my\s+)?(\S+(?:\s+estate)?)(?:\s+(?:exposure|holdings?|positions?))?\s+by\s+([0-9][0-9.]*\s*%)$`)
	raiseForm  = regexp.MustCompile(`(?i)^(?:raise|increase|lift|bring)\s+(?:the\s+|our\s+|my\s+)?cash(?:\s+(?:exposure|holdings?|positions?|levels?))?\s+to\s+([0-9][0-9.]*\s*%)$`)
	andForm    = regexp.MustCompile(`(?i)\s*,?\s+(?:and|then)\s+(?:then\s+)?|\s*[,;]\s*`)
)

// ParseSentence reads "Reduce equity exposure by 25% and increase cash holdings to 40%.", either half of it too.
func ParseSentence(text string) (Rebalance, bool) {
	var r Rebalance
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
	clauses := andForm.Split(text, 3)
	if len(clauses) > 2 {
		return r, false
	}
	for _, clause := range clauses {
		if m := reduceForm.FindStringSubmatch(clause); m != nil && r.Reduce == "" {
			by, err := ParseRatio(m[2])
			if err != nil || by == 0 {
				return r, false
			}
			r.Reduce, r.By = m[1], by
		} else if m := raiseForm.FindStringSubmatch(clause); m != nil && r.RaiseCashTo == 0 {
			to, err := ParseRatio(m[1])
			if err != nil || to == 0 {
				return r, false
			}
			r.RaiseCashTo = to
		} else {
			return r, false
		}
	}
	return r, true
}

// callForm is an action in function form.
var callForm = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(\s*(?:'([^']*)'|"([^"]*)")\s*\)\s*;?\s*$`)

// actions that can be written as a function.
var actions = []string{"execute_rebalance_to_model", "run_playbook", "notify"}

// parseCall splits execute_rebalance_to_model('M') into its two words.
func parseCall(text string) (function, argument string, ok bool) {
	m := callForm.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], strings.TrimSpace(m[2] + m[3]), true
}

// looseCallForm is an action in function form whose name stands in no quotes, or in those of a word processor.
var looseCallForm = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*\(\s*[‘’“”"'\x60]?([^‘’“”"'\x60()]+?)[‘’“”"'\x60]?\s*\)\s*;?\s*$`)

// straightCall is the action as it was meant; "" when it is in no such form.
func straightCall(text string) string {
	m := looseCallForm.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return fmt.Sprintf("%s('%s')", m[1], m[2])
}
