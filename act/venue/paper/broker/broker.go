// Package broker is the paper broker as a server: the simulated account of package paper behind the trading and
// market-data API of Alpaca, so that Alpaca's own SDKs, and our client for it, take it for the real thing.
//
// A [Broker] is an http.Handler. Orders of every type and class, their replacement, positions, account, calendar, clock,
// activities, trade updates by SSE and WebSocket, and the stock quotes, trades, bars and snapshots answer in Alpaca's
// shapes, with its error codes. Prices come from a table of last known closes, from a history that is played as time
// passes, or from whoever calls [Broker.Show]. Under /lifeboat/, a prefix that Alpaca does not have, the world can be
// changed: prices, time, halts, and faults such as lost answers, outages and wrong balances; see control.go.
//
// With a data directory every order is written to a ledger before it is answered, so that a killed process loses none;
// the disk is told to keep it ten times a second, so that a power cut may lose what was acknowledged in the last tenth
// of a second. Halts, moved prices and faults end with the process.
//
// It is a cash account: no margin, no short sales, no options, no crypto, no multi-leg orders, no dividends, no fees.
// The answer to a new order says that it was taken (pending_new), as Alpaca's does, even where it has already filled.
// A replaced order's remainder is a new order of that size. Events are kept for the last 10,000 changes.
package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
	"lifeboat/session"
)

// Options of a broker with one account. The zero value is a working one, except for the clock.
type Options struct {
	Clock    lifeboat.Clock
	Start    time.Time         // the broker's own time when it opens; the clock's when zero
	Cash     decimal.Decimal   // at the opening of the account; 100,000 when zero
	Holdings []Holding         // at the opening of the account
	Calendar *session.Calendar // NYSE when nil; session.AllDay() for a market that never closes
	// Prices that are quoted until something else moves them; the built-in table when nil, none when empty.
	Prices []Price
	// Tape is a history; each instant is shown when the broker's time reaches it.
	Tape []lifeboat.Instant
	Data string            // directory of the ledger; memory only when ""
	Keys map[string]string // :: key id → secret; every key is accepted when empty
	// RequestsPerMinute above which a key is told to wait, as Alpaca does at 200; no limit when 0.
	RequestsPerMinute int
	Participation     float64       // see paper.Config
	Fresh             time.Duration // how old a quote may be for an order to fill at once; a minute when 0
	Index             string        // whose fall trips the market-wide breaker; with the built-in table SPY when "", else none
	Log               *slog.Logger  // nothing is logged when nil
}

// Holding is a position that the account opens with.
type Holding struct {
	Symbol          string
	Quantity, Price decimal.Decimal // Price is what was paid for one
}

// Broker is the server. It is safe for concurrent use.
type Broker struct {
	cfg     Options
	account string // its UUID
	opened  time.Time
	core    *paper.Venue
	ledger  *paper.File // nil in memory
	unlock  io.Closer
	routes  *http.ServeMux
	log     *updates
	bars    *bars
	taped   *feed
	done    chan struct{} // closed when streams have to end

	time   clockwork
	faults breakage
	calls  requests

	ended    sync.Once
	mu       sync.Mutex // guards the settings
	settings configuration
}

// accountName is the only account; on the wire it has a UUID.
const accountName = "paper"

// New opens the account, with all that its ledger says, and is ready to serve. Call Run as well where time passes by
// itself.
func New(o Options) (*Broker, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("open paper broker: %w", err)
	}
	b := &Broker{cfg: o, account: paper.UUID("account", accountName), log: newUpdates(), bars: newBars(o.Calendar), taped: newFeed(), done: make(chan struct{}), settings: usualConfiguration()}
	b.log.opened = o.Clock.Now()
	cfg := paper.Config{
		Account: accountName, Currency: "USD", Calendar: func(string) *session.Calendar { return o.Calendar }, Decimals: 9,
		Participation: o.Participation, Fresh: o.Fresh, Index: o.Index, Tell: b.log.tell, Paid: map[string]decimal.Decimal{},
		HalfSpread: halfSpread, Usual: usual(o.Prices),
		Positions: []lifeboat.Position{{Account: accountName, Symbol: "USD", Quantity: o.Cash}},
	}
	for _, h := range o.Holdings {
		cfg.Positions = append(cfg.Positions, lifeboat.Position{Account: accountName, Symbol: h.Symbol, Quantity: h.Quantity})
		cfg.Paid[h.Symbol] = h.Price
		b.log.held[h.Symbol] = h.Quantity
	}
	if err := b.openData(&cfg); err != nil {
		return nil, err
	}
	var err error
	if b.core, err = paper.New(cfg); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	if err := b.begin(); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.routes = b.route()
	return b, nil
}

func (o *Options) complete() error {
	switch {
	case o.Clock == nil:
		return errors.New("it needs a clock")
	case o.Cash.IsNegative():
		return fmt.Errorf("an account cannot open with %s", o.Cash)
	case o.RequestsPerMinute < 0:
		return fmt.Errorf("%d requests a minute cannot be meant", o.RequestsPerMinute)
	}
	if o.Cash.IsZero() {
		o.Cash = decimal.NewFromInt(100_000)
	}
	if o.Calendar == nil {
		o.Calendar = session.NYSE()
	}
	if o.Prices == nil {
		o.Prices = LastKnown()
		if o.Index == "" {
			o.Index = "SPY"
		}
	}
	if o.Fresh == 0 {
		o.Fresh = time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// ledgerFile is the name of the ledger in the data directory.
const ledgerFile = "orders.jsonl"

func (b *Broker) openData(cfg *paper.Config) error {
	if b.cfg.Data == "" {
		return nil
	}
	if err := b.claimData(); err != nil {
		return err
	}
	ledger, err := paper.FileLedger(filepath.Join(b.cfg.Data, ledgerFile))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	ledger.SyncLater()
	b.ledger, cfg.Ledger = ledger, ledger
	return b.keepOpening(cfg)
}

// tick is how often the broker looks at the time when nobody asks it for anything.
const (
	tick      = time.Second
	syncEvery = 100 * time.Millisecond
)

// Run lets time pass until ctx ends: the history is played on, orders expire, and the ledger is kept on disk.
func (b *Broker) Run(ctx context.Context) error {
	var last time.Time
	for {
		now := b.cfg.Clock.Now()
		if err := b.cfg.Clock.Sleep(ctx, now.Add(syncEvery)); err != nil {
			return b.Sync()
		}
		if err := b.Sync(); err != nil {
			return err
		}
		if now.Sub(last) < tick {
			continue
		}
		last = now
		if err := b.Pass(); err != nil {
			return err
		}
	}
}

// Sync waits until all that was acknowledged is on disk.
func (b *Broker) Sync() error {
	if b.ledger == nil {
		return nil
	}
	return b.ledger.Flush()
}

// EndStreams sends everybody away who streams. No stream is served afterwards.
func (b *Broker) EndStreams() { b.ended.Do(func() { close(b.done) }) }

// Open reports whether the market is open now.
func (b *Broker) Open() bool { return b.cfg.Calendar.IsOpen(b.Now()) }

// Close ends the streams and the use of the data directory.
func (b *Broker) Close() error {
	var errs []error
	b.EndStreams()
	if b.ledger != nil {
		errs = append(errs, b.ledger.Flush(), b.ledger.Close())
	}
	if b.unlock != nil {
		errs = append(errs, b.unlock.Close())
	}
	b.ledger, b.unlock = nil, nil
	return errors.Join(errs...)
}

// Core is the account behind the server.
func (b *Broker) Core() *paper.Venue { return b.core }
