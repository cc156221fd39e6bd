package session

import (
	"sync"
	"time"
)

// AllDay is the calendar of what trades always, crypto first of all: a session is a UTC day.
func AllDay() *Calendar { return allDay() }

var allDay = sync.OnceValue(func() *Calendar { return &Calendar{name: "24/7"} })

func wholeDay(date time.Time) Session {
	return Session{Day: date, Open: date, Close: date.AddDate(0, 0, 1)}
}
