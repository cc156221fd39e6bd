package broker

import (
	"fmt"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/session"
)

// clockwork is the broker's own time: the clock's, moved by as much as it was advanced.
type clockwork struct {
	mu      sync.Mutex
	offset  time.Duration
	reached time.Time // everything up to here has happened
	next    time.Time // when something happens again by itself
	tape    []lifeboat.Instant
	held    map[string]float64 // :: symbol → the price that stands until something moves it
	stale   bool               // nothing is quoted any more
}

// Now is the broker's time.
func (b *Broker) Now() time.Time {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	return b.now()
}

func (b *Broker) now() time.Time { return b.cfg.Clock.Now().Add(b.time.offset) }

// begin starts the broker's time: where it was told to, never before the last entry of its ledger. What the tape says of
// the past is shown first, and prices that stand are shown as the last close.
func (b *Broker) begin() error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	start := b.cfg.Start
	if start.IsZero() {
		start = b.cfg.Clock.Now()
	}
	if last := b.log.last(); last.After(start) {
		start = last
	}
	b.opened = start
	b.time.offset = start.Sub(b.cfg.Clock.Now())
	b.time.tape, b.time.held = b.cfg.Tape, map[string]float64{}
	in := lifeboat.Instant{At: lastClose(b.cfg.Calendar, start)}
	for _, p := range b.cfg.Prices {
		b.time.held[p.Symbol] = p.Last.InexactFloat64()
		in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(p.Symbol), Value: p.Last.InexactFloat64()})
	}
	if err := b.show(in); err != nil {
		return err
	}
	for len(b.time.tape) > 0 && !b.time.tape[0].At.After(start) {
		if err := b.show(b.time.tape[0]); err != nil {
			return err
		}
		b.time.tape = b.time.tape[1:]
	}
	b.time.reached = start
	b.due()
	return b.core.Pass(start) // what ended while nobody was here
}

// lastClose before a time; for a market that never closes a day ago.
func lastClose(c *session.Calendar, at time.Time) time.Time {
	s := c.Of(at)
	if !at.Before(s.Close) {
		return s.Close
	}
	return c.Of(s.Open.Add(-time.Nanosecond)).Close
}

// Pass lets happen what is due by now.
func (b *Broker) Pass() error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	if err := b.passTo(b.now()); err != nil {
		return err
	}
	return b.requote()
}

// requote shows the standing prices of symbols with open orders, which may have been waiting for one.
func (b *Broker) requote() error {
	in := lifeboat.Instant{At: b.now()}
	for _, symbol := range b.core.OpenSymbols() {
		if price, held := b.time.held[symbol]; held {
			in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(symbol), Value: price})
		}
	}
	if len(in.Readings) == 0 || b.time.stale {
		return nil
	}
	return b.core.Show(in)
}

// Advance moves the broker's time on; everything on the way happens in its order.
func (b *Broker) Advance(d time.Duration) error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	if d < 0 || d > advanceMax {
		return fmt.Errorf("advance the clock by %s: only up to %s forward", d, advanceMax)
	}
	b.time.offset += d
	return b.passTo(b.now())
}

// advanceMax bounds how many sessions one call has to play.
const advanceMax = 370 * 24 * time.Hour

// passTo plays the tape and the bells up to a time.
func (b *Broker) passTo(now time.Time) error {
	if now.Before(b.time.next) {
		return nil
	}
	for at, bell := b.nextEvent(); !at.After(now); at, bell = b.nextEvent() {
		if err := b.core.Pass(at.Add(-time.Nanosecond)); err != nil {
			return err
		}
		in := lifeboat.Instant{At: at}
		if len(b.time.tape) > 0 && b.time.tape[0].At.Equal(at) {
			in, b.time.tape = b.time.tape[0], b.time.tape[1:]
		}
		if err := b.show(in); err != nil {
			return err
		}
		if bell {
			if err := b.showHeld(at); err != nil {
				return err
			}
		}
		if err := b.core.Pass(at); err != nil {
			return err
		}
		b.time.reached = at
	}
	b.time.reached = now
	b.due()
	return b.core.Pass(now)
}

