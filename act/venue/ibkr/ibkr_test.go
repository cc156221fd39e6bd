package ibkr_test

import (
	"testing"

	"lifeboat/act/venue/ibkr/ibkrtest"
	"lifeboat/act/venue/venuetest"
)

// The connector keeps every promise of a venue against the stand-in of the gateway, over TLS.
func TestVenue(t *testing.T) {
	venuetest.Run(t, func(t *testing.T) venuetest.Harness {
		b := ibkrtest.Open(t, nil)
		b.Warm(t)
		return b.Harness
	})
}
