package evm

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/chain"
	"lifeboat/watch/state"
)

// form is the first thing in what is kept. Another form gets another number. The first one ends before the trails.
const (
	form      = "lifeboat chain 2"
	formFirst = "lifeboat chain 1"
)

// kept is what has to outlast the program: how far the chain was followed, what happened up to there, and what was read at the last
// blocks, which the next ones are compared with. All of it belongs to the checkpoint, so it is written together: what a reorganisation takes
// back while nobody looks is taken back at the next start.
func (s *Source) kept(c *state.Codec) error {
	said, name := form, s.Name
	c.Text(&said)
	c.Text(&name)
	if said != form && said != formFirst || name != s.Name {
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
	if err := s.keptTallies(c); err != nil || said == formFirst {
		return err
	}
	s.keptTrails(c)
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

// trails are those of numbers, by what they are of.
func (s *Source) trails() map[string]*trail[float64] {
	all := map[string]*trail[float64]{}
	for name, t := range s.waiting {
		all[name] = t
	}
	for _, t := range s.tokens {
		all[supplyTrail+t.Address.Hex()] = &t.supply
	}
	for k, c := range s.keepers {
		all[k.trail()] = &c.kept
	}
	for _, m := range s.melts {
		all[m.trail] = &m.covers
	}
	return all
}

// Kinds of trails of numbers, as their names begin.
const (
	supplyTrail = "supply "
	keptTrail   = "kept "
	coverTrail  = "cover "
)

func (k keeper) trail() string { return keptTrail + k.token.Hex() + " " + k.holder.Hex() }

// remembered is the trail of a name from before the last stop, or a new one.
func (s *Source) remembered(name string) trail[float64] {
	if t, known := s.waiting[name]; known {
		delete(s.waiting, name)
		return *t
	}
	if strings.HasPrefix(name, coverTrail) {
		return newTrail[float64](meltPoints)
	}
	return newTrail[float64](trailLength)
}

// keptTrails by what they are of. What is not known to be there yet – a market's parts are found later – waits until it is; what the plan
// does not have any more waits in vain, until the program ends.
func (s *Source) keptTrails(c *state.Codec) {
	all := s.trails()
	names := slices.Sorted(maps.Keys(all))
	for n := c.Length(len(names)); n > 0 && c.Broken() == nil; n-- {
		var name string
		if !c.Reading() {
			name = names[len(names)-n]
		}
		c.Text(&name)
		t := all[name]
		if t == nil && len(s.waiting) < waitingMax {
			made := s.remembered(name)
			t, s.waiting[name] = &made, &made
		} else if t == nil {
			t = &trail[float64]{places: make([]place[float64], 1)}
		}
		t.state(c, floatState)
	}
	words := map[string]*word{}
	for _, w := range s.words {
		words[w.key] = w
	}
	names = slices.Sorted(maps.Keys(words))
	for n := c.Length(len(names)); n > 0 && c.Broken() == nil; n-- {
		var name string
		if !c.Reading() {
			name = names[len(names)-n]
		}
		c.Text(&name)
		w := words[name]
		if w == nil {
			w = &word{steps: newTrail[common.Hash](1)}
		}
		w.steps.state(c, hashState)
	}
}

// waitingMax bounds the trails that wait for what they are of.
const waitingMax = 10_000

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
		for _, t := range s.trails() {
			t.n = 0
		}
		for _, w := range s.words {
			w.steps.n = 0
		}
		clear(s.waiting)
	}
	// What was an hour ago is nothing that the next block is compared with. Words of the state are: whoever changed one did it in between.
	for _, t := range s.trails() {
		t.since(s.Clock.Now().Add(-flowWindow))
	}
	maps.DeleteFunc(s.waiting, func(_ string, t *trail[float64]) bool { return t.n == 0 })
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
