package main

import (
	"math"
	"time"

	"github.com/shopspring/decimal"
)

// noteIndex is what 100 put into a ten-year Treasury note on the first session becomes, the note being exchanged for
// a new one at par every session. Over one session a note bought at par yields
//
//	price(coupon = yesterday's yield, yield = today's yield) − 1 + yesterday's yield × days ÷ 365
//
// where price is that of twenty half-yearly coupons per unit of face value. The day that the note has grown older is
// neglected: at a yield of 4 % it is worth less than a thousandth of a percent. A session on which bonds were not
// quoted keeps yesterday's yield and earns its days.
func noteIndex(sessions []string, yieldPercent map[string]decimal.Decimal) map[string]decimal.Decimal {
	index := map[string]decimal.Decimal{}
	worth, yesterday := 100.0, 0.0
	var last time.Time
	for i, session := range sessions {
		day, err := time.Parse(time.DateOnly, session)
		if err != nil {
			panic(err) // the sessions are our own stamps
		}
		today := yesterday
		if quoted, known := yieldPercent[session]; known {
			today = quoted.InexactFloat64() / 100
		}
		if i > 0 {
			days := day.Sub(last).Hours() / 24
			worth *= notePrice(yesterday, today) + yesterday*days/365
		}
		index[session] = decimal.NewFromFloat(worth)
		yesterday, last = today, day
	}
	return index
}

// notePrice of a ten-year note per unit of face value, with half-yearly coupons.
func notePrice(coupon, yield float64) float64 {
	const halves = 20
	if yield == 0 {
		return 1 + coupon/2*halves
	}
	last := math.Pow(1+yield/2, -halves)
	return coupon/yield*(1-last) + last
}
