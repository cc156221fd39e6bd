package app

import (
	"errors"
	"testing"

	"lifeboat"
	"lifeboat/plan"
)

func TestWhoMayAnswer(t *testing.T) {
	d := &Daemon{
		DaemonOptions: DaemonOptions{Plan: &plan.Plan{People: []plan.Person{{Name: "Ana", Role: "owner"}, {Name: "Cleo"}}}},
		record:        Record{Questions: []Question{{Key: "lb-1", To: []string{"Ana", "Ben"}}}},
	}
	for _, c := range []struct {
		question, by string
		want         lifeboat.Reason
	}{
		{"lb-1", "Ana", ""},
		{"lb-1", "Cleo", "denied"}, // in the plan, and not asked
		{"lb-1", "Ben", "denied"},  // asked, and since taken out of the plan
		{"lb-2", "Ana", "not-found"},
	} {
		err := d.mayAnswer(lifeboat.Answer{Question: c.question, By: c.by, Yes: true})
		var p *lifeboat.Problem
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &p) || p.Reason != c.want) {
			t.Errorf("%s to %s: %v, want %q", c.by, c.question, err, c.want)
		}
	}
}
