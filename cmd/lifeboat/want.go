package main

import (
	"fmt"
	"time"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

func tierCommand() *cobra.Command {
	return saying(&cobra.Command{Use: "tier 1|2|3|0", Short: "Raise or lower the tier of the open incident; 0 closes it", Args: arguments(1, 1),
		Long: `tier moves the open incident to another tier by a person's word. The plan says
who may (authority: raise and lower); where it wants several persons, each of
them says so, within an hour. 0 closes the incident when nothing of it goes on.`}, lifeboat.MoveTier, "the incident at tier")
}

func releaseCommand() *cobra.Command {
	return saying(&cobra.Command{Use: "release ACCOUNT", Short: "Let orders go to an account whose venue knew more than the journal", Args: arguments(1, 1),
		Long: `After every start, restore and take-over lifeboat compares each account with its
venue before it sends anything there. When the venue has orders under lifeboat's
keys that the journal does not know, part of the journal was lost, and what is
still to be done must be judged by a person: lifeboat log lists what was
found. release says that somebody looked and that orders may go again.`}, lifeboat.ReleaseAccount, "to release")
}

func ackCommand() *cobra.Command {
	return saying(&cobra.Command{Use: "ack KEY", Short: "Acknowledge a message: you have it, and nobody else need be called", Args: arguments(1, 1)},
		lifeboat.Acknowledge, "to acknowledge")
}

func silenceCommand() *cobra.Command {
	return saying(&cobra.Command{Use: "silence SPAN", Short: "Hear nothing below tier 3 for a while, such as 2h", Args: arguments(1, 1)}, lifeboat.KeepSilent, "silence for")
}

func revokeCommand() *cobra.Command {
	return saying(&cobra.Command{Use: "revoke ID", Short: "Take back what was approved in advance", Args: arguments(1, 1)}, lifeboat.RevokeAuthority, "to revoke")
}

func preauthoriseCommand() *cobra.Command {
	s := &speaker{}
	var account, price string
	var valid string
	c := &cobra.Command{
		Use: "preauthorise buy|sell QUANTITY SYMBOL", Short: "Approve one bounded order in advance", Args: arguments(3, 3),
		Long: `preauthorise lets one approval of a playbook pass without a question, when every
order of it stays within such a bound: this account, this symbol, this side, no
more than this quantity, and a limit price no worse than --price. An order at
the market has no limit price, so only a bound without --price covers it. It is
used once, ends by itself after --valid, and lifeboat revoke takes it back.`,
		Example: "  lifeboat preauthorise sell 500 SPY --account broker --price 380 --valid 7d --as Ana --code 123456",
		RunE: func(c *cobra.Command, args []string) error {
			bound, err := boundOf(c, args, account, price, valid)
			if err != nil {
				return err
			}
			noted, err := s.want(c, api.Wanting{Verb: lifeboat.Preauthorise, Bound: bound})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s approved in advance: %s %s %s in %s until %s; take it back with lifeboat revoke %s\n",
				s.as, bound.Side, bound.Quantity, bound.Symbol, bound.Account, stamp(bound.Until), noted.ID)
			return nil
		},
	}
	s.flags(c)
	c.Flags().StringVar(&account, "account", "", "`NAME` of the account")
	c.Flags().StringVar(&price, "price", "", "`PRICE` below which a sale, above which a purchase is not covered; no bound when absent")
	c.Flags().StringVar(&valid, "valid", "24h", "`SPAN` after which it ends by itself")
	return c
}

func boundOf(c *cobra.Command, args []string, account, price, valid string) (*lifeboat.Bound, error) {
	quantity, err := decimal.NewFromString(args[1])
	if err != nil || !quantity.IsPositive() {
		return nil, usage(c, fmt.Sprintf("QUANTITY wants a number above zero, not %q", args[1]))
	}
	if args[0] != "buy" && args[0] != "sell" {
		return nil, usage(c, fmt.Sprintf("the side is buy or sell, not %q", args[0]))
	}
	if account == "" {
		return nil, usage(c, "say in which account with --account NAME")
	}
	span, err := plan.ParseDuration(valid)
	if err != nil {
		return nil, usage(c, fmt.Sprintf("--valid wants a span such as 24h or 7d, not %q", valid))
	}
	bound := &lifeboat.Bound{Account: account, Symbol: args[2], Side: lifeboat.Side(args[0]), Quantity: quantity,
		Until: lifeboat.WallClock{}.Now().Add(time.Duration(span)).Truncate(time.Second)}
	if price == "" {
		return bound, nil
	}
	if bound.Price, err = decimal.NewFromString(price); err != nil || !bound.Price.IsPositive() {
		return nil, usage(c, fmt.Sprintf("--price wants a number above zero, not %q", price))
	}
	return bound, nil
}
