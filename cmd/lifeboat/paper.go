package main

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/app"
	"lifeboat/watch/feed/tape"
)

type paperOptions struct {
	listen, cash, history, from, data string
	alwaysOpen                        bool
	speed                             float64
}

func paperCommand() *cobra.Command {
	var o paperOptions
	c := &cobra.Command{
		Use: "paper", Short: "A broker to practise with, which speaks Alpaca's API", Args: arguments(0, 0),
		Long: `paper is a simulated broker: it speaks the trading and market-data API of
Alpaca, so that Alpaca's own SDKs and every program written for it work with it
when they are given its address instead. No order leaves this machine.

It takes any key and secret. Orders cost the spread and, where volume and
volatility are known, the impact of their size; they fill by a tenth of the
volume at most. It knows the sessions and holidays of New York, extended hours,
auctions, halts and the market-wide circuit breaker. It is a cash account: no
margin, no short sales, no options, no crypto.

Prices are the last known closes of usual ETFs and large companies, which are
old; or those of your own history with --history, which passes in real time, or
faster with --speed; or what a program tells it:

  curl -d '{"SPY": "600.10"}' http://127.0.0.1:7071/lifeboat/prices
  curl -d '{"to": "open"}' http://127.0.0.1:7071/lifeboat/time
  curl -d '{"symbol": "SPY", "phase": "halted"}' http://127.0.0.1:7071/lifeboat/phase
  curl -d '{"throttle": 3}' http://127.0.0.1:7071/lifeboat/faults

The last of these makes it fail as a broker does: latency, outage, fail,
throttle, lose_request, lose_answer, cut_answer, page, stale_quotes, cash_off.

With --data what was ordered survives the end of the process, kill -9 included;
a power cut may lose what was acknowledged in its last tenth of a second.`,
		RunE: func(c *cobra.Command, _ []string) error {
			options, err := o.read(c)
			if err != nil {
				return err
			}
			options.Clock, options.Log = lifeboat.WallClock{}, slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			p, err := app.NewPaper(options)
			if err != nil {
				return err
			}
			at, open := p.Now()
			market := "closed"
			if open {
				market = "open"
			}
			fmt.Fprintf(c.OutOrStdout(), "paper broker on http://%s, where it is %s and the market is %s; point an SDK at it with APCA_API_BASE_URL=http://%[1]s APCA_API_DATA_URL=http://%[1]s, any key and secret\n",
				p.Address(), at.UTC().Format(time.RFC3339), market)
			return p.Run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:7071", "`ADDRESS` to serve on; loopback only")
	f.StringVar(&o.cash, "cash", "100000", "`DOLLARS` that a new account opens with")
	f.BoolVar(&o.alwaysOpen, "always-open", false, "the market never closes")
	f.StringVar(&o.history, "history", "", "`FILE` of prices to play, as for drill run")
	f.StringVar(&o.from, "from", "", "`DATE` in the history to begin at; its first when absent")
	f.Float64Var(&o.speed, "speed", 1, "seconds of the history that pass in one, as a `FACTOR`")
	f.StringVar(&o.data, "data", "", "`DIR` that keeps the account; it ends with the process when absent")
	return c
}

// read makes sense of the flags.
func (o paperOptions) read(c *cobra.Command) (app.PaperOptions, error) {
	options := app.PaperOptions{Listen: o.listen, AlwaysOpen: o.alwaysOpen, Speed: o.speed, Data: o.data}
	var err error
	if options.Cash, err = decimal.NewFromString(o.cash); err != nil || !options.Cash.IsPositive() || len(o.cash) > 30 {
		return options, usage(c, fmt.Sprintf("--cash %q is not an amount of dollars, such as 25000", o.cash))
	}
	if !(o.speed > 0 && o.speed <= 1e6) || math.IsNaN(o.speed) {
		return options, usage(c, fmt.Sprintf("--speed %v is not a factor from above 0 to a million", o.speed))
	}
	if o.history == "" {
		if o.from != "" || o.speed != 1 {
			return options, usage(c, "--from and --speed need a --history")
		}
		return options, nil
	}
	if o.from != "" {
		if options.From, err = time.Parse(time.DateOnly, o.from); err != nil {
			return options, usage(c, fmt.Sprintf("--from %q is not a date such as 2020-02-19", o.from))
		}
	}
	options.History, err = readTape(o.history, tape.Options{})
	return options, err
}
