package exit

import "errors"

// A hold says that nothing of an exit may be sent for now, and why: its run is paused, or the breaker was halted. It ends nothing. What was
// refused before does not count any more when it goes on, and as long as nothing is out all is looked at anew then: time has passed.
type hold struct{ why string }

func (h hold) Error() string { return h.why }

func isHold(err error) bool { return errors.As(err, new(hold)) }

// hold is an error while nothing of the exit may be sent.
func (i Insist) hold() error {
	if i.held == nil {
		return nil
	}
	if why := i.held(); why != "" {
		return hold{why}
	}
	return nil
}

// rest is the same before anything is asked of the chain. Of what another machine may have sent only the chain can tell.
func (i Insist) rest() error {
	if i.stop.elsewhere {
		return nil
	}
	return i.hold()
}

// heldBack is what follows while nothing more may be sent: what is out is followed, and nothing takes its place.
func (s *sending) heldBack(m move) (move, error) {
	err := s.Insist.hold()
	switch {
	case err == nil || !s.begins(m):
		return m, nil
	case !s.note.out():
		return m, err
	}
	s.refused.heldBy(err)
	return move{do: wait}, nil
}

// begins reports a move that sends something of which nothing was out.
func (s *sending) begins(m move) bool {
	return m.do == send || m.do == entrust && !(s.note.heard() && s.note.Relay.Taken && !s.note.Relay.Off)
}

// heldBy tells what holds an exit. It is no trouble, and ends what was counted before.
func (i *insisting) heldBy(err error) bool {
	var h hold
	if !errors.As(err, &h) {
		return false
	}
	i.passed()
	i.waits(h.why) // without what it was told last, which is another matter
	return true
}
