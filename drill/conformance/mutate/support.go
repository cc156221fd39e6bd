package mutate

import "fmt"

// Support is the file of helpers that belongs into every package with planted mistakes.
func Support(pkg string) []byte {
	return fmt.Appendf(nil, support, pkg, Variable)
}

const support = `package %s

import (
	"cmp"
	"os"
	"strconv"
	"time"

	"github.com/shopspring/decimal"
)

var mutantNumber = func() int {
	n, err := strconv.Atoi(os.Getenv(%q))
	if err != nil {
		return -1
	}
	return n
}()

func mutantIs(n int) bool            { return n == mutantNumber }
func mutantNot(n int, truth bool) bool { return truth != mutantIs(n) }

func mutantAnd(n int, left bool, right func() bool) bool {
	if mutantIs(n) {
		return left || right()
	}
	return left && right()
}

func mutantOr(n int, left bool, right func() bool) bool {
	if mutantIs(n) {
		return left && right()
	}
	return left || right()
}

func mutantZero[T any](n int, v T) T {
	var zero T
	if mutantIs(n) {
		return zero
	}
	return v
}

func mutantPick[T any](n int, v, other T) T {
	if mutantIs(n) {
		return other
	}
	return v
}

func mutantLess[T cmp.Ordered](n int, a, b T) bool    { return a < b || mutantIs(n) && a == b }
func mutantAtMost[T cmp.Ordered](n int, a, b T) bool  { return a < b || !mutantIs(n) && a == b }
func mutantMore[T cmp.Ordered](n int, a, b T) bool    { return a > b || mutantIs(n) && a == b }
func mutantAtLeast[T cmp.Ordered](n int, a, b T) bool { return a > b || !mutantIs(n) && a == b }

func mutantBefore(n int, a, b time.Time) bool { return a.Before(b) || mutantIs(n) && a.Equal(b) }
func mutantAfter(n int, a, b time.Time) bool  { return a.After(b) || mutantIs(n) && a.Equal(b) }

func mutantLessThan(n int, a, b decimal.Decimal) bool {
	return a.LessThan(b) || mutantIs(n) && a.Equal(b)
}

func mutantGreaterThan(n int, a, b decimal.Decimal) bool {
	return a.GreaterThan(b) || mutantIs(n) && a.Equal(b)
}
`
