package gate

import (
	"fmt"
	"testing"
	"time"

	"lifeboat"
)

// What the remembered requests of a busy day are folded into never ends earlier than theirs did.
func TestGateIsBounded(t *testing.T) {
	var g Gate
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g.Hear(start, time.Second)
	for i := range 3 * Max {
		g.Send(lifeboat.Key(fmt.Sprint(i)), start.Add(time.Duration(i)*time.Second))
		if got := g.Ends(lifeboat.Key(fmt.Sprint(i / 2))); got.Before(start.Add(time.Duration(i/2) * time.Second)) {
			t.Fatalf("request %d may come until %s", i/2, got)
		}
	}
	if len(g.sent) > Max {
		t.Errorf("%d are remembered", len(g.sent))
	}
}

// An earlier process is covered from the first time heard on, and a settled request by that alone.
func TestEnds(t *testing.T) {
	var g Gate
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	g.Hear(start, 6*time.Second)
	g.Hear(start.Add(time.Hour), 6*time.Second)
	if got := g.Ends("lb-earlier"); !got.Equal(start.Add(6 * time.Second)) {
		t.Errorf("an earlier process's may come until %s", got)
	}
	g.Send("lb-1", start.Add(time.Minute))
	if !g.UnderWay("lb-1") || !g.Ends("lb-1").Equal(start.Add(time.Minute)) {
		t.Error("a request without an answer is forgotten")
	}
	if g.Settle("lb-1"); g.UnderWay("lb-1") || !g.Ends("lb-1").Equal(start.Add(6*time.Second)) {
		t.Error("a settled request is still under way")
	}
}