// nextEvent is when something happens after what has: a bell, or the next instant of the tape.
func (b *Broker) nextEvent() (at time.Time, bell bool) {
	c, from := b.cfg.Calendar, b.time.reached
	at = c.Next(from).Open
	if closes := c.Of(from).Close; closes.After(from) {
		at = closes
	}
	_, late := extended(c, c.Of(from))
	if bell = true; late.After(from) && late.Before(at) {
		at, bell = late, false // the end of the extended hours
	}
	if len(b.time.tape) > 0 {
		if next := b.time.tape[0].At; next.Before(at) {
			return next, false
		}
	}
	return at, bell
}

// due works out when passTo has something to do.
func (b *Broker) due() {
	b.time.next, _ = b.nextEvent()
}

// showHeld shows the prices that stand.
func (b *Broker) showHeld(at time.Time) error {
	in := lifeboat.Instant{At: at}
	for _, p := range b.cfg.Prices { // in the order of the table, so that a run repeats itself
		if price, held := b.time.held[p.Symbol]; held {
			in.Readings = append(in.Readings, lifeboat.Reading{Series: lifeboat.Series(p.Symbol), Value: price})
		}
	}
	return b.show(in)
}

// Show brings news of the market in, at the broker's own time when the instant has none. From now on the symbols it
// speaks of are quoted by nothing else.
func (b *Broker) Show(in lifeboat.Instant) error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	if err := b.step(); err != nil {
		return err
	}
	if in.At.IsZero() {
		in.At = b.now()
	}
	for _, r := range in.Readings {
		symbol, _ := r.Series.Column()
		delete(b.time.held, symbol)
	}
	return b.show(in)
}

// step lets a moment pass, so that news never comes at the very instant of an order that it should match: a quote of that
// instant is what the order came upon.
func (b *Broker) step() error {
	b.time.offset += time.Microsecond
	return b.passTo(b.now())
}

func (b *Broker) show(in lifeboat.Instant) error {
	if b.time.stale || len(in.Readings) == 0 {
		return nil
	}
	b.bars.see(in)
	if err := b.core.Show(in); err != nil {
		return err
	}
	b.taped.tell(in)
	return nil
}

// SetPrice moves a symbol to a price, which stands until something else moves it.
func (b *Broker) SetPrice(symbol string, price float64) error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	if err := b.step(); err != nil {
		return err
	}
	b.time.held[symbol] = price
	return b.show(lifeboat.Instant{At: b.now(), Readings: []lifeboat.Reading{{Series: lifeboat.Series(symbol), Value: price}}})
}

// Quote moves a symbol to a price at which at most size shares of the account's trade, and returns the broker's time. The
// size bounds what is placed afterwards at the same price too.
func (b *Broker) Quote(symbol, price string, size int) (time.Time, error) {
	value, err := decimalOf(price)
	if err != nil {
		return time.Time{}, err
	}
	if err := b.Advance(time.Second); err != nil {
		return time.Time{}, err
	}
	at := b.Now()
	return at, b.Show(lifeboat.Instant{At: at, Readings: []lifeboat.Reading{
		{Series: lifeboat.Series(symbol) + ".volume", Value: float64(size) / b.participation()},
		{Series: lifeboat.Series(symbol), Value: value.InexactFloat64()},
	}})
}

func (b *Broker) participation() float64 {
	if b.cfg.Participation == 0 {
		return 0.1
	}
	return b.cfg.Participation
}

// refreshAfter is how old a standing price may be before it is quoted anew.
const refreshAfter = time.Second

// refresh quotes a standing price anew for an order that comes now.
func (b *Broker) refresh(symbol string) error {
	b.time.mu.Lock()
	defer b.time.mu.Unlock()
	now := b.now()
	if err := b.passTo(now); err != nil {
		return err
	}
	price, held := b.time.held[symbol]
	m, known := b.core.Market(symbol)
	if !held || known && now.Sub(m.At) < refreshAfter {
		return nil
	}
	return b.show(lifeboat.Instant{At: now, Readings: []lifeboat.Reading{{Series: lifeboat.Series(symbol), Value: price}}})
}
