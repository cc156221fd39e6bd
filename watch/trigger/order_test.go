package trigger_test

import (
	"testing"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// A hold that would be over with the very reading that ends it is not over: prices come before timers, as in eval and in
// the flow. So nothing remembers that it was, for no time at all.
func TestPricesComeBeforeTimers(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "after", Condition: "since(VIX > 30 for 5m) < 1h"}}}.open(t)
	for n := range 5 {
		d.read(minute(n), vix(40))
	}
	d.read(minute(5), vix(20))
	d.read(minute(6), vix(20))
	d.want()
}

// A condition that is true for good, such as a switch among the plan's signals, fires with the first event.
func TestASwitchFires(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "on", Condition: "1 < 2"}, {Name: "held", Condition: "true", For: span(3 * time.Minute)}, {Name: "off", Condition: "false"}}}.open(t)
	d.read(minute(0), vix(20))
	d.read(minute(9), vix(20))
	d.want("0 fired on", "3 fired held")
}

// What came due before an event that is none of the watch's own is not forgotten, when the watch is asked what is due
// before it is asked for news: so it is after a restart.
func TestWhatCameDueIsNotForgotten(t *testing.T) {
	d := setting{triggers: []plan.Trigger{{Name: "held", Condition: "VIX > 30", For: span(3 * time.Minute)}, {Name: "lasting", Condition: "VIX > 30 for 4m"}}}.open(t)
	d.read(minute(0), vix(40))
	d.record(minute(5), lifeboat.Resumed{})
	d.watch.Due()
	d.advance(minute(6))
	d.want("6 fired held", "6 fired lasting")
}
