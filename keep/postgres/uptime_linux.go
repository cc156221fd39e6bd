package postgres

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime is how long the machine has been up, its sleep included. It is no time: nothing of it reaches the journal.
func uptime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // no such clock; the wall clock alone decides
	}
	return time.Duration(t.Nano())
}
