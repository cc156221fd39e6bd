package statement

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

var (
	number   = regexp.MustCompile(`^(\d+|\d{1,3}([,'] ?\d{3})+)?(\.\d*)?([eE][+-]?\d{1,2})?$`)
	noAmount = []string{"", "--", "-", "—", "n/a", "na", "null"}
	grouping = strings.NewReplacer(",", "", "'", "", " ", "")
)

// amountMax is how long a number may be written.
const amountMax = 80

// parseAmount reads $1,234.56, +$3.10, -$10.00, (10.00) and -- exactly; false for the last, which says nothing. A comma
// that is not in the place of a thousand is refused, because it may be meant as a decimal point.
func parseAmount(text string, decimalComma bool) (decimal.Decimal, bool, error) {
	if slices.Contains(noAmount, strings.ToLower(text)) {
		return decimal.Zero, false, nil
	}
	bad := fmt.Errorf("%q is not a number", shorten(text))
	if len(text) > amountMax {
		return decimal.Zero, false, bad
	}
	digits, negative := sign(text)
	if decimalComma {
		digits = strings.Map(func(c rune) rune {
			switch c {
			case ',':
				return '.'
			case '.', '\u00a0', '\u202f', ' ':
				return ','
			}
			return c
		}, digits)
	}
	if !number.MatchString(digits) || !strings.ContainsAny(digits, "0123456789") {
		if strings.Contains(text, ",") && !decimalComma {
			bad = fmt.Errorf("%w, or has a comma where none separates thousands", bad)
		}
		return decimal.Zero, false, bad
	}
	amount, err := decimal.NewFromString(grouping.Replace(digits))
	if err != nil {
		return decimal.Zero, false, bad
	}
	if negative {
		amount = amount.Neg()
	}
	return amount, true, nil
}

// sign takes sign, brackets and currency off the digits.
func sign(text string) (digits string, negative bool) {
	if inner, ok := strings.CutPrefix(text, "("); ok && strings.HasSuffix(inner, ")") {
		text, negative = strings.TrimSuffix(inner, ")"), true
	}
	signs := 0
	for text != "" {
		rest := text
		for _, mark := range []string{"$", "€", "£", "+", "-", "−", " "} {
			if cut, ok := strings.CutPrefix(text, mark); ok {
				rest = cut
				if mark == "+" || mark == "-" || mark == "−" {
					signs++
				}
				negative = negative != (mark == "-" || mark == "−")
				break
			}
		}
		if rest == text {
			break
		}
		text = rest
	}
	if signs > 1 {
		return "", false // --5 is no number
	}
	for _, mark := range []string{"€", "£", "$"} {
		text = strings.TrimSuffix(text, mark)
	}
	return strings.TrimSpace(text), negative
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return text
}

var (
	dots     = strings.NewReplacer("A.M.", "AM", "P.M.", "PM", "A.M", "AM", "P.M", "PM", ",", " ", ";", " ")
	eastern  = regexp.MustCompile(` ?\b(ET|EST|EDT)\b`)
	atOrOn   = regexp.MustCompile(`\b(AT|ON)\b`)
	layouts  = times()
	zoneless = []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"}
)

// times in which custodians write when something was true.
func times() []string {
	var all []string
	for _, date := range []string{"2006-01-02", "2006/01/02", "01/02/2006", "1/2/2006", "Jan-02-2006", "Jan-2-2006", "Jan 2 2006", "January 2 2006", "20060102"} {
		for _, clock := range []string{"", " 3:04 PM", " 3:04:05 PM", " 15:04", " 15:04:05", " 150405"} {
			all = append(all, date+clock)
			if clock != "" {
				all = append(all, clock[1:]+" "+date)
			}
		}
	}
	return all
}

// parseTime reads a time as custodians write it. Without a zone of its own it is in the given one; a date alone is its
// beginning, so that nothing is taken for younger than it is.
func parseTime(text string, zone *time.Location) (time.Time, bool) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil && (layout != "2006-01-02 15:04:05 MST" || strings.HasSuffix(text, " UTC")) {
			return t.UTC(), sane(t)
		}
	}
	upper := strings.ToUpper(text)
	upper = atOrOn.ReplaceAllString(dots.Replace(upper), " ")
	if eastern.MatchString(upper) {
		zone, upper = newYork(), eastern.ReplaceAllString(upper, "")
	}
	upper = strings.Join(strings.Fields(upper), " ")
	for _, layout := range slices.Concat(zoneless, layouts) {
		if t, err := time.ParseInLocation(layout, upper, zone); err == nil {
			return t.UTC(), sane(t)
		}
	}
	return time.Time{}, false
}

// sane keeps out what a misread layout makes of a number.
func sane(t time.Time) bool { return t.Year() >= 1990 && t.Year() <= 2200 }

func newYork() *time.Location {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		return time.UTC // cannot be: the zones are part of the program
	}
	return zone
}

// AsOf reads a time that a person gives: 2026-11-27, 2026-11-27 16:05 in the zone, or with a zone of its own.
func AsOf(text string, zone *time.Location) (time.Time, error) {
	t, ok := parseTime(text, zone)
	if !ok {
		return t, fmt.Errorf("%q is not a time such as 2026-11-27 16:05 or 2026-11-27T16:05:00Z", shorten(text))
	}
	return t, nil
}
