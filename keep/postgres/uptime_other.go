//go:build !linux

package postgres

import "time"

// uptime is not known here; the wall clock alone decides.
func uptime() time.Duration { return 0 }
