package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/act/venue/paper/broker"
	"lifeboat/session"
	"lifeboat/watch/feed/tape"
)

// PaperOptions of a paper broker as a server of its own.
type PaperOptions struct {
	Listen     string
	Cash       decimal.Decimal
	AlwaysOpen bool
	History    *tape.Tape // nil quotes the last known closes
	From       time.Time  // where in the history it begins; at its beginning when zero
	Speed      float64    // seconds that pass at the broker in one; 1 when 0
	Data       string     // directory; memory only when ""
	Clock      lifeboat.Clock
	Log        *slog.Logger
}

// Paper is a paper broker that listens.
type Paper struct {
	broker   *broker.Broker
	listener net.Listener
}

// NewPaper opens the broker and its address.
func NewPaper(o PaperOptions) (*Paper, error) {
	listener, err := listen(o.Listen)
	if err != nil {
		return nil, err
	}
	cfg := broker.Options{Clock: o.Clock, Cash: o.Cash, Data: o.Data, Log: o.Log}
	if o.AlwaysOpen {
		cfg.Calendar = session.AllDay()
	}
	if o.History != nil {
		cfg.Prices, cfg.Tape, cfg.Start, cfg.Index = []broker.Price{}, o.History.Instants, o.From, "SPY"
		if cfg.Start.IsZero() && len(cfg.Tape) > 0 {
			cfg.Start = cfg.Tape[0].At
		}
	}
	if o.Speed > 0 && o.Speed != 1 {
		cfg.Clock = &fastClock{real: o.Clock, from: o.Clock.Now(), speed: o.Speed}
	}
	b, err := broker.New(cfg)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return &Paper{b, listener}, nil
}

// Address that it listens on.
func (p *Paper) Address() string { return p.listener.Addr().String() }

// Now is the broker's time, and whether its market is open then.
func (p *Paper) Now() (at time.Time, open bool) { return p.broker.Now(), p.broker.Open() }

// Run serves until ctx ends.
func (p *Paper) Run(ctx context.Context) error {
	// It takes any key, so a web page of elsewhere must not get through the owner's browser.
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(p.broker), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return served(server.Serve(p.listener)) })
	group.Go(func() error { return p.broker.Run(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		p.broker.EndStreams() // they would keep the server from stopping
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(last)
	})
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if closed := p.broker.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close paper broker: %w", closed))
	}
	return err
}

// fastClock lets a history pass faster than it did.
type fastClock struct {
	real  lifeboat.Clock
	from  time.Time
	speed float64
}

func (f *fastClock) Now() time.Time {
	return f.from.Add(time.Duration(float64(f.real.Now().Sub(f.from)) * f.speed))
}

func (f *fastClock) Sleep(ctx context.Context, until time.Time) error {
	return f.real.Sleep(ctx, f.from.Add(time.Duration(float64(until.Sub(f.from))/f.speed)))
}
