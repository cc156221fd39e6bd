// Package custodian turns what a blockchain says of an account into a [lifeboat.Statement], as a broker's own word would be: the
// book is held against it, and follows what was said twice.
//
// A [Source] is one node, or one server that knows an address; [Agreed] asks several of them and believes what a quorum of them
// says alike, so that one that lies or lags can keep an account from being known and never move it. A [Custodian] does so for one
// account and refuses what is older than it may be, or older than what it has said already. Nothing known is an error, never an
// empty account.
//
// It reads only: it has no key and sends nothing. What a chain's answers look like is for the packages below it.
package custodian

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat"

	"github.com/shopspring/decimal"
)

// Source says what lies at the addresses of one account. Implementations are safe for concurrent use.
type Source interface {
	// Name of who is asked, for people: the host of a node, never its whole address.
	Name() string
	// Holdings that are there, all of one moment. An error means that nothing is known.
	Holdings(ctx context.Context) (Holdings, error)
	// Transfers are the last ones, newest first, no more than limit.
	Transfers(ctx context.Context, limit int) ([]Transfer, error)
}

// Holdings of an account at one height of a chain.
type Holdings struct {
	At     time.Time // of the block
	Height uint64    // of the block, slot or whatever the chain counts
	// Lines are all that the account holds under the plan's symbols, each symbol once. What the plan does not name is no line.
	Lines []lifeboat.StatementLine
}

// Transfer is something that came or went.
type Transfer struct {
	At          time.Time       `json:"at"`
	Hash        string          `json:"hash"` // of the transaction
	Symbol      string          `json:"symbol"`
	Amount      decimal.Decimal `json:"amount"`                // below zero for what went
	Counterpart string          `json:"counterpart,omitempty"` // the other address; "" where there is none, or more than one
}

const (
	// LinesMax bounds the lines of an account: more than that are nobody's holdings, but an answer that has gone wrong.
	LinesMax = 4096
	// answerMax is how long one source may take.
	answerMax = 20 * time.Second
)

// ErrDisagree says that too few of the sources said alike what an account holds.
var ErrDisagree = errors.New("the nodes disagree")

// Agreed is what as many sources as the quorum say alike; a quorum of 0 is more than half of them. Its time and height are the
// oldest of those that agree. When two different answers both reach the quorum, neither is believed.
func Agreed(ctx context.Context, sources []Source, quorum int) (Holdings, error) {
	if quorum <= 0 {
		quorum = len(sources)/2 + 1
	}
	if quorum > len(sources) {
		return Holdings{}, fmt.Errorf("%d have to say alike what is there, and %d are asked", quorum, len(sources))
	}
	said := askAll(ctx, sources)
	if err := ctx.Err(); err != nil {
		return Holdings{}, err
	}
	var camps []camp
	var problems []string
	for i, s := range said {
		if s.err != nil {
			problems = append(problems, problemOf(sources[i], s.err))
			continue
		}
		camps = join(camps, s.holdings, sources[i].Name())
	}
	enough := slices.DeleteFunc(slices.Clone(camps), func(c camp) bool { return len(c.names) < quorum })
	switch {
	case len(enough) == 1:
		return enough[0].holdings, nil
	case len(camps) > 1:
		return Holdings{}, fmt.Errorf("%w: %s%s", ErrDisagree, tell(camps), strings.Join(append([]string{""}, problems...), "; "))
	case len(sources) == 1:
		return Holdings{}, said[0].err
	}
	return Holdings{}, fmt.Errorf("%d of %d answered where %d have to (%s)", len(sources)-len(problems), len(sources), quorum, strings.Join(problems, "; "))
}

// problemOf a source, under its name, which its own errors may begin with already.
func problemOf(s Source, err error) string {
	if text := err.Error(); strings.HasPrefix(text, s.Name()+":") {
		return text
	}
	return fmt.Sprintf("%s: %s", s.Name(), err)
}

type answer struct {
	holdings Holdings
	err      error
}

func askAll(ctx context.Context, sources []Source) []answer {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	answers := make([]answer, len(sources))
	var group sync.WaitGroup
	for i, source := range sources {
		group.Go(func() {
			h, err := source.Holdings(ctx)
			if err == nil {
				h, err = tidy(h)
			}
			answers[i] = answer{h, err}
		})
	}
	group.Wait()
	return answers
}

// tidy puts lines in order, leaves out those of nothing but for shares of a pool, and refuses what cannot be an account.
func tidy(h Holdings) (Holdings, error) {
	if h.At.IsZero() {
		return Holdings{}, errors.New("it does not say when its answer was true")
	}
	if len(h.Lines) > LinesMax {
		return Holdings{}, fmt.Errorf("it names %d assets, and no account has more than %d", len(h.Lines), LinesMax)
	}
	h.Lines = slices.DeleteFunc(slices.Clone(h.Lines), func(l lifeboat.StatementLine) bool { return l.Quantity.IsZero() && l.Share == "" })
	slices.SortFunc(h.Lines, func(a, b lifeboat.StatementLine) int { return strings.Compare(a.Symbol, b.Symbol) })
	for i, l := range h.Lines {
		if l.Symbol == "" || i > 0 && l.Symbol == h.Lines[i-1].Symbol {
			return Holdings{}, fmt.Errorf("it names %q twice, or without a symbol", l.Symbol)
		}
	}
	return h, nil
}

// A camp are the sources that say the same.
type camp struct {
	holdings Holdings
	names    []string
}

func join(camps []camp, h Holdings, name string) []camp {
	for i := range camps {
		c := &camps[i]
		if !alike(c.holdings.Lines, h.Lines) {
			continue
		}
		c.names = append(c.names, name)
		if h.At.Before(c.holdings.At) {
			c.holdings.At = h.At
		}
		c.holdings.Height = min(c.holdings.Height, h.Height)
		return camps
	}
	return append(camps, camp{h, []string{name}})
}

func alike(a, b []lifeboat.StatementLine) bool {
	return slices.EqualFunc(a, b, lifeboat.StatementLine.Alike)
}

// tell who says what, with the first line in which they differ from the first camp.
func tell(camps []camp) string {
	var all []string
	for i, c := range camps {
		other := camps[0].holdings.Lines
		if i == 0 {
			other = camps[1].holdings.Lines
		}
		all = append(all, fmt.Sprintf("%s at %d: %s", strings.Join(c.names, " and "), c.holdings.Height, apart(c.holdings.Lines, other)))
	}
	return strings.Join(all, "; ")
}

// apart names the first line that the others do not say.
func apart(lines, others []lifeboat.StatementLine) string {
	for _, l := range lines {
		if !slices.ContainsFunc(others, l.Alike) {
			return fmt.Sprintf("%s %s", l.Quantity, l.Symbol)
		}
	}
	return "nothing else"
}
