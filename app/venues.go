package app

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/act/venue"
	"lifeboat/act/venue/courier"
	"lifeboat/act/venue/paper"
	"lifeboat/plan"
	"lifeboat/serve/api"
)

// Modes of a daemon, as its journal names them.
const (
	live    = "live"
	sandbox = "sandbox"
)

func (d *Daemon) mode() string {
	if d.Sandbox {
		return sandbox
	}
	return live
}

// venuesOf the accounts of a plan that lie at real venues.
func venuesOf(p *plan.Plan) map[string]string {
	venues := map[string]string{}
	for _, a := range p.Accounts {
		if a.Remote() {
			venues[a.Name] = a.Venue
		}
	}
	return venues
}

// sameVenues refuses to look for an order at another venue than the one it was sent to: there it would be absent, and go
// out a second time. For the same reason a rehearsal is never continued for real.
func (d *Daemon) sameVenues() error {
	if d.record.Entries == 0 {
		return nil
	}
	if was := d.record.Plan.Mode; was != d.mode() && was != "" {
		return &lifeboat.Problem{Reason: "mode-changed", What: fmt.Sprintf("the data directory is that of a %s lifeboat, and this one would be %s", was, d.mode()),
			Money: "nothing was sent", Next: "use another --data directory"}
	}
	if d.Sandbox {
		return nil
	}
	now := venuesOf(d.DaemonOptions.Plan)
	for _, o := range d.record.Orders {
		if was := d.record.Plan.Venues[o.Account]; !o.Receipt.Status.Final() && was != now[o.Account] {
			return &lifeboat.Problem{Reason: "venue-changed",
				What:  fmt.Sprintf("the plan now has the account %s at another venue, and the order %s is open at the old one (%s)", o.Account, o.ID, spell(was)),
				Money: "nothing was sent; the order is where it was", Next: "start with the plan as it was until the order has ended, or cancel it there"}
		}
	}
	return nil
}

func spell(venue string) string {
	if venue == "" {
		return "paper"
	}
	return venue
}

// accounts that the plan lets lifeboat trade in, and those that it no longer does while orders are open there: somebody
// must be able to ask after them and to cancel them. New ones are not placed, which is the desk's to refuse.
func (d *Daemon) accounts() []string {
	var names []string
	for _, account := range d.DaemonOptions.Plan.Accounts {
		if d.DaemonOptions.Plan.Tradable(account.Name) {
			names = append(names, account.Name)
		}
	}
	for _, o := range d.record.Orders {
		if !o.Receipt.Status.Final() && !slices.Contains(names, o.Account) {
			names = append(names, o.Account)
		}
	}
	return names
}

// openVenues opens the venue of each account: the real one that the plan names, or else a simulated broker.
func (d *Daemon) openVenues() (*venue.Desk, error) {
	traders := map[string]venue.Venue{}
	for _, name := range d.accounts() {
		account, known := d.DaemonOptions.Plan.Account(name)
		var err error
		if known && account.Remote() && !d.Sandbox {
			traders[name], err = d.openRemote(account)
		} else {
			traders[name], err = d.openPaper(name)
		}
		if err != nil {
			return nil, err
		}
	}
	desk := venue.NewDesk(traders, nil)
	d.employ(desk)
	return desk, nil
}

// commandsOf a plan that may run here.
func commandsOf(p *plan.Plan, allowed []string) func(name string) ([]string, error) {
	return func(name string) ([]string, error) {
		for _, c := range p.Commands {
			if c.Name == name && slices.Contains(allowed, name) {
				return c.Run, nil
			}
		}
		return nil, fmt.Errorf("the command %s is not allowed here: it has to stand in the plan, and be named with --allow-exec", name)
	}
}

func (d *Daemon) openRemote(a plan.Account) (venue.Venue, error) {
	v, name, err := Connect(context.Background(), d.DaemonOptions.Plan, a, d.vault(), d.Clock, d.Log)
	if err != nil {
		return nil, err
	}
	c := courier.New(courier.Options{Venue: v, Account: a.Name, Name: name, Clock: d.Clock, Every: time.Duration(a.Connect.Every),
		Fence: func() error { return d.store.Fence() }, Wake: d.wake})
	d.couriers = append(d.couriers, c)
	return c, nil
}

