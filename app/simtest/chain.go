package simtest

import (
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
)

// chain is the client's own log of what a store acknowledged: it seals every event again, so that the hash of the last one
// stands for all of them, and the store's word is not needed.
type chain struct {
	head  journal.Entry   // the last that was acknowledged
	under []journal.Entry // on their way; a crash decides whether they are there
}

func (c *chain) begin(at time.Time, events []lifeboat.Event) (err error) {
	c.under, err = journal.SealAll(c.head, at, events)
	return err
}

func (c *chain) acknowledged() {
	if n := len(c.under); n > 0 {
		c.head, c.under = c.under[n-1], nil
	}
}

// found holds what a reopened store has to what it acknowledged, and takes it up from there.
func (c *chain) found(entries []journal.Entry) error {
	defer func() {
		c.under = nil
		if c.head = (journal.Entry{}); len(entries) > 0 {
			c.head = entries[len(entries)-1]
		}
	}()
	acknowledged := int(c.head.Seq)
	if len(entries) < acknowledged {
		return fmt.Errorf("%d entries were acknowledged and %d are there", acknowledged, len(entries))
	}
	if acknowledged > 0 && entries[acknowledged-1].Hash != c.head.Hash {
		return fmt.Errorf("entry %d is not the one that was acknowledged", acknowledged)
	}
	switch more := entries[acknowledged:]; {
	case len(more) == 0:
	case len(more) != len(c.under):
		return fmt.Errorf("%d entries are there beyond the %d that were acknowledged; %d were on their way", len(more), acknowledged, len(c.under))
	case more[len(more)-1].Hash != c.under[len(more)-1].Hash:
		return fmt.Errorf("entry %d is not the one that was on its way", more[len(more)-1].Seq)
	}
	return nil
}
