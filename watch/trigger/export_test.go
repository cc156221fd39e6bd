package trigger

import "time"

// ExactDue is what Due is a bound of.
func (w *Watch) ExactDue() time.Time { return w.exactDue() }
