package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shopspring/decimal"
)

// contract is what programs may rely on in the one JSON object of drill run --json. A word stands for a kind of value,
// a word with a question mark may be null, a|b is one of these words, and * is any key. There may be more keys.
const contract = `{
  "scenario": "text", "plan_hash": "hash", "from": "time", "to": "time",
  "firings": [{"time": "time", "trigger": "text", "tier": "tier", "severity": "text", "state": "fired|cleared", "values": {"*": "number"}}],
  "decisions": [{"time": "time", "trigger": "text", "playbook": "string", "verdict": "text", "by": "text"}],
  "runs": [{
    "id": "text", "playbook": "text", "started": "time", "finished": "time?", "status": "text",
    "steps": [{"name": "text", "kind": "text", "started": "time", "finished": "time?", "status": "text"}]
  }],
  "orders": [{
    "time": "time", "venue": "text", "symbol": "text", "side": "buy|sell", "quantity": "decimal", "price": "decimal",
    "client_order_id": "text", "slippage_bps": "number"
  }],
  "outcome": {
    "value_start": "decimal", "value_end": "decimal", "value_end_unprotected": "decimal",
    "max_drawdown": "fraction", "max_drawdown_unprotected": "fraction", "loss_avoided": "decimal"
  },
  "times": {"detect_s": "number?", "decide_s": "number?", "act_s": "number?"},
  "incidents": [{"id": "text", "opened": "time", "closed": "time?", "tier": "tier"}],
  "journal_digest": "hash"
}`

// kinds are the words of the contract.
var kinds = map[string]func(any) bool{
	"string": func(v any) bool { _, ok := v.(string); return ok },
	"text":   func(v any) bool { s, ok := v.(string); return ok && s != "" },
	"hash": func(v any) bool {
		s, ok := v.(string)
		return ok && regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(s)
	},
	"number":   func(v any) bool { _, ok := v.(json.Number); return ok },
	"tier":     func(v any) bool { return v == json.Number("1") || v == json.Number("2") || v == json.Number("3") },
	"time":     isTime,
	"decimal":  isDecimal,
	"fraction": isFraction,
}

// isTime wants RFC 3339, in UTC.
func isTime(v any) bool {
	s, ok := v.(string)
	if !ok || !strings.HasSuffix(s, "Z") {
		return false
	}
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

// isDecimal wants a decimal string: a JSON number would lose cents on the way.
func isDecimal(v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	_, err := decimal.NewFromString(s)
	return err == nil
}

func isFraction(v any) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	f, err := n.Float64()
	return err == nil && f >= 0 && f <= 1
}

// breaches lists where a text is not exactly one JSON object that keeps the contract.
func breaches(text []byte) []string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return []string{err.Error()}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return []string{"something follows the object"}
	}
	var shape any
	if err := json.Unmarshal([]byte(contract), &shape); err != nil {
		return []string{err.Error()}
	}
	return misfits("$", shape, value)
}

func misfits(at string, shape, value any) (found []string) {
	wrong := func(want any) []string { return []string{fmt.Sprintf("%s is %v, not %v", at, value, want)} }
	switch shape := shape.(type) {
	case map[string]any:
		object, ok := value.(map[string]any)
		if !ok {
			return wrong("an object")
		}
		for key, part := range shape {
			if each, any := object[key]; any {
				found = append(found, misfits(at+"."+key, part, each)...)
			} else if key != "*" {
				found = append(found, at+"."+key+" is missing")
			}
		}
		if part, any := shape["*"]; any {
			for key, each := range object {
				found = append(found, misfits(at+"."+key, part, each)...)
			}
		}
	case []any:
		list, ok := value.([]any)
		if !ok {
			return wrong("a list")
		}
		for i, each := range list {
			found = append(found, misfits(fmt.Sprintf("%s[%d]", at, i), shape[0], each)...)
		}
	case string:
		word, optional := strings.CutSuffix(shape, "?")
		is, known := kinds[word]
		if !known {
			is = func(v any) bool { s, ok := v.(string); return ok && slices.Contains(strings.Split(word, "|"), s) }
		}
		if !is(value) && (!optional || value != nil) {
			return wrong(shape)
		}
	}
	slices.Sort(found)
	return found
}

// TestContractFindsBreaches holds the judge itself to account.
func TestContractFindsBreaches(t *testing.T) {
	const kept = `{"scenario":"s","plan_hash":"` + hash + `","from":"2020-01-02T21:00:00Z","to":"2020-06-30T20:00:00Z",
		"firings":[{"time":"2020-02-27T21:00:00Z","trigger":"t","tier":1,"severity":"WARNING","state":"fired","values":{"VIX":39.16}}],
		"decisions":[],"runs":[],"orders":[],
		"outcome":{"value_start":"1","value_end":"1.50","value_end_unprotected":"1","max_drawdown":0.1,"max_drawdown_unprotected":0.2,"loss_avoided":"-0.5"},
		"times":{"detect_s":1,"decide_s":null,"act_s":0.5},"incidents":[],"journal_digest":"` + hash + `"}`
	if found := breaches([]byte(kept)); len(found) > 0 {
		t.Fatal(found)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"1.50"`, `1.5`, "$.outcome.value_end is 1.5, not decimal"},
		{`21:00:00Z","to"`, `21:00:00+00:00","to"`, "$.from is 2020-01-02T21:00:00+00:00, not time"},
		{`"orders":[]`, `"orders":null`, "$.orders is <nil>, not a list"},
		{`"scenario":"s",`, ``, "$.scenario is missing"},
		{`39.16`, `"39.16"`, "$.firings[0].values.VIX is 39.16, not number"},
		{`"fired"`, `"firing"`, "$.firings[0].state is firing, not fired|cleared"},
		{`"max_drawdown":0.1`, `"max_drawdown":10`, "$.outcome.max_drawdown is 10, not fraction"},
		{`"incidents":[]`, `"incidents":[{}]`, "$.incidents[0].closed is missing"},
	} {
		found := breaches([]byte(strings.Replace(kept, c.old, c.new, 1)))
		if len(found) == 0 || found[0] != c.want {
			t.Errorf("%s: %q, want %q", c.new, found, c.want)
		}
	}
	if found := breaches([]byte(kept + "{}")); len(found) != 1 {
		t.Error("a second object went unnoticed")
	}
}

const hash = "5ad3e0daea54b0979bede839e7faa3cc0c0bef84486fbce08a42809efd225396"
