package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sessionsPerYear counts the days with a close of the S&P 500 (skfolio sp500_index, 1990-2022) and of SPY (Yahoo, to
// 27 March 2026; Lean, 1998-2021), which all agree with the exchange's published holidays.
var sessionsPerYear = map[int]int{
	1990: 253, 1991: 253, 1992: 254, 1993: 253, 1994: 252, 1995: 252, 1996: 254, 1997: 253, 1998: 252, 1999: 252,
	2000: 252, 2001: 248, 2002: 252, 2003: 252, 2004: 252, 2005: 252, 2006: 251, 2007: 251, 2008: 253, 2009: 252,
	2010: 252, 2011: 252, 2012: 250, 2013: 252, 2014: 252, 2015: 252, 2016: 252, 2017: 251, 2018: 251, 2019: 252,
	2020: 253, 2021: 252, 2022: 251, 2023: 250, 2024: 252, 2025: 250,
}

// weekdaysClosed are the weekdays without such a close: the same sources.
var weekdaysClosed = map[int]string{
	1990: "01-01 02-19 04-13 05-28 07-04 09-03 11-22 12-25",
	1991: "01-01 02-18 03-29 05-27 07-04 09-02 11-28 12-25",
	1992: "01-01 02-17 04-17 05-25 07-03 09-07 11-26 12-25",
	1993: "01-01 02-15 04-09 05-31 07-05 09-06 11-25 12-24",
	1994: "02-21 04-01 04-27 05-30 07-04 09-05 11-24 12-26",
	1995: "01-02 02-20 04-14 05-29 07-04 09-04 11-23 12-25",
	1996: "01-01 02-19 04-05 05-27 07-04 09-02 11-28 12-25",
	1997: "01-01 02-17 03-28 05-26 07-04 09-01 11-27 12-25",
	1998: "01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25",
	1999: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24",
	2000: "01-17 02-21 04-21 05-29 07-04 09-04 11-23 12-25",
	2001: "01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 11-22 12-25",
	2002: "01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25",
	2003: "01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25",
	2004: "01-01 01-19 02-16 04-09 05-31 06-11 07-05 09-06 11-25 12-24",
	2005: "01-17 02-21 03-25 05-30 07-04 09-05 11-24 12-26",
	2006: "01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25",
	2007: "01-01 01-02 01-15 02-19 04-06 05-28 07-04 09-03 11-22 12-25",
	2008: "01-01 01-21 02-18 03-21 05-26 07-04 09-01 11-27 12-25",
	2009: "01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25",
	2010: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24",
	2011: "01-17 02-21 04-22 05-30 07-04 09-05 11-24 12-26",
	2012: "01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25",
	2013: "01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25",
	2014: "01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25",
	2015: "01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 12-25",
	2016: "01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 12-26",
	2017: "01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25",
	2018: "01-01 01-15 02-19 03-30 05-28 07-04 09-03 11-22 12-05 12-25",
	2019: "01-01 01-21 02-18 04-19 05-27 07-04 09-02 11-28 12-25",
	2020: "01-01 01-20 02-17 04-10 05-25 07-03 09-07 11-26 12-25",
	2021: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24",
	2022: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26",
	2023: "01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25",
	2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
	2025: "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
	// Published by the exchange: NYSE Holidays and Trading Hours 2026 and 2027.
	2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
	2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
}

func TestNYSEOpensOnTheDaysItReallyDid(t *testing.T) {
	for year := 1990; year <= 2027; year++ {
		var closed []string
		count := 0
		for day := date(year, 1, 1); day.Year() == year; day = day.AddDate(0, 0, 1) {
			if _, ok := NYSE().On(day); ok {
				count++
			} else if !weekend(day) {
				closed = append(closed, day.Format("01-02"))
			}
		}
		if got := strings.Join(closed, " "); got != weekdaysClosed[year] {
			t.Errorf("%d: closed on %s\nwant %s", year, got, weekdaysClosed[year])
		}
		if want, known := sessionsPerYear[year]; known && count != want {
			t.Errorf("%d: %d sessions, want %d", year, count, want)
		}
	}
}

func TestNYSEBefore1990(t *testing.T) {
	for day, open := range map[string]bool{
		"1970-02-23": false, // Washington's Birthday fell on a Sunday
		"1970-05-29": true,  // Memorial Day was a Saturday and its Friday the end of a month
		"1971-12-31": true,  // New Year was a Saturday
		"1972-11-07": false, // election
		"1976-11-02": false,
		"1980-11-04": false,
		"1984-11-06": true, // elections were no longer kept
		"1977-07-14": false,
		"1985-09-27": false,
		"1987-10-19": true,
	} {
		if _, ok := NYSE().On(at(day)); ok != open {
			t.Errorf("%s: open %v, want %v", day, ok, open)
		}
	}
}

func TestNYSEHours(t *testing.T) {
	tests := []struct{ day, open, close, why string }{
		{"1970-04-30", "1970-04-30T14:00Z", "1970-04-30T19:00Z", "the paperwork crisis"},
		{"1974-01-07", "1974-01-07T14:00Z", "1974-01-07T19:30Z", "daylight saving in January, against the oil crisis"},
		{"1980-01-07", "1980-01-07T15:00Z", "1980-01-07T21:00Z", "opening at ten"},
		{"1987-10-19", "1987-10-19T13:30Z", "1987-10-19T20:00Z", "Black Monday"},
		{"1987-10-23", "1987-10-23T13:30Z", "1987-10-23T18:00Z", "the paperwork after it"},
		{"1993-11-26", "1993-11-26T14:30Z", "1993-11-26T18:00Z", "after Thanksgiving"},
		{"1996-01-08", "1996-01-08T16:00Z", "1996-01-08T19:00Z", "snow"},
		{"1996-07-03", "1996-07-03T13:30Z", "1996-07-03T20:00Z", "before a Thursday holiday, until 2012"},
		{"1996-07-05", "1996-07-05T13:30Z", "1996-07-05T17:00Z", "after a Thursday holiday, until 2012"},
		{"2002-09-11", "2002-09-11T16:00Z", "2002-09-11T20:00Z", "a year after"},
		{"2013-07-03", "2013-07-03T13:30Z", "2013-07-03T17:00Z", "before a Thursday holiday, from 2013"},
		{"2013-07-05", "2013-07-05T13:30Z", "2013-07-05T20:00Z", "after a Thursday holiday, from 2013"},
		{"2014-07-03", "2014-07-03T13:30Z", "2014-07-03T17:00Z", "before a Friday holiday"},
		{"2018-12-24", "2018-12-24T14:30Z", "2018-12-24T18:00Z", "Christmas Eve"},
		{"2020-03-06", "2020-03-06T14:30Z", "2020-03-06T21:00Z", "the last Friday of winter time"},
		{"2020-03-09", "2020-03-09T13:30Z", "2020-03-09T20:00Z", "the first Monday of summer time"},
		{"2022-07-01", "2022-07-01T13:30Z", "2022-07-01T20:00Z", "the Friday before a Monday holiday"},
		{"2025-12-26", "2025-12-26T14:30Z", "2025-12-26T21:00Z", "the Friday after Christmas, since 2008"},
	}
	for _, tt := range tests {
		s, ok := NYSE().On(at(tt.day))
		if !ok || !s.Open.Equal(at(tt.open)) || !s.Close.Equal(at(tt.close)) || !s.Day.Equal(at(tt.day)) {
			t.Errorf("%s (%s): %v %v, want %s to %s", tt.day, tt.why, s, ok, tt.open, tt.close)
		}
	}
}

func TestUsualHoursOfADayThatWasNone(t *testing.T) {
	for day, want := range map[string]string{"2022-05-30": "2022-05-30T20:00Z", "2020-12-25": "2020-12-25T21:00Z"} {
		if got := NYSE().Usual(at(day)); !got.Close.Equal(at(want)) || !got.Day.Equal(at(day)) {
			t.Errorf("%s: %v, want a close at %s", day, got, want)
		}
	}
	if got := AllDay().Usual(at("2022-05-30")); !got.Close.Equal(at("2022-05-31")) {
		t.Errorf("24/7: %v", got)
	}
}

func TestOfNextIsOpen(t *testing.T) {
	tests := []struct {
		calendar, t, of, next string
		open                  bool
	}{
		{"nyse", "2020-03-16T13:29Z", "2020-03-13", "2020-03-16", false},
		{"nyse", "2020-03-16T13:30Z", "2020-03-16", "2020-03-17", true},
		{"nyse", "2020-03-16T20:00Z", "2020-03-16", "2020-03-17", false},
		{"nyse", "2020-03-15T12:00Z", "2020-03-13", "2020-03-16", false}, // a Sunday
		{"nyse", "2001-09-13T15:00Z", "2001-09-10", "2001-09-17", false},
		{"nyse", "2020-01-01T15:00Z", "2019-12-31", "2020-01-02", false}, // over the end of a year
		{"nyse", "2019-12-31T23:00Z", "2019-12-31", "2020-01-02", false},
		{"24/7", "2020-03-16T00:00Z", "2020-03-15", "2020-03-17", true}, // the boundary closes the day before
		{"24/7", "2020-03-16T00:01Z", "2020-03-16", "2020-03-17", true},
		{"24/7", "2020-03-15T23:59Z", "2020-03-15", "2020-03-16", true},
	}
	for _, tt := range tests {
		c := named(t, tt.calendar)
		of, next, open := c.Of(at(tt.t)), c.Next(at(tt.t)), c.IsOpen(at(tt.t))
		if !of.Day.Equal(at(tt.of)) || !next.Day.Equal(at(tt.next)) || open != tt.open {
			t.Errorf("%s at %s: of %s, next %s, open %v; want %s, %s, %v", tt.calendar, tt.t,
				of.Day.Format(time.DateOnly), next.Day.Format(time.DateOnly), open, tt.of, tt.next, tt.open)
		}
	}
}

func TestOpenTime(t *testing.T) {
	tests := []struct {
		calendar, from, to string
		want               time.Duration
	}{
		{"nyse", "2020-03-16T14:00Z", "2020-03-16T15:30Z", 90 * time.Minute},
		{"nyse", "2020-03-13T20:00Z", "2020-03-16T13:30Z", 0}, // a weekend
		{"nyse", "2020-03-13T19:00Z", "2020-03-16T14:30Z", 2 * time.Hour},
		{"nyse", "2020-03-09T00:00Z", "2020-03-14T00:00Z", 5 * 390 * time.Minute},
		{"nyse", "2019-12-24T00:00Z", "2020-01-03T00:00Z", 210*time.Minute + 5*390*time.Minute}, // an early close and two holidays
		{"nyse", "2020-03-16T15:00Z", "2020-03-16T14:00Z", 0},
		{"24/7", "2020-03-13T20:00Z", "2020-03-16T20:00Z", 72 * time.Hour},
	}
	for _, tt := range tests {
		if got := named(t, tt.calendar).OpenTime(at(tt.from), at(tt.to)); got != tt.want {
			t.Errorf("%s from %s to %s: %s, want %s", tt.calendar, tt.from, tt.to, got, tt.want)
		}
	}
}

func TestAddOpen(t *testing.T) {
	tests := []struct {
		calendar, from string
		span           time.Duration
		want           string
	}{
		{"nyse", "2020-03-16T14:00Z", time.Hour, "2020-03-16T15:00Z"},
		{"nyse", "2020-03-13T19:00Z", time.Hour, "2020-03-13T20:00Z"}, // ends with the session, not at the next opening
		{"nyse", "2020-03-13T19:00Z", 2 * time.Hour, "2020-03-16T14:30Z"},
		{"nyse", "2020-03-14T12:00Z", time.Minute, "2020-03-16T13:31Z"},
		{"nyse", "2019-12-31T20:00Z", 390 * time.Minute, "2020-01-02T20:00Z"},
		{"nyse", "2020-03-14T12:00Z", 0, "2020-03-14T12:00Z"},
		{"24/7", "2020-03-14T12:00Z", 36 * time.Hour, "2020-03-16T00:00Z"},
	}
	for _, tt := range tests {
		if got := named(t, tt.calendar).AddOpen(at(tt.from), tt.span); !got.Equal(at(tt.want)) {
			t.Errorf("%s %s + %s: %s, want %s", tt.calendar, tt.from, tt.span, got, tt.want)
		}
	}
}

// FuzzLaws holds both calendars to what must be true at any instant: a session is the latest that opened, the next
// one follows it, and adding market time is the inverse of measuring it.
func FuzzLaws(f *testing.F) {
	f.Add(int64(1584365400), int64(7200))
	f.Add(int64(1000216800), int64(1_000_000))
	f.Add(int64(0), int64(1))
	f.Add(int64(-62135596800), int64(90_000))
	f.Fuzz(func(t *testing.T, unix, seconds int64) {
		if unix < -62135596800 || unix > 7_000_000_000 || seconds < 0 || seconds > 40_000_000 {
			return
		}
		from, span := time.Unix(unix, 0).UTC(), time.Duration(seconds)*time.Second
		for _, c := range []*Calendar{NYSE(), AllDay()} {
			of, next := c.Of(from), c.Next(from)
			if of.Open.After(from) || !next.Open.After(from) || !of.Open.Before(next.Open) || next.Open.Before(of.Close) {
				t.Fatalf("%s at %s: of %v, next %v", c.Name(), from, of, next)
			}
			if s, ok := c.On(of.Day); !ok || s != of {
				t.Fatalf("%s: On(%s) = %v %v, want %v", c.Name(), of.Day, s, ok, of)
			}
			if to := c.AddOpen(from, span); c.OpenTime(from, to) != span {
				t.Fatalf("%s: %s + %s = %s, which is %s of market time", c.Name(), from, span, to, c.OpenTime(from, to))
			}
		}
	})
}

func TestCallsDoNotAllocate(t *testing.T) {
	from := at("2020-03-13T19:00Z")
	calls := func() {
		for _, c := range []*Calendar{NYSE(), AllDay()} {
			c.On(from)
			c.Next(from)
			c.IsOpen(from)
			c.OpenTime(from, c.AddOpen(from, 100*time.Hour))
		}
	}
	calls()
	if n := testing.AllocsPerRun(100, calls); n != 0 {
		t.Errorf("%v allocations per round, want none", n)
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	c := &Calendar{name: "nyse", build: NYSE().build} // nothing built yet
	answers := make(chan string)
	for range 8 {
		go func() { answers <- fmt.Sprint(c.Of(at("2061-03-16T15:00Z")), c.Next(at("2061-12-31T15:00Z"))) }()
	}
	var seen []string
	for range 8 {
		seen = append(seen, <-answers)
	}
	if len(slices.Compact(seen)) != 1 {
		t.Errorf("different answers: %v", seen)
	}
}

func TestByName(t *testing.T) {
	if named(t, "nyse") != NYSE() || named(t, "24/7") != AllDay() {
		t.Error("a calendar is not the shared one")
	}
	if _, err := ByName("lse"); err == nil || !strings.Contains(err.Error(), "nyse and 24/7") {
		t.Errorf("unknown calendar: %v", err)
	}
}

func BenchmarkOf(b *testing.B) {
	t := at("2020-03-13T19:00Z")
	for b.Loop() {
		NYSE().Of(t)
	}
}

func named(t *testing.T, name string) *Calendar {
	t.Helper()
	c, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// at reads 2020-03-16 or 2020-03-16T13:30Z.
func at(s string) time.Time {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04Z"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	panic("not a time: " + s)
}
