package report_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/backtest"
	"lifeboat/backtest/report"
	"lifeboat/plan"
	"lifeboat/session"
	"lifeboat/watch/history"
)

const (
	walks     = 20
	yearsLong = 5
)

// storeOfWalks imports minutes of random walks, a month at a time, as an owner would.
func storeOfWalks(b *testing.B, months int) (s *history.Store, values int) {
	b.Helper()
	s, err := history.Create(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(17, 19))
	var price [walks]float64
	for i := range price {
		price[i] = 100 + float64(i)
	}
	var text bytes.Buffer
	for month := range months {
		text.Reset()
		text.WriteString("time")
		for i := range walks {
			fmt.Fprintf(&text, ",S%02d", i)
		}
		first := time.Date(2019, time.Month(1+month), 1, 0, 1, 0, 0, time.UTC)
		line := make([]byte, 0, 512)
		for at := first; at.Before(first.AddDate(0, 1, 0)); at = at.Add(time.Minute) {
			line = strconv.AppendInt(append(line[:0], '\n'), at.UnixMilli(), 10)
			for i := range price {
				price[i] *= math.Exp(0.0005 * r.NormFloat64())
				line = strconv.AppendFloat(append(line, ','), price[i], 'f', 4, 64)
			}
			text.Write(line)
			values += walks
		}
		if _, err := s.Import(context.Background(), fmt.Sprintf("walks-%03d.csv", month), bytes.NewReader(text.Bytes()), history.Options{Calendar: session.AllDay(), Adjusted: "raw"}); err != nil {
			b.Fatal(err)
		}
	}
	return s, values
}

// hundredRules are five on each of twenty things held.
func hundredRules() *plan.Plan {
	p := &plan.Plan{Portfolio: plan.Portfolio{Name: "Walks", BaseCurrency: "USD", Calendar: "24/7"}, Accounts: []plan.Account{{Name: "desk", Kind: "exchange", Venue: "paper"}}}
	for i := range walks {
		name := fmt.Sprintf("S%02d", i)
		p.Holdings = append(p.Holdings, plan.Holding{Symbol: name, Account: "desk", Quantity: decimal.NewFromInt(1), Class: "crypto"})
		for n, rule := range []string{"%[1]s / max(%[1]s, 365d) <= 0.6", "%[1]s < ma(%[1]s, 200d) AND return(%[1]s, 5d) < -15%%", "return(%[1]s, 1d) < -8%%", "zscore(%[1]s, 20d) < -4", "quantile(%[1]s, 5%%, 30d) / %[1]s > 1.1"} {
			p.Triggers = append(p.Triggers, plan.Trigger{Name: fmt.Sprintf("%s %d", name, n), Tier: lifeboat.Watch, Condition: fmt.Sprintf(rule, name), ClearFor: plan.Duration(24 * time.Hour)})
		}
	}
	return p
}

// Five years of minutes of twenty series, 52.6 million values, and a hundred rules: from the Parquet files on disk to the
// report. The import is not part of the time.
func BenchmarkFromParquetToReport(b *testing.B) {
	months := 12 * yearsLong
	if n, err := strconv.Atoi(os.Getenv("LIFEBOAT_BENCH_MONTHS")); err == nil {
		months = n
	}
	s, values := storeOfWalks(b, months)
	p := hundredRules()
	for b.Loop() {
		var before, after syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		start := time.Now()
		scene, err := backtest.SceneOfStore(context.Background(), p, s, time.Time{}, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		result, err := backtest.Run(context.Background(), backtest.Options{Plan: p, Scenes: []backtest.Scene{scene}})
		if err != nil {
			b.Fatal(err)
		}
		if err := report.HTML(io.Discard, result); err != nil {
			b.Fatal(err)
		}
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		used := time.Duration(after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano())
		b.ReportMetric(time.Since(start).Seconds(), "s-wall")
		b.ReportMetric(used.Seconds(), "s-cpu")
		b.ReportMetric(float64(values)/1e6, "M-ticks")
	}
}
