package tape

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"lifeboat/session"
)

// BenchmarkRead reads twenty years of daily bars of ten series, 250,000 values.
func BenchmarkRead(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("date")
	for s := range 10 {
		for _, bar := range barColumns {
			fmt.Fprintf(&text, ",S%d.%s", s, bar)
		}
	}
	rows := 0
	for s := session.NYSE().Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); s.Day.Year() < 2020; s = session.NYSE().Next(s.Open) {
		rows++
		fmt.Fprintf(&text, "\n%s", s.Day.Format(time.DateOnly))
		for n := range 10 {
			price := 100 + float64((rows*(n+7))%5000)/100
			fmt.Fprintf(&text, ",%.2f,%.2f,%.2f,%d,%.2f", price, price+1, price-1, 1_000_000+rows, price+0.5)
		}
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Read("bench.csv", bytes.NewReader(text.Bytes()), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
