package plan

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is the reference that owners read. Its prose is written by hand; the tables between its marks are made here.
const page = "../docs/plan.md"

// described types, each of which has a table in the page under a mark of its name.
var described = []reflect.Type{
	reflect.TypeFor[Portfolio](), reflect.TypeFor[Recovery](), reflect.TypeFor[Account](), reflect.TypeFor[Holding](),
	reflect.TypeFor[Dependency](), reflect.TypeFor[Person](), reflect.TypeFor[Contact](), reflect.TypeFor[Document](),
	reflect.TypeFor[Threat](), reflect.TypeFor[Feed](), reflect.TypeFor[Signal](), reflect.TypeFor[Trigger](),
	reflect.TypeFor[Model](), reflect.TypeFor[Target](), reflect.TypeFor[Playbook](), reflect.TypeFor[Step](),
	reflect.TypeFor[Check](), reflect.TypeFor[Rebalance](), reflect.TypeFor[Order](), reflect.TypeFor[Approve](),
	reflect.TypeFor[Manual](), reflect.TypeFor[Notify](), reflect.TypeFor[Wait](), reflect.TypeFor[Verify](),
	reflect.TypeFor[ForEach](), reflect.TypeFor[If](), reflect.TypeFor[HTTP](), reflect.TypeFor[Exec](), reflect.TypeFor[Command](),
	reflect.TypeFor[Terraform](), reflect.TypeFor[Withdraw](), reflect.TypeFor[Failover](), reflect.TypeFor[Communicate](), reflect.TypeFor[Mandate](),
	reflect.TypeFor[Authority](), reflect.TypeFor[Breaker](), reflect.TypeFor[Duo](), reflect.TypeFor[Connection](), reflect.TypeFor[Limits](), reflect.TypeFor[Channel](), reflect.TypeFor[Quiet](),
	reflect.TypeFor[Messages](), reflect.TypeFor[SMTP](), reflect.TypeFor[Twilio](), reflect.TypeFor[Rung](), reflect.TypeFor[Heartbeat](),
	reflect.TypeFor[Drill](), reflect.TypeFor[Backup](),
	reflect.TypeFor[Chain](), reflect.TypeFor[Contract](), reflect.TypeFor[Safe](), reflect.TypeFor[Roles](), reflect.TypeFor[SigningKey](), reflect.TypeFor[Exit](),
}

var tableForm = regexp.MustCompile(`(?s)(<!-- fields of ([A-Za-z]+) -->\n).*?(<!-- end -->)`)

// TestDocsPlan keeps the tables of docs/plan.md the same as the types and their comments; make generate writes them.
func TestDocsPlan(t *testing.T) {
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	comments := comments()
	seen := map[string]bool{}
	want := tableForm.ReplaceAllStringFunc(string(have), func(old string) string {
		m := tableForm.FindStringSubmatch(old)
		i := slices.IndexFunc(described, func(d reflect.Type) bool { return d.Name() == m[2] })
		if i < 0 {
			t.Errorf("%s has a table of %s, which a plan does not know", page, m[2])
			return old
		}
		seen[m[2]] = true
		return m[1] + tableOf(t, described[i], comments) + m[3]
	})
	for _, d := range described {
		if !seen[d.Name()] {
			t.Errorf("%s has no mark <!-- fields of %s -->", page, d.Name())
		}
	}
	for _, k := range keysOf(reflect.TypeFor[Plan]()) {
		if !strings.Contains(want, "\n### "+k.name+"\n") {
			t.Errorf("%s has no section %s", page, k.name)
		}
	}
	if os.Getenv("LIFEBOAT_WRITE_DOCS") != "" {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(have) {
		t.Errorf("%s is not what plan.go says; run make generate", page)
	}
}

// tableOf a type's keys. What can be lost has the four keys of its recovery in common, which are told once.
func tableOf(t *testing.T, of reflect.Type, comments map[string]string) string {
	var b strings.Builder
	b.WriteString("| key | value | meaning |\n|---|---|---|\n")
	recovery := false
	for _, k := range keysOf(of) {
		if k.owner != of {
			recovery = true
			continue
		}
		comment := comments[of.Name()+"."+k.field]
		if comment == "" {
			t.Errorf("plan.go says nothing of %s.%s", of.Name(), k.field)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, valueOf(k), inTable(comment))
	}
	if recovery {
		b.WriteString("| `criticality`, `owner`, `rto`, `rpo` | | as in [recovery objectives](#recovery-objectives) |\n")
	}
	return b.String()
}

// inTable is a comment as a cell: a sentence of its own, in which nothing ends the cell.
func inTable(comment string) string {
	return strings.ReplaceAll(strings.TrimSuffix(comment, "."), "|", `\|`)
}

// valueOf a key, as an owner writes it.
func valueOf(k key) string {
	what := shapeOf(k)
	if k.rules.required {
		return "**" + what + "**"
	}
	return what
}

func shapeOf(k key) string {
	r := k.rules
	target := map[string]string{"register": "name from the register", "affected": "name from the register, or a person",
		"copied": "document, account or dependency", "person": "person or role", "authority": "automatic, a person or role",
		"symbol": "symbol held", "chain": "dependency with a chain", "contract": "dependency with a contract", "account": "account", "model": "model", "playbook": "playbook"}[r.to]
	switch {
	case r.of != nil:
		return strings.Join(r.of, ", ")
	case r.expr:
		return "expression"
	case r.money:
		return "amount"
	case r.address && k.typ.Kind() == reflect.Slice:
		return "list: address"
	case r.address:
		return "address"
	case r.upTo > 1e6:
		return "whole number"
	case r.upTo > 0:
		return fmt.Sprintf("%d to %d", r.from, r.upTo)
	case target != "" && k.typ.Kind() == reflect.Slice:
		return "list: " + target
	case target != "":
		return target
	}
	switch k.typ {
	case typeDuration:
		return "span"
	case typeRatio:
		return "share"
	case typeDecimal:
		return "number"
	case typeGas:
		return "price of gas"
	case typeTier:
		return "1, 2 or 3"
	case typeSeverity:
		return "word"
	case typeTargets:
		return "shares"
	}
	switch k.typ.Kind() {
	case reflect.Bool:
		return "true, false"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "pairs"
	case reflect.Pointer:
		if k.typ.Elem() == reflect.TypeFor[SigningKey]() {
			return "[a key](#keys-that-sign)"
		}
		switch k.typ.Elem().Kind() {
		case reflect.Bool:
			return "true, false"
		case reflect.Float64:
			return "number"
		}
		if k.owner != reflect.TypeFor[Step]() {
			return "[its keys](#" + strings.ReplaceAll(k.name, "_", "") + ")"
		}
		return "[step](#" + k.name + ")"
	}
	return "text"
}
