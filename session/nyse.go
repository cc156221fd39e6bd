package session

import (
	"fmt"
	"sync"
	"time"
)

// NYSE is the calendar of the New York Stock Exchange, which Nasdaq and the US options exchanges share. It is exact
// from 1970 on; earlier years follow the rules of 1970, which were not yet those.
//
// Sources: NYSE Rule 7.2 and the exchange's yearly "Holidays and Trading Hours"; for the past its list "Special
// Closings of the Exchange". The test compares every session from 1990 on with the days on which the S&P 500 and the
// VIX really had a close.
func NYSE() *Calendar { return nyse() }

var nyse = sync.OnceValue(func() *Calendar {
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(fmt.Sprintf("zone data is compiled in, and still: %v", err))
	}
	return &Calendar{
		name:  "nyse",
		build: func(year int) []Session { return nyseYear(year, newYork) },
		usual: func(day time.Time) Session { return usualHours(day).on(day, newYork) },
	}
})

// nyseYear works out every session of a year.
func nyseYear(year int, newYork *time.Location) []Session {
	closed := map[time.Time]bool{}
	for _, day := range holidays(year) {
		closed[day] = true
	}
	sessions := make([]Session, 0, 254)
	for day := date(year, 1, 1); day.Year() == year; day = day.AddDate(0, 0, 1) {
		if weekend(day) || closed[day] || specialClosings[day.Format(time.DateOnly)] {
			continue
		}
		sessions = append(sessions, hoursOf(day).on(day, newYork))
	}
	return sessions
}

// holidays of a year, with the years in which each was kept. One that falls on a Sunday is kept on Monday and one on
// a Saturday on Friday, except New Year: the exchange does not close on the last day of an accounting year.
func holidays(year int) []time.Time {
	days := []time.Time{
		sundayToMonday(date(year, 1, 1)),
		easter(year).AddDate(0, 0, -2), // Good Friday
		nearest(date(year, 7, 4)),
		nth(year, time.September, time.Monday, 1), // Labor Day
		nth(year, time.November, time.Thursday, 4),
		nearest(date(year, 12, 25)),
	}
	if year >= 1998 { // Martin Luther King, Jr.
		days = append(days, nth(year, time.January, time.Monday, 3))
	}
	if year >= 2022 { // Juneteenth
		days = append(days, nearest(date(year, 6, 19)))
	}
	if year >= 1971 { // Washington's Birthday, Memorial Day
		days = append(days, nth(year, time.February, time.Monday, 3), last(year, time.May, time.Monday))
	} else { // a Saturday 30 May was not moved: Friday closed an accounting month
		days = append(days, nearest(date(year, 2, 22)), sundayToMonday(date(year, 5, 30)))
	}
	if year <= 1980 && year%4 == 0 { // presidential elections
		days = append(days, nth(year, time.November, time.Monday, 1).AddDate(0, 0, 1))
	}
	return days
}

// specialClosings are the days since 1970 that no rule foresaw.
var specialClosings = map[string]bool{
	"1972-12-28": true, // funeral of President Truman
	"1973-01-25": true, // funeral of President Johnson
	"1977-07-14": true, // New York was without power
	"1985-09-27": true, // Hurricane Gloria
	"1994-04-27": true, // funeral of President Nixon
	"2001-09-11": true, // the attack on the World Trade Center
	"2001-09-12": true,
	"2001-09-13": true,
	"2001-09-14": true,
	"2004-06-11": true, // mourning for President Reagan
	"2007-01-02": true, // mourning for President Ford
	"2012-10-29": true, // Hurricane Sandy
	"2012-10-30": true,
	"2018-12-05": true, // mourning for President George H. W. Bush
	"2025-01-09": true, // mourning for President Carter
}

// A clock is a time of day in New York, in hours and minutes: 930 is half past nine.
type clock int

func (c clock) on(day time.Time, newYork *time.Location) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), int(c)/100, int(c)%100, 0, 0, newYork).UTC()
}

// hours of a session; in specialHours 0 stands for the usual.
type hours struct{ open, close clock }

func (h hours) on(day time.Time, newYork *time.Location) Session {
	return Session{Day: day, Open: h.open.on(day, newYork), Close: h.close.on(day, newYork)}
}

// hoursOf a trading day.
func hoursOf(day time.Time) hours {
	h := usualHours(day)
	if early := earlyClose(day); early != 0 {
		h.close = early
	}
	special := specialHours[day.Format(time.DateOnly)]
	if special.open != 0 {
		h.open = special.open
	}
	if special.close != 0 {
		h.close = special.close
	}
	return h
}

// usualHours of the time a day lies in.
func usualHours(day time.Time) hours {
	switch {
	case day.Before(date(1970, 5, 4)): // the paperwork crisis
		return hours{1000, 1500}
	case day.Before(date(1974, 10, 1)):
		return hours{1000, 1530}
	case day.Before(date(1985, 9, 30)):
		return hours{1000, 1600}
	}
	return hours{930, 1600}
}