// openPaper opens a simulated account with a ledger of its own.
func (d *Daemon) openPaper(account string) (venue.Venue, error) {
	calendars, err := newCalendars(d.DaemonOptions.Plan, nil, nil)
	if err != nil {
		return nil, err
	}
	ledger, err := paper.FileLedger(filepath.Join(d.DataDir, "paper-"+url.PathEscape(account)+".jsonl"))
	if err != nil {
		return nil, fmt.Errorf("open the ledger of the paper account %s: %w", account, err)
	}
	d.ledgers = append(d.ledgers, ledger)
	config := PaperAccount(d.DaemonOptions.Plan, account, calendars.of)
	config.Fresh, config.Ledger = quoteFresh, ledger
	v, err := paper.New(config)
	if err != nil {
		return nil, fmt.Errorf("open the paper account %s: %w", account, err)
	}
	d.venues = append(d.venues, v)
	return v, nil
}

// quoteFresh is how old a quote may be for the paper broker to fill a market order on it at once.
const quoteFresh = 5 * time.Minute

// catchUp takes in what the couriers brought: statements that say something new, then whatever else they heard.
func (d *Daemon) catchUp(ctx context.Context) error {
	for _, c := range d.couriers {
		s, ok := c.Statement()
		if !ok || !d.worthWriting(s, d.restateAfter()) {
			continue
		}
		if err := d.Flow.Learn(ctx, d.now(), s); err != nil {
			return err
		}
	}
	if err := d.learnOfChains(ctx); err != nil {
		return err
	}
	return d.Flow.Advance(ctx, d.now())
}

// tellVenues puts the ways to real venues on the status page.
func (d *Daemon) tellVenues(s *api.Status) {
	for _, c := range d.couriers {
		h := c.Health()
		last, _ := d.Audit.Statement(h.Account)
		s.Venues = append(s.Venues, api.Venue{Account: h.Account, Venue: h.Venue, LastOK: knownTime(h.LastOK), Stated: knownTime(last.At),
			Problem: h.Problem, Since: knownTime(h.Since), Blocked: last.Blocked})
	}
}

// knownTime is a time, or nil where there is none.
func knownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// restateAfter is how old the last statement in the journal may be before one that says the same is written again: half of
// what an order's pre-flight takes for fresh, and no more than two minutes.
func (d *Daemon) restateAfter() time.Duration {
	return min(time.Duration(d.DaemonOptions.Plan.LimitRules().StatementAge)/2, 2*time.Minute)
}

// heardAfter is how long ago an account may have been heard of before a statement is written that says the same of the same moment,
// as a chain whose next block is awaited does: well before its silence would be told.
const heardAfter = 5 * time.Minute

// worthWriting reports a statement that says something else than the last one, but for prices, or that is due, or that an act of
// lifeboat's own has to be held against.
func (d *Daemon) worthWriting(s lifeboat.Statement, after time.Duration) bool {
	last, known := d.Audit.Statement(s.Account)
	return !known || s.At.Sub(last.At) >= after || !alike(last, s) || d.now().Sub(d.Audit.Heard(s.Account)) >= heardAfter || d.Audit.Awaits(s)
}

// alike leaves out what moves all the time.
func alike(a, b lifeboat.Statement) bool {
	lines := slices.EqualFunc(a.Lines, b.Lines, lifeboat.StatementLine.Alike)
	placed := slices.EqualFunc(a.Placed, b.Placed, func(x, y lifeboat.Receipt) bool {
		return x.Key == y.Key && x.Status == y.Status && x.Filled.Equal(y.Filled)
	})
	foreign := slices.EqualFunc(a.Foreign, b.Foreign, func(x, y lifeboat.ForeignOrder) bool {
		return x.Symbol == y.Symbol && x.Side == y.Side && x.Quantity.Equal(y.Quantity) && x.Limit.Equal(y.Limit)
	})
	open := func(s lifeboat.Statement) bool { return s.Market == nil || s.Market.Open }
	barred := len(a.Barred) == len(b.Barred)
	for symbol, why := range a.Barred {
		barred = barred && b.Barred[symbol] == why
	}
	return lines && placed && foreign && barred && open(a) == open(b) && a.Blocked == b.Blocked
}
