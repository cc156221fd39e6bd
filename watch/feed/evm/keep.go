package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/watch/state"
)

// form is the first thing in what is kept. Another form gets another number.
const form = "lifeboat chain 1"

// kept is what has to outlast the program: how far the chain was followed, and what happened up to there. The counts belong to
// the checkpoint, so they are written together.
func (s *Source) kept(c *state.Codec) error {
	said, name := form, s.Name
	c.Text(&said)
	c.Text(&name)
	if said != form || name != s.Name {
		return errOther
	}
	at, err := json.Marshal(s.at)
	if err != nil {
		return fmt.Errorf("write the checkpoint: %w", err)
	}
	text := string(at)
	if c.Text(&text); c.Reading() && c.Broken() == nil {
		if err := json.Unmarshal([]byte(text), &s.at); err != nil {
			return fmt.Errorf("read the checkpoint: %w", err)
		}
	}
	if err := s.keptTallies(c); err != nil {
		return err
	}
	return c.Broken()
}

// errOther is a file of something else.
var errOther = errors.New("it is of another chain or another form")

// keptTallies by the names of their series: the plan may have others by now.
func (s *Source) keptTallies(c *state.Codec) error {
	var names []string
	for i := range s.tallies {
		names = append(names, string(s.levels.all[i].series))
	}
	slices.SortFunc(names, strings.Compare)
	for n := c.Length(len(names)); n > 0; n-- {
		var name string
		if !c.Reading() {
			name = names[len(names)-n]
		}
		c.Text(&name)
		var t *tally
		if i, known := s.levels.named[origin{lifeboat.Series(name), s.Name}]; known {
			kind := kindOf(name)
			w := window(kind)
			if kind == largeTransfer || kind == largeWithdrawal {
				w = flowWindow
			}
			t = s.tallyOf(i, w)
		} else {
			t = &tally{} // the plan does not have it any more
		}
		t.State(c)
		if err := c.Broken(); err != nil {
			return err
		}
	}
	return nil
}

// load what was kept. What cannot be read is as if there were none.
func (s *Source) load() error {
	if s.Load == nil {
		return nil
	}
	content, err := s.Load()
	if err != nil || len(content) == 0 {
		return err
	}
	c := state.Reader(content)
	if err = s.kept(c); err == nil {
		err = c.Err()
	}
	if err != nil {
		s.at = chain.Checkpoint{}
		for _, t := range s.tallies {
			t.notes = nil
		}
	}
	return err
}

func (s *Source) save() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saveLocked()
}

// saveLocked keeps what was made of the blocks up to the checkpoint. That it fails is no reason to stop: the next start counts
// from an older checkpoint.
func (s *Source) saveLocked() {
	s.saved = s.Clock.Now()
	if s.Save == nil || len(s.at.Blocks) == 0 {
		return
	}
	c := state.Writer()
	err := s.kept(c)
	if err == nil {
		err = s.Save(c.Bytes())
	}
	if err != nil {
		s.Log.Warn("how far a chain was followed cannot be kept; the next start counts from an older place", "chain", s.Name, "problem", err.Error())
	}
}
