package plan

import (
	"cmp"
	"time"
)

// Rest is a person's quiet hours, ready to be asked. The zero value has none.
type Rest struct {
	from, to int // minutes since midnight; equal for none
	in       *time.Location
}

// RestOf a person of the plan.
func (p *Plan) RestOf(person Person) Rest {
	if person.Quiet == nil {
		return Rest{}
	}
	r, _ := parseQuiet(*person.Quiet, p.Portfolio.TimeZone) // what cannot be read was refused when the plan was loaded
	return r
}

// quietForm is how the hours of rest are written.
const quietForm = "15:04"

func parseQuiet(q Quiet, portfolio string) (Rest, error) {
	in, err := time.LoadLocation(cmp.Or(q.TimeZone, portfolio, "UTC"))
	if err != nil {
		return Rest{}, err
	}
	from, err := time.Parse(quietForm, q.From)
	if err != nil {
		return Rest{}, err
	}
	to, err := time.Parse(quietForm, q.To)
	if err != nil {
		return Rest{}, err
	}
	return Rest{from: 60*from.Hour() + from.Minute(), to: 60*to.Hour() + to.Minute(), in: in}, nil
}

// Until is when the quiet hours end that hold at a time; that time itself when none do.
func (r Rest) Until(at time.Time) time.Time {
	if r.from == r.to {
		return at
	}
	local := at.In(r.in)
	now, overnight := 60*local.Hour()+local.Minute(), r.from > r.to
	quiet := now >= r.from && now < r.to
	if overnight {
		quiet = now >= r.from || now < r.to
	}
	if !quiet {
		return at
	}
	day := local.Day()
	if overnight && now >= r.from {
		day++
	}
	end := time.Date(local.Year(), local.Month(), day, r.to/60, r.to%60, 0, 0, r.in)
	if !end.After(at) { // in the hour that the end of summer time repeats
		return at
	}
	return end.UTC()
}
