package plan

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"
)

// What a span, a share and an amount look like. The schema shows editors the same patterns.
const (
	durationPattern = `^\s*([0-9]+(\.[0-9]+)?\s*[smhdw]\s*)+$`
	percentPattern  = `^\s*[0-9]+(\.[0-9]+)?\s*%\s*$`
	decimalPattern  = `^\s*[+-]?([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(_[0-9]{3})+)(\.[0-9]+)?\s*$`
	gasPattern      = `^\s*([0-9]+(\.[0-9]{1,9})?)\s*gwei\s*$`
	moneyPattern    = `^\s*\$?\s*([0-9]+|[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,3}(_[0-9]{3})+)(\.[0-9]+)?\s*([A-Z]{3,5})?\s*$`
)

var (
	durationForm = regexp.MustCompile(durationPattern)
	spanForm     = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)\s*([smhdw])`)
	percentForm  = regexp.MustCompile(percentPattern)
	decimalForm  = regexp.MustCompile(decimalPattern)
	gasForm      = regexp.MustCompile(gasPattern)
	moneyForm    = regexp.MustCompile(moneyPattern)
	codeForm     = regexp.MustCompile(`[A-Z]{3,5}\s*$`)
)

const (
	day  = 24 * time.Hour
	week = 7 * day

	// durationMax is longer than any plan is for, and far from where spans overflow.
	durationMax = Duration(100 * 365 * day)
	// digitsMax is enough for any token's smallest unit and keeps hostile numbers small.
	digitsMax = 60
)

// ParseDuration reads 90s, 15m, 4h, 3d, 2w and combinations such as 1h30m. A number without a unit is refused.
func ParseDuration(text string) (Duration, error) {
	if len(text) > digitsMax || !durationForm.MatchString(text) {
		return 0, errors.New("not a span such as 30m or 4h")
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day, "w": week}
	var total decimal.Decimal
	for _, span := range spanForm.FindAllStringSubmatch(text, -1) {
		number, err := decimal.NewFromString(span[1])
		if err != nil {
			return 0, err
		}
		total = total.Add(number.Mul(decimal.NewFromInt(int64(unit[span[2]]))))
	}
	if total.GreaterThan(decimal.NewFromInt(int64(durationMax))) {
		return 0, errors.New("longer than a hundred years")
	}
	return Duration(total.IntPart()), nil
}

// String is the span as an owner writes it: 90s, 15m, 1h30m, 24h, 3d, 2w.
func (d Duration) String() string {
	rest := time.Duration(d)
	switch {
	case rest == 0:
		return "0s"
	case rest < 0 || rest%time.Second != 0:
		return rest.String()
	case rest%week == 0:
		return strconv.FormatInt(int64(rest/week), 10) + "w"
	case rest%day == 0 && rest > day:
		return strconv.FormatInt(int64(rest/day), 10) + "d"
	}
	var b strings.Builder
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if rest >= unit.size {
			fmt.Fprintf(&b, "%d%s", rest/unit.size, unit.name)
			rest %= unit.size
		}
	}
	return b.String()
}

// MarshalText makes a span readable in everything that is JSON.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *Duration) UnmarshalText(text []byte) error {
	if parsed, err := ParseDuration(string(text)); err == nil {
		*d = parsed
		return nil
	}
	parsed, err := time.ParseDuration(string(text)) // fractions of a second, which no owner writes
	*d = Duration(parsed)
	return err
}

// errWantsPercent is a number above 1 where a share was meant.
var errWantsPercent = errors.New("above 1")

// ParseRatio reads 15%, 15 % and 0.15. A bare number above 1 is refused: 15 could mean either.
func ParseRatio(text string) (Ratio, error) {
	text = strings.TrimSpace(text)
	percent := percentForm.MatchString(text)
	number, err := parseDecimal(strings.TrimSuffix(text, "%"))
	if err != nil {
		return 0, err
	}
	if percent {
		number = number.Shift(-2)
	}
	if number.IsNegative() {
		return 0, errors.New("below 0")
	}
	if number.GreaterThan(decimal.NewFromInt(1)) {
		if !percent {
			return 0, errWantsPercent
		}
		return 0, errors.New("above 100%")
	}
	return Ratio(number.InexactFloat64()), nil
}

// String is the share in percent.
func (r Ratio) String() string {
	return strconv.FormatFloat(math.Round(float64(r)*1e8)/1e6, 'f', -1, 64) + "%"
}

// parseDecimal reads a number as it is written: no float and no exponent, thousands may be set apart.
func parseDecimal(text string) (decimal.Decimal, error) {
	if len(text) > digitsMax || !decimalForm.MatchString(text) {
		return decimal.Zero, errors.New("not a number")
	}
	return decimal.NewFromString(strings.NewReplacer(",", "", "_", "").Replace(strings.TrimSpace(text)))
}

// GasPrice is what a unit of gas costs, in wei.
type GasPrice int64

const gwei GasPrice = 1e9

// gasMax is far above any price that was ever paid, and far from where a product with a block's gas overflows.
const gasMax = 1_000_000 * gwei

// ParseGasPrice reads 300 gwei and 0.05 gwei.
func ParseGasPrice(text string) (GasPrice, error) {
	m := gasForm.FindStringSubmatch(text)
	if m == nil || len(text) > digitsMax {
		return 0, errors.New("not a price of gas such as 300 gwei")
	}
	number, err := decimal.NewFromString(m[1])
	if err != nil {
		return 0, err
	}
	wei := number.Shift(9)
	if !wei.IsPositive() || wei.GreaterThan(decimal.NewFromInt(int64(gasMax))) {
		return 0, errors.New("not a price that gas can have")
	}
	return GasPrice(wei.IntPart()), nil
}

// String is the price as an owner writes it.
func (g GasPrice) String() string { return decimal.New(int64(g), -9).String() + " gwei" }

// MarshalText makes a price readable in everything that is JSON.
func (g GasPrice) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (g *GasPrice) UnmarshalText(text []byte) (err error) {
	*g, err = ParseGasPrice(string(text))
	return err
}

// parseMoney reads 5000, $5,000 and 5000 USD. The currency is "" when none is written.
func parseMoney(text string) (amount decimal.Decimal, currency string, err error) {
	if len(text) > digitsMax || !moneyForm.MatchString(text) {
		return decimal.Zero, "", errors.New("not an amount")
	}
	currency = strings.TrimSpace(codeForm.FindString(text))
	number := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), currency))
	if dollars, is := strings.CutPrefix(number, "$"); is {
		if currency != "" && currency != "USD" {
			return decimal.Zero, "", errors.New("an amount in two currencies")
		}
		number, currency = dollars, "USD"
	}
	amount, err = parseDecimal(number)
	return amount, currency, err
}
