package app

import (
	"errors"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/act/decide"
	"lifeboat/act/play"
	"lifeboat/plan"
)

func TestWhoMayAnswer(t *testing.T) {
	p := &plan.Plan{People: []plan.Person{{Name: "Ana", Role: "owner"}, {Name: "Cleo"}}}
	question := lifeboat.Intent{Key: "lb-1", Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: []string{"Ana", "Ben"}, Question: true}}
	d := &Daemon{System: &System{Desk: decide.New(p), Player: play.New(nil, lifeboat.NewBook("USD"), p, nil)}}
	d.record.Apply(time.Time{}, question)
	d.Desk.Apply(time.Time{}, question)
	for _, c := range []struct {
		question, by string
		want         lifeboat.Reason
	}{
		{"lb-1", "Ana", ""},
		{"lb-1", "Cleo", "denied"}, // in the plan, and not asked
		{"lb-1", "Ben", "denied"},  // asked, and since taken out of the plan
		{"lb-2", "Ana", "not-found"},
	} {
		err := d.mayAnswer(time.Time{}, lifeboat.Answer{Question: c.question, By: c.by, Yes: true})
		var p *lifeboat.Problem
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &p) || p.Reason != c.want) {
			t.Errorf("%s to %s: %v, want %q", c.by, c.question, err, c.want)
		}
	}
}
