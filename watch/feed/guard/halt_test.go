package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// TestBackFromAHalt says after which silence which values are believed, and by whose word.
func TestBackFromAHalt(t *testing.T) {
	hourly := func(lifeboat.Series, string) time.Duration { return 90 * time.Minute }
	always := func(string) *session.Calendar { return session.AllDay() }
	day := 24 * time.Hour
	tests := []struct {
		name   string
		before string // what was said at noon on Friday, 13 March 2020
		silent time.Duration
		after  []string // hour by hour: what is said => what is refused
	}{
		{"another coin under the old ticker", "LUNA=0.00032", 18 * day, []string{
			"LUNA=8.56 => LUNA came back at 8.56 from 0.00032 after a silence of 18 d: perhaps another asset under the same name",
			"LUNA=8.61 => LUNA came back at 8.61 from 0.00032 after a silence of 18 d 1 h: perhaps",
			"LUNA=8.49 => LUNA came back at 8.49 from 0.00032 after a silence of 18 d 2 h: perhaps",
		}},
		{"its whole bar", "LUNA.high=0.0006 LUNA.low=0.00004 LUNA=0.00032", 18 * day, []string{"LUNA.open=1 LUNA.high=25 LUNA.low=1 LUNA=8.56 => LUNA.open came; LUNA.high came; LUNA.low came; LUNA came"}},
		{"four times is a price that rose", "X=1", 18 * day, []string{"X=4 => X jumped", "X=4.1"}},
		{"a fifth and a little more is a price that fell", "X=100", 18 * day, []string{"X=20.5 => X jumped", "X=20"}},
		{"less than a fifth is perhaps none", "X=100", 18 * day, []string{"X=19 => X came", "X=18 => X came"}},
		{"what comes home is believed", "X=100", 18 * day, []string{"X=19 => X came", "X=90", "X=91"}},
		{"a day of silence is no halt", "LUNA=5", day - time.Hour, []string{"LUNA=0.005 => LUNA jumped", "LUNA=0.004"}},
		{"more than a day is", "LUNA=5", day + time.Hour, []string{"LUNA=0.005 => LUNA came", "LUNA=0.004 => LUNA came"}},
		{"another source's silence is no word for it", "X@cex=100 X@dex=100", 18 * day, []string{"X@dex=9 => X@dex came", "X@dex=9 => X@dex came"}},
		{"two that were halted together are no witnesses", "X@cex=0.0003 X@dex=0.0003", 18 * day, []string{"X@cex=9 X@dex=9 => X@cex came; X@dex came"}},
		{"a source of a new name has no past", "X=0.0003", 18 * day, []string{"X@new=9", "X@new=9.1", "X=9"}},
		{"fear is no asset", "VIX=12", 18 * day, []string{"VIX=80"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := New(Paced(usual, always, hourly))
			g.Pass(noon, said(t, tt.before))
			for i, step := range tt.after {
				readings, want, _ := strings.Cut(step, " => ")
				got := doubted(g.Pass(noon.Add(tt.silent+time.Duration(i)*time.Hour), said(t, readings)))
				if !begin(got, want) {
					t.Errorf("step %d, %s:\nrefused %q\nwant    %q", i+1, readings, got, want)
				}
			}
		})
	}
}

// doubted are the suspect readings with the whole reason of each.
func doubted(readings []lifeboat.Reading) (told []string) {
	for _, r := range readings {
		if r.Quality == lifeboat.Suspect {
			name := string(r.Series)
			if r.Source != "" {
				name += "@" + r.Source
			}
			told = append(told, name+" "+r.Why)
		}
	}
	return told
}

// begin holds each reason against how it should begin.
func begin(reasons []string, wanted string) bool {
	beginnings := strings.Split(wanted, "; ")
	if wanted == "" || len(reasons) != len(beginnings) {
		return wanted == "" && len(reasons) == 0
	}
	for i, reason := range reasons {
		if !strings.HasPrefix(reason, beginnings[i]) {
			return false
		}
	}
	return true
}

// TestASourceThatWentOnConfirms: whoever spoke all along is a witness for one that comes back.
func TestASourceThatWentOnConfirms(t *testing.T) {
	g := New(usual)
	g.Pass(noon, said(t, "X@cex=100 X@dex=100"))
	price := 100.0
	for hour := range 48 {
		price *= 0.94 // to a twentieth within two days
		g.Pass(noon.Add(time.Duration(hour+1)*time.Hour), said(t, fmt.Sprintf("X@dex=%g", price)))
	}
	if got := refused(g.Pass(noon.Add(48*time.Hour+30*time.Minute), said(t, fmt.Sprintf("X@cex=%g", price)))); got != "" {
		t.Errorf("refused %q", got)
	}
}

// TestHaltsAreMeasuredInMarketTime: a long weekend of New York is no halt for a share, and four sessions are.
func TestHaltsAreMeasuredInMarketTime(t *testing.T) {
	minutes := func(lifeboat.Series, string) time.Duration { return 10 * time.Minute }
	thursday := time.Date(2024, 3, 28, 19, 59, 0, 0, time.UTC) // before Good Friday
	for _, c := range []struct {
		calendar *session.Calendar
		back     time.Time
		want     string
	}{
		{session.NYSE(), time.Date(2024, 4, 1, 13, 31, 0, 0, time.UTC), "jumped"},
		{session.NYSE(), time.Date(2024, 4, 5, 13, 31, 0, 0, time.UTC), "came back"},
		{session.AllDay(), time.Date(2024, 4, 1, 13, 31, 0, 0, time.UTC), "came back"},
	} {
		g := New(Paced(usual, func(string) *session.Calendar { return c.calendar }, minutes))
		g.Pass(thursday, said(t, "BANK=106"))
		got := refused(g.Pass(c.back, said(t, "BANK=0.4")))
		if !strings.HasPrefix(got, "BANK "+c.want) {
			t.Errorf("%s, back on %s: refused %q, want %q", c.calendar.Name(), c.back.Format(time.DateOnly), got, c.want)
		}
	}
}

// TestAHaltIsRememberedFromTheJournal: after a restart the other coin is no more believed than before.
func TestAHaltIsRememberedFromTheJournal(t *testing.T) {
	live, reminded := New(usual), New(usual)
	for i, readings := range []string{"LUNA=0.00032", "LUNA=8.56", "LUNA=8.6"} {
		at := noon.AddDate(0, 0, 18*i)
		reminded.Note(at, live.Pass(at, said(t, readings)))
	}
	for _, g := range []*Guard{live, reminded} {
		if got := refused(g.Pass(noon.AddDate(0, 2, 0), said(t, "LUNA=8.7"))); !strings.HasPrefix(got, "LUNA came back at 8.7 from 0.00032") {
			t.Errorf("refused %q", got)
		}
	}
}
