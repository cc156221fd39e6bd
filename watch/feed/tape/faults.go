package tape

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"lifeboat"
)

// faultsMax bounds how many faults are listed; all are counted.
const faultsMax = 50

// Faults are everything that is wrong with a file.
type Faults struct {
	List  []Fault // the first 50, in the order of the file
	Total int
	same  map[string]int // :: why → how many
}

// Fault is one thing that cannot be right.
type Fault struct {
	File         string
	Line, Column int    // counted from 1, the column in bytes; 0 when the file as a whole is meant
	Text         string // what stands there
	Why          string
	Mendable     bool // quarantine can read on behind it
}

// Place of the fault, as editors jump to it.
func (f Fault) Place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

func (f Fault) String() string {
	if f.Text == "" {
		return f.Place() + ": " + f.Why
	}
	return fmt.Sprintf("%s: %s %s", f.Place(), quote(f.Text), f.Why)
}

func (f *Faults) Error() string {
	lines := make([]string, 0, len(f.List)+1)
	for _, fault := range f.List {
		lines = append(lines, fault.String())
	}
	if more := f.Total - len(f.List); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, "\n")
}

func (f *Faults) add(fault Fault) {
	f.Total++
	if f.same == nil {
		f.same = map[string]int{}
	}
	f.same[fault.Why]++
	if len(f.List) < faultsMax {
		f.List = append(f.List, fault)
	}
}

// forget every fault of one kind, for another that says it better.
func (f *Faults) forget(why string) {
	f.Total -= f.same[why]
	f.List = slices.DeleteFunc(f.List, func(fault Fault) bool { return fault.Why == why })
}

// problem tells all faults as one; nil when there are none.
func (f *Faults) problem() error {
	if f.Total == 0 {
		return nil
	}
	what := "price history has a fault: " + f.List[0].String()
	if f.Total > 1 {
		what = fmt.Sprintf("price history has %d faults, the first: %s", f.Total, f.List[0])
	}
	next := "mend the listed places"
	mendable := true
	for _, fault := range f.List {
		mendable = mendable && fault.Mendable
	}
	if mendable {
		next += ", or run again with --quarantine to treat each bad value as missing"
	}
	return &lifeboat.Problem{
		Reason: "tape-invalid",
		What:   what,
		Money:  "nothing was drilled and nothing has moved",
		Next:   next,
		Err:    f,
	}
}

var errTooLong = fmt.Errorf("is larger than %d MiB", bytesMax>>20)

// unreadable turns the errors that lie in the file itself into a fault, and leaves those of the machine.
func unreadable(name string, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, errTooLong):
		return wholeFile(name, errTooLong.Error())
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF):
		return wholeFile(name, "is compressed and damaged: "+err.Error())
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func wholeFile(name, why string) error {
	faults := Faults{Total: 1, List: []Fault{{File: name, Why: why}}}
	return faults.problem()
}

// quote shows foreign text, shortened so that one line stays one line.
func quote(text string) string {
	const runesMax = 40
	if runes := []rune(text); len(runes) > runesMax {
		text = string(runes[:runesMax]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
