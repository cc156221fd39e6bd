package mutate

import (
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

const sample = `package sample

func (b *Breaker) passes(at time.Time, n int) (bool, error) {
	if at.Before(b.until) && n >= 2 {
		b.state = lifeboat.Halted
		return false, nil
	}
	switch {
	case !b.open || n == 0:
		b.n++
	}
	for _, o := range b.orders {
		if o.done {
			continue
		}
		b.drop(o)
	}
	return true, b.err
}

func words() string { return "left alone" }
`

func TestPlant(t *testing.T) {
	planted, mutants, err := Plant("sample.go", []byte(sample), 10, func(name, _ string) bool { return name != "words" })
	if err != nil {
		t.Fatal(err)
	}
	var changes []string
	for i, m := range mutants {
		if m.Number != 10+i || m.Func != "passes" || m.File != "sample.go" {
			t.Errorf("%+v", m)
		}
		changes = append(changes, m.Change)
	}
	want := []string{
		"at.Before(b.until) && n >= 2: && → ||", "at.Before(b.until) → not so", "at.Before(b.until) → or equal", "n >= 2 → not so", "n >= 2: >= → >",
		"b.state = lifeboat.Halted → left out", "lifeboat.Halted → lifeboat.Reducing", "false → not so",
		"!b.open || n == 0: || → &&", "!b.open → not so", "n == 0 → not so", "b.n++ → left out",
		"o.done → not so", "continue → left out", "b.drop(o) → left out", "return b.err → of nothing",
	}
	if !slices.Equal(changes, want) {
		t.Errorf("planted\n%q\nwant\n%q", changes, want)
	}
	for _, text := range [][]byte{planted, Support("sample")} {
		if _, err := parser.ParseFile(token.NewFileSet(), "planted.go", text, 0); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func TestPlantRefusesWhatIsNoGo(t *testing.T) {
	if _, _, err := Plant("sample.go", []byte("package"), 0, nil); err == nil {
		t.Error("half a file was taken")
	}
}
