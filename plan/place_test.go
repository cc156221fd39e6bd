package plan

import (
	"strings"
	"testing"
)

// TestPlaces looks for the word HERE: wherever its value says it is, it must stand in the source.
func TestPlaces(t *testing.T) {
	for name, text := range map[string]string{
		"plain":                  `condition: a > 1 AND HERE`,
		"plain over lines":       "condition: a > 1\n      AND b\n\n      AND HERE",
		"single quotes":          `condition: 'it''s ''b'' AND HERE'`,
		"single over lines":      "condition: 'a  \n\n\n    b ''c\n    HERE'",
		"double quotes":          `condition: "tab \t, \"quote\", \u00e9, \x41, \U0001F600 HERE"`,
		"double over lines":      "condition: \"a\n    b \\\"c\n    HERE\"",
		"after letters":          `{näme: "Ünïcödé 😀", condition: "é AND HERE"}`,
		"literal":                "condition: |\n      a\n        b\n\n      c HERE",
		"literal, stripped":      "condition: |-\n        HERE",
		"folded":                 "condition: >\n      a\n      b\n\n      c HERE",
		"folded, deeper":         "condition: >-\n      a\n         b\n      HERE",
		"rule":                   `rule: "IF a > 1 AND HERE THEN severity = HIGH"`,
		"rule in a folded block": "rule: >\n      IF a > 1\n      AND HERE > 2\n      THEN severity = HIGH",
		"after a comment":        "condition: # why\n      a AND HERE",
	} {
		source := "# ä comment\nportfolio: {name: \"Ö\"}\ntriggers:\n  - name: é\n  -\n    " + text + "\n"
		source = strings.ReplaceAll(source, "  - name: é\n", "  - {name: é, tier: 1, condition: x}\n")
		if !strings.HasPrefix(text, "{") {
			source += "    tier: 2\n"
		}
		p, places, err := loadText("a.yaml", source)
		if p == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		i := strings.Index(p.Triggers[1].Condition, "HERE")
		if i < 0 {
			t.Errorf("%s: %q, %v", name, p.Triggers[1].Condition, err)
			continue
		}
		at := places.At("triggers[1].condition", len([]rune(p.Triggers[1].Condition[:i])))
		line := []rune(strings.Split(source, "\n")[at.Line-1])
		if rest := string(line[min(at.Column-1, len(line)):]); at.File != "a.yaml" || !strings.HasPrefix(rest, "HERE") {
			t.Errorf("%s: HERE is said to stand at %d:%d, where %q does", name, at.Line, at.Column, rest)
		}
	}
}

func TestPlacesOfWhatWasNotWritten(t *testing.T) {
	_, places, err := loadText("a.yaml", "portfolio: {name: A}\naccounts:\n  - {name: a, kind: bank}\n")
	if err != nil {
		t.Fatal(err)
	}
	if at := places.At("accounts[0].rto", 0); at.Line != 3 || at.Column != 5 {
		t.Errorf("a default is said to stand at %+v", at)
	}
	if at := places.At("models[3].name", 0); at.File != "" {
		t.Errorf("nothing is said to stand at %+v", at)
	}
}

// FuzzLoad: no text makes the loader panic, hang or point outside of the file.
func FuzzLoad(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, places, err := loadText("a.yaml", text)
		if (p == nil) != (places == nil) || p == nil && err == nil {
			t.Fatal(p, places, err)
		}
		if p == nil {
			return
		}
		for _, e := range p.Expressions() {
			places.At(e.Path, len([]rune(e.Text))/2)
		}
		if err == nil && len(p.Hash()) != 64 {
			t.Error("no hash")
		}
		Format([]byte(text))
	})
}

func FuzzSecrets(f *testing.F) {
	for _, seed := range []string{phrase12, "w1: abandon\nw2: abandon", hexKey, wif, xprv, "-----BEGIN PRIVATE KEY-----", `{"crypto":{"ciphertext":1,"kdf":2}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, fault := range findSecrets([]file{{name: "a", text: []byte(text)}}) {
			if fault.Text != "" || fault.Line < 1 || fault.Line > strings.Count(text, "\n")+1 {
				t.Errorf("%+v", fault)
			}
		}
	})
}
