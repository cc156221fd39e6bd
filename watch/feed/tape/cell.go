package tape

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseValue reads a cell of a bar's column: blank when there is no reading, and why when it cannot be right. A level
// may be zero or negative, a volume zero, a price neither.
func ParseValue(text, bar string, level bool) (v float64, blank bool, why string) {
	text = strings.TrimSpace(text)
	switch strings.ToUpper(text) {
	case "", ".", "NA", "N/A", "#N/A", "NULL":
		return 0, true, ""
	}
	v, why = number(text)
	switch {
	case why != "":
	case bar == "volume" && v < 0:
		why = "is a negative volume"
	case bar != "volume" && v <= 0 && !level:
		why = "is no price: prices are positive"
	default:
		return v, false, ""
	}
	return 0, false, why
}

// number reads a decimal number as people write it. Go's own forms, such as 0x1p-2 and Inf, are none.
func number(text string) (v float64, why string) {
	if strings.ContainsAny(text, "xX_pP") {
		return 0, "is not a number"
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || err == nil && (math.IsNaN(v) || math.IsInf(v, 0)):
		return 0, "is not a finite number"
	case err != nil:
		return 0, "is not a number" + instead(text)
	}
	return v, ""
}

// amountForm is a number as a spreadsheet shows it.
var amountForm = regexp.MustCompile(`^[$€£]?\s*-?[0-9][0-9.,' ]*\s*%?$`)

// instead says how a number of a spreadsheet is to be written. It is not read: 1,234 is two numbers in two countries.
func instead(text string) string {
	if !amountForm.MatchString(text) {
		return ""
	}
	return ": write it plainly, with a point for decimals and nothing else, such as 1234.56"
}

// A Form in which a time may be written.
type Form uint8

const (
	NoTime  Form = iota
	Date         // 2020-03-16, 20200316
	Written      // 2020-03-16 20:00:00, epoch seconds or milliseconds
	Exact        // RFC 3339
)

// ParseTime reads a time in any form; UTC unless it says otherwise.
func ParseTime(text string) (time.Time, Form) {
	text = strings.TrimSpace(text)
	if epoch, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch len(text) {
		case 8: // as seconds, a day of 1970
			if day, err := time.Parse("20060102", text); err == nil && yearMin <= day.Year() && day.Year() <= yearMax {
				return day, Date
			}
		case 9, 10:
			return time.Unix(epoch, 0).UTC(), Written
		case 12, 13:
			return time.UnixMilli(epoch).UTC(), Written
		}
		return time.Time{}, NoTime
	}
	if len(text) < len(time.DateOnly) {
		return time.Time{}, NoTime
	}
	form, layouts := Written, writtenLayouts
	switch {
	case len(text) == len(time.DateOnly):
		form, layouts = Date, []string{time.DateOnly}
	case text[10] == 'T':
		form, layouts = Exact, []string{time.RFC3339, "2006-01-02T15:04:05"}
	}
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil && yearMin <= at.Year() && at.Year() <= yearMax {
			return at, form
		}
	}
	return time.Time{}, NoTime
}

// Years beyond which a date is a slip of the pen.
const yearMin, yearMax = 1800, 2199

var writtenLayouts = []string{
	"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05-0700", "2006-01-02 15:04:05 UTC",
	"2006-01-02 15:04", "2006-01-02 15:04Z07:00",
}