// earlyClose of the days before and after holidays, by rule; 0 on any other.
func earlyClose(day time.Time) clock {
	year, weekday := day.Year(), day.Weekday()
	switch {
	case day.Equal(nth(year, time.November, time.Thursday, 4).AddDate(0, 0, 1)): // after Thanksgiving
		if year >= 1993 {
			return 1300
		}
	case day.Equal(date(year, 12, 24)) && weekday <= time.Thursday: // a Friday is the holiday itself
		if year >= 1996 {
			return 1300
		}
	case day.Equal(date(year, 7, 3)) && year >= 1995:
		// Before a Thursday holiday it was the Friday after that closed early, until 2013 turned it round.
		if weekday != time.Wednesday || year >= 2013 {
			return 1300
		}
	case day.Equal(date(year, 7, 5)) && weekday == time.Friday:
		if 1995 <= year && year <= 2012 {
			return 1300
		}
	}
	return 0
}

// specialHours are the sessions since 1970 that opened five minutes late or more, or closed early, outside the rules.
// Pauses within a session and minutes of silence are left out.
var specialHours = map[string]hours{
	"1973-12-17": {open: 1100},              // ice
	"1974-01-16": {open: 1015},              // a broker's computer
	"1974-11-22": {open: 1015},              // fire drill
	"1974-12-24": {close: 1400},             // Christmas Eve
	"1975-02-12": {close: 1430},             // snow
	"1975-12-24": {close: 1400},             // Christmas Eve
	"1976-02-02": {open: 1115},              // storm
	"1976-06-08": {open: 1015},              // fire drill
	"1976-08-09": {close: 1500},             // hurricane watch
	"1978-01-20": {open: 1200},              // snow
	"1978-02-06": {close: 1400},             // snow
	"1978-02-07": {open: 1100},              // snow
	"1981-03-30": {close: 1517},             // President Reagan was shot
	"1981-09-09": {close: 1528},             // power failure
	"1987-10-23": {close: 1400},             // the paperwork of the crash, until 11 November
	"1987-10-26": {close: 1400},             //
	"1987-10-27": {close: 1400},             //
	"1987-10-28": {close: 1400},             //
	"1987-10-29": {close: 1400},             //
	"1987-10-30": {close: 1400},             //
	"1987-11-02": {close: 1430},             //
	"1987-11-03": {close: 1430},             //
	"1987-11-04": {close: 1430},             //
	"1987-11-05": {close: 1500},             //
	"1987-11-06": {close: 1500},             //
	"1987-11-09": {close: 1530},             //
	"1987-11-10": {close: 1530},             //
	"1987-11-11": {close: 1530},             //
	"1989-11-10": {open: 1100},              // fire
	"1990-12-24": {close: 1400},             // Christmas Eve
	"1990-12-27": {open: 1100},              // power failure
	"1991-12-24": {close: 1400},             // Christmas Eve
	"1992-11-27": {close: 1400},             // after Thanksgiving
	"1992-12-24": {close: 1400},             // Christmas Eve
	"1994-02-11": {close: 1430},             // snow
	"1995-12-18": {open: 1030},              // computers
	"1996-01-08": {open: 1100, close: 1400}, // snow
	"1997-10-27": {close: 1530},             // the first circuit breaker
	"1997-12-26": {close: 1300},             // Friday after Christmas
	"2002-09-11": {open: 1200},              // remembrance
	"2003-12-26": {close: 1300},             // Friday after Christmas
	"2005-06-01": {close: 1556},             // computers
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func weekend(day time.Time) bool {
	return day.Weekday() == time.Saturday || day.Weekday() == time.Sunday
}

func sundayToMonday(day time.Time) time.Time {
	if day.Weekday() == time.Sunday {
		return day.AddDate(0, 0, 1)
	}
	return day
}

func nearest(day time.Time) time.Time {
	if day.Weekday() == time.Saturday {
		return day.AddDate(0, 0, -1)
	}
	return sundayToMonday(day)
}

// nth weekday of a month, counted from 1.
func nth(year int, month time.Month, weekday time.Weekday, n int) time.Time {
	first := date(year, month, 1)
	return first.AddDate(0, 0, int(weekday-first.Weekday()+7)%7+7*(n-1))
}

// last weekday of a month.
func last(year int, month time.Month, weekday time.Weekday) time.Time {
	end := date(year, month+1, 0)
	return end.AddDate(0, 0, -int(end.Weekday()-weekday+7)%7)
}

// easter is Easter Sunday of the Gregorian calendar: the anonymous algorithm of 1876 (Meeus, Astronomical Algorithms,
// chapter 8).
func easter(year int) time.Time {
	a, b, c := year%19, year/100, year%100
	d, e := b/4, b%4
	g := (8*b + 13) / 25
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	return date(year, time.Month((h+l-7*m+114)/31), (h+l-7*m+114)%31+1)
}
