package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lifeboat"
	"lifeboat/prose"
)

// Fault is one thing that cannot be right, and where it stands.
type Fault struct {
	File       string `json:"file,omitempty"`   // as Load names it relative to the plan directory; see Below
	Line       int    `json:"line,omitempty"`   // from 1
	Column     int    `json:"column,omitempty"` // from 1, in characters
	Text       string `json:"text,omitempty"`   // what was written there; never of a secret
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"` // what was probably meant
}

// String is file:line:column: message; did you mean "suggestion"?
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File + ":")
		if f.Line > 0 {
			fmt.Fprintf(&b, "%d:%d:", f.Line, f.Column)
		}
		b.WriteByte(' ')
	}
	b.WriteString(f.Message)
	if f.Suggestion != "" {
		fmt.Fprintf(&b, "; did you mean %q?", f.Suggestion)
	}
	return b.String()
}

// Faults is everything that is wrong with a plan, in the order of the files and of the lines in them. It unwraps to
// the [lifeboat.Problem] that a person is told.
type Faults struct {
	List    []Fault
	problem *lifeboat.Problem
}

// faultsMax bounds the list; a plan with more is not mended by reading on.
const faultsMax = 1000

// Below names the files as they are reached from where the user is, not from the plan directory.
func (f *Faults) Below(dir string) {
	for i := range f.List {
		f.List[i].File = filepath.Join(dir, f.List[i].File)
	}
}

// NewFaults sorts what was found, for a plan that is refused as plan-invalid. Checks outside this package add theirs
// to the list of [Load] with it. It is nil when nothing was found.
func NewFaults(list []Fault) *Faults {
	return newFaults("plan-invalid", list)
}

func newFaults(reason lifeboat.Reason, list []Fault) *Faults {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Message, b.Message))
	})
	list = slices.Compact(list)
	what := fmt.Sprintf("the plan has %s", prose.Count(len(list), "fault"))
	if reason == "plan-secret" {
		what = fmt.Sprintf("the plan directory holds %s", prose.Count(len(list), "secret"))
	}
	problem := lifeboat.Problem{Reason: reason, What: what, Money: "nothing of the plan was used",
		Next: "mend the listed places and run lifeboat check"}
	if reason == "plan-secret" {
		problem.Next = "remove it from the file and from the repository's history, move the funds of the key, then run lifeboat check"
	}
	if len(list) > faultsMax {
		problem.What += fmt.Sprintf(", of which the first %d are listed", faultsMax)
		list = list[:faultsMax]
	}
	return &Faults{List: list, problem: &problem}
}

// Error is the problem's sentence and then one fault a line.
func (f *Faults) Error() string {
	lines := []string{f.problem.What}
	for _, fault := range f.List {
		lines = append(lines, fault.String())
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) Unwrap() error { return f.problem }

// MarshalJSON is the list of faults.
func (f *Faults) MarshalJSON() ([]byte, error) { return json.Marshal(f.List) }
