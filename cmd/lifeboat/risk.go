package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/risk/sheet"
)

// riskOptions are the flags of risk.
type riskOptions struct {
	sheet.Options
	returns, prices string
	weights         []string
	tail, spread    float64
	asJSON          bool
}

func riskCommand() *cobra.Command {
	o := riskOptions{Options: sheet.Options{Notional: 1}}
	c := &cobra.Command{
		Use: "risk --returns FILE | --prices FILE", Short: "Measure the risk in a table of returns or prices", Args: arguments(0, 0),
		Long: `risk measures a portfolio from a table: value at risk and expected shortfall in
several ways, which asset they come from, drawdowns, volatility, the comparison
with a benchmark, and the tail beyond a loss that you name.

The table is CSV, plain or gzip: a date column, the oldest row first, then one
column per asset. A return is a fraction of its row: 3 % is 0.03. Prices become
returns from row to row. A missing cell, a price that is not above zero or a row
out of order is refused with file, line and column; a row without any value is a
holiday and is left out.

  lifeboat risk --prices prices.csv --weights SPY=0.6,TLT=0.4
  lifeboat risk --returns monthly.csv --periods 12 --benchmark SP500 --rf TBILL --json

Without --weights every asset is held alike. Columns that --benchmark and --rf
name are no assets. Losses are positive fractions. docs/risk.md has the formula,
the convention and the source of each figure.`,
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := o.measure(c)
			if err != nil {
				return err
			}
			for _, warning := range report.Warnings {
				fmt.Fprintln(c.ErrOrStderr(), "lifeboat: warning:", warning)
			}
			if o.asJSON {
				return writeJSON(c, report)
			}
			return sheet.Text(c.OutOrStdout(), report)
		},
	}
	f := c.Flags()
	f.StringVar(&o.returns, "returns", "", "CSV `FILE` of returns")
	f.StringVar(&o.prices, "prices", "", "CSV `FILE` of prices")
	f.StringSliceVar(&o.weights, "weights", nil, "what is held, as `ASSET=FRACTION,…`; equal when absent")
	f.Float64SliceVar(&o.Confidence, "confidence", []float64{0.95, 0.99}, "`LEVELS` of VaR and ES; components are at the first")
	f.Float64Var(&o.Lambda, "lambda", 0.94, "decay `FRACTION` of the EWMA volatility; 0.97 is usual for months")
	f.Float64Var(&o.Least, "mar", 0, "least acceptable `RETURN` of a row, for the downside deviation")
	f.Float64Var(&o.Periods, "periods", 252, "`NUMBER` of rows in a year")
	f.StringVar(&o.Benchmark, "benchmark", "", "`COLUMN` to compare with")
	f.StringVar(&o.RF, "rf", "", "`COLUMN` of the riskless return of each row")
	f.Float64Var(&o.tail, "tail-threshold", 0, "`LOSS` of a row from which a tail is fitted, such as 0.03")
	f.Float64Var(&o.spread, "spread", 0, "`FRACTION` between bid and ask, for what getting out costs")
	f.Float64Var(&o.Notional, "notional", 1, "`AMOUNT` that the portfolio is worth, for --spread")
	f.IntVar(&o.Draws, "draws", 100_000, "`NUMBER` of simulated rows")
	f.Uint64Var(&o.Seed, "seed", 1, "`NUMBER` that decides what is drawn")
	f.BoolVar(&o.asJSON, "json", false, "print one JSON object on stdout")
	return c
}

func (o *riskOptions) measure(c *cobra.Command) (*sheet.Report, error) {
	if (o.returns == "") == (o.prices == "") {
		return nil, usage(c, "risk needs either --returns FILE or --prices FILE")
	}
	if c.Flags().Changed("tail-threshold") {
		o.TailThreshold = &o.tail
	}
	if c.Flags().Changed("spread") {
		o.Spread = &o.spread
	}
	var err error
	if o.Weights, err = weightsOf(c, o.weights); err != nil {
		return nil, err
	}
	name, kind := o.returns, sheet.Returns
	if o.prices != "" {
		name, kind = o.prices, sheet.Prices
	}
	table, err := readTable(name, kind)
	if err != nil {
		return nil, err
	}
	return sheet.Measure(table, o.Options)
}

// weightsOf reads a=0.3,b=0.7. A name may hold an equals sign, because a column may.
func weightsOf(c *cobra.Command, given []string) ([]sheet.Weight, error) {
	var weights []sheet.Weight
	for _, part := range given {
		cut := strings.LastIndex(part, "=")
		if cut < 1 {
			return nil, usage(c, fmt.Sprintf("--weights %q is not of the form SPY=0.6", part))
		}
		fraction, err := strconv.ParseFloat(strings.TrimSpace(part[cut+1:]), 64)
		if err != nil || fraction-fraction != 0 { // which only a number that is not finite does
			return nil, usage(c, fmt.Sprintf("--weights %q does not end in a number; write 60 %% as 0.6", part))
		}
		weights = append(weights, sheet.Weight{Asset: strings.TrimSpace(part[:cut]), Fraction: fraction})
	}
	return weights, nil
}

func readTable(name string, kind sheet.Kind) (*sheet.Table, error) {
	const next = "give the path of a CSV file"
	f, err := os.Open(name)
	if err != nil {
		return nil, notFound(fmt.Sprintf("the table %s cannot be opened: %v", name, reasonOf(err)), next)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, notFound(fmt.Sprintf("the table %s is a directory", name), next)
	}
	return sheet.Read(filepath.Base(name), f, kind)
}
