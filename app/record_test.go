package app

import (
	"slices"
	"testing"
	"time"

	"lifeboat"
)

// TestAQuestionOfSeveralStaysOpen until what asked it goes on: otherwise nobody but the first could answer it.
func TestAQuestionOfSeveralStaysOpen(t *testing.T) {
	ask := lifeboat.Intent{Key: "k", Act: lifeboat.SendMessage, Run: "R", Step: "2", Message: &lifeboat.Message{To: []string{"Ada", "Ben", "Cy"}, Question: true}}
	yes := func(by string) lifeboat.Answer { return lifeboat.Answer{Question: "k", By: by, Yes: true} }
	for _, c := range []struct {
		name   string
		events []lifeboat.Event
		open   bool
	}{
		{"nobody answered", nil, true},
		{"one said yes", []lifeboat.Event{yes("Ada")}, true},
		{"one said it twice", []lifeboat.Event{yes("Ada"), yes("Ada"), yes("Ada")}, true},
		{"two said yes", []lifeboat.Event{yes("Ada"), yes("Ben")}, true},
		{"all said yes", []lifeboat.Event{yes("Ada"), yes("Ben"), yes("Cy")}, false},
		{"one said no", []lifeboat.Event{yes("Ada"), lifeboat.Answer{Question: "k", By: "Ben"}}, false},
		{"two sufficed for the step", []lifeboat.Event{yes("Ada"), yes("Ben"), lifeboat.StepFinished{Run: "R", Step: "2", Status: lifeboat.Done}}, false},
		{"two sufficed for the task", []lifeboat.Event{yes("Ada"), yes("Ben"), lifeboat.Intent{Key: "t", Act: lifeboat.PerformTask, Run: "R", Step: "2", Task: &lifeboat.Task{Kind: "exit-apply"}}}, false},
		{"another step acts", []lifeboat.Event{yes("Ada"), lifeboat.Intent{Key: "t", Act: lifeboat.PerformTask, Run: "R", Step: "3", Task: &lifeboat.Task{Kind: "http"}}}, true},
		{"an act before any answer", []lifeboat.Event{lifeboat.Intent{Key: "t", Act: lifeboat.PerformTask, Run: "R", Step: "2", Task: &lifeboat.Task{Kind: "http"}}}, true},
	} {
		var r Record
		at := time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)
		for _, e := range slices.Concat([]lifeboat.Event{ask}, c.events) {
			r.Apply(at, e)
		}
		if open := len(r.Questions) == 1; open != c.open {
			t.Errorf("%s: open %t", c.name, open)
		}
	}
}
