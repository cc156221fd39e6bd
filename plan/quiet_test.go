package plan

import (
	"testing"
	"time"
)

// When somebody who rests is awake again, in the person's own time zone and over the turns of summer time.
func TestRest(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	night := Quiet{From: "22:00", To: "07:00", TimeZone: "Europe/Zurich"}
	for _, tc := range []struct {
		name     string
		quiet    Quiet
		at, want string
	}{
		{"by day", night, "2020-03-16T12:00:00Z", "2020-03-16T12:00:00Z"},
		{"in the evening", night, "2020-03-16T21:30:00Z", "2020-03-17T06:00:00Z"},
		{"after midnight", night, "2020-03-17T02:00:00Z", "2020-03-17T06:00:00Z"},
		{"on the last day of a month", night, "2020-01-31T22:00:00Z", "2020-02-01T06:00:00Z"},
		{"at the first minute", night, "2020-03-16T21:00:00Z", "2020-03-17T06:00:00Z"},
		{"at the last minute", night, "2020-03-17T05:59:59Z", "2020-03-17T06:00:00Z"},
		{"when they end", night, "2020-03-17T06:00:00Z", "2020-03-17T06:00:00Z"},
		{"the night that loses an hour", night, "2020-03-28T22:00:00Z", "2020-03-29T05:00:00Z"},
		{"the night that gains one", night, "2020-10-24T22:00:00Z", "2020-10-25T06:00:00Z"},
		{"within a day", Quiet{From: "12:00", To: "14:00"}, "2020-03-16T13:00:00Z", "2020-03-16T14:00:00Z"},
		{"the portfolio's time zone", Quiet{From: "22:00", To: "07:00"}, "2020-03-16T03:00:00Z", "2020-03-16T11:00:00Z"},
	} {
		zone := "UTC"
		if tc.name == "the portfolio's time zone" {
			zone = "America/New_York"
		}
		p := Plan{Portfolio: Portfolio{TimeZone: zone}}
		if got := p.RestOf(Person{Quiet: &tc.quiet}).Until(at(tc.at)); !got.Equal(at(tc.want)) {
			t.Errorf("%s: %s, not %s", tc.name, got.Format(time.RFC3339), tc.want)
		}
	}
	if now := at("2020-03-17T02:00:00Z"); !(Rest{}).Until(now).Equal(now) {
		t.Error("somebody without quiet hours rests")
	}
}

// Whatever the hours and the time, nobody rests for longer than a day and an hour, and whoever wakes is awake.
func FuzzRest(f *testing.F) {
	f.Add("22:00", "07:00", int64(1584410400))
	f.Add("02:30", "02:15", int64(1585443600))
	f.Add("7", "x", int64(0))
	f.Fuzz(func(t *testing.T, from, to string, seconds int64) {
		rest, err := parseQuiet(Quiet{From: from, To: to}, "America/New_York")
		if err != nil || seconds < 0 || seconds > 4e9 {
			return
		}
		at := time.Unix(seconds, 0)
		end := rest.Until(at)
		if end.Before(at) || end.Sub(at) > 25*time.Hour {
			t.Errorf("%s-%s at %s: until %s", from, to, at, end)
		}
		if again := rest.Until(end); end.After(at) && again.Sub(end) > time.Hour {
			t.Errorf("%s-%s at %s: awake at %s, and resting until %s", from, to, at, end, again)
		}
	})
}
