package custodian

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lifeboat"
)

// Options of a custodian.
type Options struct {
	Account string // as the plan calls it
	Name    string // of the chain, as the plan calls it; the source of its statements
	Sources []Source
	// Quorum is how many of them have to say alike what is there; 0 is more than half of them.
	Quorum int
	// Behind is how old the block may be that the answer was true at; ten minutes when 0. Chains with rare blocks want more.
	Behind time.Duration
}

// Custodian says what one account holds. It is safe for concurrent use.
type Custodian struct {
	Options

	mu     sync.Mutex
	said   time.Time // of the newest statement
	height uint64    // of its block
}

const behindUsually = 10 * time.Minute

// New custodian of an account. Nothing is asked yet.
func New(o Options) (*Custodian, error) {
	if len(o.Sources) == 0 {
		return nil, fmt.Errorf("nobody can be asked about the account %s", o.Account)
	}
	if o.Quorum > len(o.Sources) {
		return nil, fmt.Errorf("a quorum of %d is never reached with %d nodes", o.Quorum, len(o.Sources))
	}
	if o.Behind <= 0 {
		o.Behind = behindUsually
	}
	return &Custodian{Options: o}, nil
}

// State of the account as enough of the sources say it alike. What is older than it may be, or than what was said before, is an
// error: a node that has fallen behind would bring back what was sent away.
func (c *Custodian) State(ctx context.Context, at time.Time) (lifeboat.Statement, error) {
	h, err := Agreed(ctx, c.Sources, c.Quorum)
	if err != nil {
		return lifeboat.Statement{}, fmt.Errorf("ask %s: %w", c.Name, err)
	}
	if old := at.Sub(h.At); old > c.Behind {
		return lifeboat.Statement{}, fmt.Errorf("ask %s: the newest block there is %s old, of %s", c.Name, old.Round(time.Second), h.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Height < c.height || h.Height == c.height && h.At.Before(c.said) {
		return lifeboat.Statement{}, fmt.Errorf("ask %s: the answer is of block %d, %s, before what was said last", c.Name, h.Height, h.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	c.height = h.Height
	if h.At.After(c.said) {
		c.said = h.At // a block's miner may say an earlier time than the one before it, and is not the older for it
	}
	return lifeboat.Statement{Account: c.Account, Source: c.Name, At: c.said, Height: h.Height, Lines: h.Lines}, nil
}

// Transfers are the last ones, as the first source that answers says them. They are for people to look at: nothing is decided on
// them.
func (c *Custodian) Transfers(ctx context.Context, limit int) ([]Transfer, error) {
	var problems []string
	for _, source := range c.Sources {
		transfers, err := transfersOf(ctx, source, limit)
		if err == nil {
			return transfers, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		problems = append(problems, problemOf(source, err))
	}
	return nil, fmt.Errorf("ask %s for transfers: %w", c.Name, errors.New(strings.Join(problems, "; ")))
}

func transfersOf(ctx context.Context, source Source, limit int) ([]Transfer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	transfers, err := source.Transfers(ctx, limit)
	return transfers[:min(len(transfers), max(0, limit))], err
}
