package simtest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEverythingAtOnce is a kind of world in which all that can go wrong does, in memory and therefore fast. It is also what
// TestMutants asks of a lifeboat that was broken on purpose.
func TestEverythingAtOnce(t *testing.T) {
	var total Tally
	n := 40
	if racing {
		n = 15
	}
	if many, err := strconv.Atoi(os.Getenv(worldsVariable)); err == nil {
		n = many
	}
	for _, seed := range seeds(n) {
		m := Mishaps{Kill: 0.015, Wire: 0.2, Restores: 1, Zombies: 2, Unreliable: true}
		if seed%2 == 0 {
			m.Forgets = time2h
		}
		v := live(t, Setting{Seed: seed, Shelf: Shared(), Mishaps: m})
		total.Add(v.Tally)
		if tell(t, v, os.Getenv(seedVariable) != ""); t.Failed() {
			break // one seed is enough to look at
		}
	}
	t.Logf("everything at once: %s", total)
}

// A mutant is lifeboat with one of its safeguards taken out. The rule is one of those that its worlds must break.
type mutant struct {
	name, file string
	from, to   string
	breaks     []string
}

// All mutants are built into one program; the environment says which of them it is. Each text must be in its file exactly
// once, so that a safeguard that was moved or renamed is noticed here.
var mutants = []mutant{
	{
		name: "no durable write before the act", file: "flow.go", breaks: []string{Written},
		from: "	if err := f.record(at, events...); err != nil {\n		return err\n	}\n	for _, e := range events {\n		if intent, ok",
		to: "	if mutant(\"no durable write before the act\") {\n		for _, e := range events {\n			f.apply(at, e)\n		}\n		defer f.Journal.Append(at, events...)\n" +
			"	} else if err := f.record(at, events...); err != nil {\n		return err\n	}\n	for _, e := range events {\n		if intent, ok",
	},
	{
		name: "no question before a resend", file: "hands.go", breaks: []string{Asked},
		from: "	receipt, err := f.Hands.Ask(ctx, at, u.intent)\n",
		to: "	if mutant(\"no question before a resend\") && (u.last.Status == \"\" || u.last.Status == Unknown) {\n		return false, nil\n	}\n" +
			"	receipt, err := f.Hands.Ask(ctx, at, u.intent)\n",
	},
	{
		name: "no fence", file: "hands.go", breaks: []string{Fenced},
		from: "if f.Fence != nil {", to: "if f.Fence != nil && !mutant(\"no fence\") {",
	},
	{
		name: "no quarantine", file: "quarantine.go", breaks: []string{Compared, Released},
		from: "	return why, held\n", to: "	return why, held && !mutant(\"no quarantine\")\n",
	},
	{
		name: "a quarantine that a restart ends", file: "quarantine.go", breaks: []string{Released},
		from: "		q.asked = map[string]bool{}\n",
		to:   "		q.asked = map[string]bool{}\n		if mutant(\"a quarantine that a restart ends\") {\n			clear(q.strange)\n		}\n",
	},
	{
		name: "a lost key that is sent again", file: "flow.go", breaks: []string{Asked, Once, Balanced},
		from: "if i.Act == PlaceOrder && f.known[i.Key] {", to: "if i.Act == PlaceOrder && f.known[i.Key] && !mutant(\"a lost key that is sent again\") {",
	},
	{
		name: "a comparison that starts anew with every start", file: "flow.go", breaks: []string{Asked, Once, Released, Balanced},
		from: "f.since.IsZero() || from.Before(f.since)", to: "mutant(\"a comparison that starts anew with every start\") || f.since.IsZero() || from.Before(f.since)",
	},
	{
		name: "a yes that never expires on the wire", file: "hands.go", breaks: []string{Permitted},
		from: "limited && !at.Before(until) {", to: "limited && !at.Before(until) && !mutant(\"a yes that never expires on the wire\") {",
	},
	{
		name: "a yes that never expires", file: "act/play/consent.go", breaks: []string{Permitted},
		from: "!gated || at.Before(granted.until) {", to: "!gated || at.Before(granted.until) || lifeboat.Mutant(\"a yes that never expires\") {",
	},
	{
		name: "a book that loses a thousandth", file: "book.go", breaks: []string{Balanced},
		from: "	quantity := r.Filled.Sub(o.done.Filled)\n",
		to: "	quantity := r.Filled.Sub(o.done.Filled)\n	if mutant(\"a book that loses a thousandth\") {\n" +
			"		quantity = quantity.Mul(decimal.RequireFromString(\"0.999\"))\n	}\n",
	},
	{
		name: "a halt that holds nothing", file: "act/decide/breaker/passes.go", breaks: []string{Halted},
		from: "	switch b.state {\n",
		to:   "	if b.state == lifeboat.Halted && lifeboat.Mutant(\"a halt that holds nothing\") {\n		return nil\n	}\n	switch b.state {\n",
	},
	{
		name: "no end of a venue's memory", file: "hands.go", breaks: []string{Once, Balanced, ToldOfAll},
		from: "memory > 0 && at.Sub(u.written)", to: "memory > 0 && !mutant(\"no end of a venue's memory\") && at.Sub(u.written)",
	},
}

const (
	mutantVariable = "LIFEBOAT_MUTANT"
	worldsVariable = "LIFEBOAT_SIM_WORLDS" // how many to live through at most
	switchboard    = "package lifeboat\n\nimport \"os\"\n\nfunc mutant(name string) bool { return os.Getenv(\"" + mutantVariable + "\") == name }\n\n" +
		"func Mutant(name string) bool { return mutant(name) }\n"
)

// TestMutants takes out one safeguard after the other and wants the worlds to notice each.
func TestMutants(t *testing.T) {
	program := buildMutants(t)
	if out, err := runMutant(program, "none", 40); err != nil {
		t.Fatalf("with every safeguard in its place: %v\n%s", err, out)
	}
	caught := 0
	for _, m := range mutants {
		out, err := runMutant(program, m.name, 400)
		if err == nil {
			t.Errorf("%s: nobody noticed", m.name)
			continue
		}
		noticed := false
		for _, rule := range m.breaks {
			noticed = noticed || strings.Contains(out, rule)
		}
		if !noticed {
			t.Errorf("%s: it failed otherwise than by %q:\n%s", m.name, m.breaks, out)
			continue
		}
		caught++
	}
	t.Logf("%d of %d mutants caught", caught, len(mutants))
}

func buildMutants(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replaced := map[string]string{}
	replace := func(file string, text []byte) {
		copied := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(root, file)] = copied
	}
	texts := map[string][]byte{}
	for _, m := range mutants {
		text := texts[m.file]
		if text == nil {
			if text, err = os.ReadFile(filepath.Join(root, m.file)); err != nil {
				t.Fatal(err)
			}
		}
		if n := bytes.Count(text, []byte(m.from)); n != 1 {
			t.Fatalf("%s: %q is in %s %d times, want once: the safeguard has moved", m.name, m.from, m.file, n)
		}
		texts[m.file] = bytes.Replace(text, []byte(m.from), []byte(m.to), 1)
	}
	for file, text := range texts {
		replace(file, text)
	}
	replace("mutant.go", []byte(switchboard))
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "mutants")
	build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "lifeboat/app/simtest")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the mutants: %v\n%s", err, out)
	}
	return program
}

func runMutant(program, name string, worlds int) (string, error) {
	run := exec.Command(program, "-test.run", "^TestEverythingAtOnce$")
	run.Env = append(os.Environ(), mutantVariable+"="+name, worldsVariable+"="+strconv.Itoa(worlds))
	out, err := run.CombinedOutput()
	return string(out), err
}
