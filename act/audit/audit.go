// Package audit holds the book against what custodians say. A [lifeboat.Statement] is evidence; when two of them, taken at
// least a minute apart while nothing was being traded, agree with each other and not with the book, the book follows
// ([lifeboat.Restated]) and the owner is told what differed.
//
// One statement alone moves nothing: brokers do answer with empty accounts on a bad night. What comes or goes this way is
// neither gain nor loss to the signals, as with what the owner registers, so a wrong statement sets off no trigger; but the
// owner reads at once that something is gone. The owner is also told when an account's custodian has not been heard of for a
// quarter of an hour: what cannot be reached cannot be left. Custodians are venues, and chains on which an account lies.
//
// What accrues, such as a loan, says another number each time. The book follows its interest without a word to anybody; what
// shrank, or grew faster than interest, is told like anything else ([lifeboat.StatementLine.Grew]). Nor is anybody told what the trades of
// others make of a share of a pool; a share that is another one is told, however little it differs.
//
// What lifeboat's own acts have moved, exits on chains and withdrawals, their receipts say ([lifeboat.Move]). It is taken off the
// difference, whichever of the two comes first, and only what it does not explain is told, in both directions
// (docs/decisions/0026-own-acts.md).
//
// It asks nobody and places nothing. What lies in accounts without a statement is the owner's word.
package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/plan"
)

const (
	apart  = time.Minute     // at least, between two statements that agree
	settle = 2 * time.Minute // after a fill, in which a custodian's books may lag behind
	silent = 15 * time.Minute
	day    = 24 * time.Hour // in which what interest adds is counted together
)

// cent is the difference in cash that is not worth a word.
var cent = decimal.New(1, -2)

// Audit is a [lifeboat.Stage].
type Audit struct {
	plan     *plan.Plan
	book     *lifeboat.Book
	accounts map[string]*account
	names    []string // of the accounts, in the order in which they were first met
	acts     map[lifeboat.Key]*act
	keys     map[lifeboat.Key]*account // :: key of a message that may come next → whom it is about; of all but the rekeyed
	rekeyed  []*account                // whose next messages have other keys than keys has
}

type account struct {
	name      string
	statement lifeboat.Statement
	differ    []difference // of the statement from the book
	since     time.Time    // of the first statement in a row that said the same
	filled    time.Time    // the last fill there
	venue     string       // or chain on which it lies, as the plan in force says; "" when nothing is to be heard of it
	onChain   bool
	heard     time.Time // when there was a statement, or when waiting for one began
	told      bool      // that nothing is heard of it

	grown   map[string]growth // :: symbol → since when the book has followed its interest
	pools   map[string]pooled // :: symbol → the share of a pool that the book was brought to
	accrues map[string]bool   // :: symbol → it grew by itself when it was named last

	patience time.Duration // with acts of lifeboat's own

	height uint64          // of the newest block whose state the book has, or had
	own    []move          // in later blocks
	coming []move          // that show some time
	odd    map[string]*odd // :: symbol → what nothing explains
	fresh  []sum           // of that, what the last restatement brought
	notes  []string        // what was explained after it was told
	words  int             // messages about either

	keys    []lifeboat.Key // in the audit's keys
	rekeyed bool           // and they are old
}

// growth is where interest began to count: many small steps in a day are one large step, which interest does not make.
type growth struct {
	from  decimal.Decimal
	since time.Time
}

type difference struct {
	symbol string
	book   decimal.Decimal
	there  lifeboat.StatementLine // of nothing where no line names it
	own    decimal.Decimal        // what lifeboat's acts say that they moved of it meanwhile
	by     []string
}

// byItself says that no act on the account made the difference: interest did, or the trades of others in a pool.
func (k *account) byItself(d difference, at time.Time) bool {
	return k.traded(d) || k.interest(d, at)
}

// interest says that the difference is what interest adds, together with what it added within a day.
func (k *account) interest(d difference, at time.Time) bool {
	if g, known := k.grown[d.symbol]; known && at.Sub(g.since) < day && !d.there.Grew(g.from) {
		return false
	}
	return d.there.Grew(d.book)
}

// follow notes from where what grew by itself has grown, and forgets what somebody moved.
func (k *account) follow(at time.Time) {
	for _, d := range k.differ {
		g, known := k.grown[d.symbol]
		switch {
		case !k.interest(d, at) || !d.own.IsZero():
			delete(k.grown, d.symbol)
		case !known || at.Sub(g.since) >= day:
			if k.grown == nil {
				k.grown = map[string]growth{}
			}
			k.grown[d.symbol] = growth{d.book, at}
		}
	}
	k.bring()
	k.differ, k.since = nil, time.Time{}
}

// New makes an audit of the accounts of a plan.
func New(p *plan.Plan, book *lifeboat.Book) *Audit {
	return &Audit{plan: p, book: book, accounts: map[string]*account{}, acts: map[lifeboat.Key]*act{}, keys: map[lifeboat.Key]*account{}}
}

// Apply takes in statements, and what makes them doubtful.
func (a *Audit) Apply(at time.Time, e lifeboat.Event) {
	switch e := e.(type) {
	case lifeboat.PlanLoaded:
		for _, known := range a.accounts {
			known.venue, known.onChain = "", false
		}
		for _, name := range slices.Sorted(maps.Keys(e.Venues)) {
			a.await(at, name, e.Venues[name], false)
		}
		for _, name := range slices.Sorted(maps.Keys(e.Chains)) {
			a.await(at, name, e.Chains[name], true)
		}
	case lifeboat.Resumed:
		for _, known := range a.accounts {
			known.heard, known.told = at, false
			a.rekey(known)
		}
	case lifeboat.Statement:
		a.read(e)
		known := a.of(e.Account)
		known.heard, known.told = at, false
		a.rekey(known)
	case lifeboat.Intent:
		a.begin(e)
		a.wrote(at, e.Key)
	case lifeboat.Refused:
		delete(a.acts, e.Key)
		a.wrote(at, e.Key)
	case lifeboat.Restated:
		if known := a.accounts[e.Account]; known != nil {
			known.fresh = nil
			for _, r := range known.settle(at) {
				known.add(at, r.symbol, r.amount)
				if o := known.odd[r.symbol]; o != nil {
					o.from, o.to = known.pools[r.symbol].share, r.there.Share
				}
				known.fresh = append(known.fresh, sum{r.symbol, r.amount})
			}
			known.follow(at)
		}
	case lifeboat.Receipt:
		if e.Filled.IsPositive() {
			a.of(e.Account).filled = at
		}
		a.hear(at, e)
	}
}

// wrote notes a message that is about an account. Keys are made for those alone that were heard of since the last one: a journal has many
// messages and orders, and a plan may have many accounts.
func (a *Audit) wrote(at time.Time, key lifeboat.Key) {
	for _, known := range a.rekeyed {
		for _, old := range known.keys {
			delete(a.keys, old)
		}
		known.keys, known.rekeyed = append(known.keys[:0], known.silence(known.name), known.restated(), known.strange(), known.cleared()), false
		for _, now := range known.keys {
			a.keys[now] = known
		}
	}
	a.rekeyed = a.rekeyed[:0]
	if known := a.keys[key]; known != nil {
		known.wrote(at, key, a.busy(known, 0))
		a.rekey(known)
	}
}

// rekey notes that an account's next messages have other keys.
func (a *Audit) rekey(k *account) {
	if !k.rekeyed {
		k.rekeyed = true
		a.rekeyed = append(a.rekeyed, k)
	}
}

// await word of an account from now on.
func (a *Audit) await(at time.Time, name, from string, onChain bool) {
	known := a.of(name)
	known.venue, known.onChain, known.heard, known.told, known.patience = from, onChain, at, false, a.patient(from)
	a.rekey(known)
}

func (a *Audit) of(name string) *account {
	known := a.accounts[name]
	if known == nil {
		known = &account{name: name}
		a.accounts[name] = known
		a.rekey(known)
		a.names = append(a.names, name)
	}
	return known
}

// read compares a statement with the book, and with the one before.
func (a *Audit) read(s lifeboat.Statement) {
	known := a.of(s.Account)
	for _, l := range s.Lines {
		if l.Accrues != known.accrues[l.Symbol] {
			if known.accrues == nil {
				known.accrues = map[string]bool{}
			}
			known.accrues[l.Symbol] = l.Accrues
		}
	}
	differ := a.differences(known, s)
	if !same(differ, known.differ) || known.since.IsZero() {
		known.since = s.At
	}
	known.statement, known.differ = s, differ
	for _, l := range s.Lines {
		known.meet(l, a.book.Quantity(s.Account, l.Symbol))
	}
	if len(differ) == 0 {
		known.reach(s.Height)
	}
	if len(differ) == 0 || s.At.Before(known.filled.Add(settle)) || a.uncounted(s) {
		known.since = time.Time{}
	}
}

// uncounted reports an open order that the statement does not mention: what was filled of it may be in the lines or not.
func (a *Audit) uncounted(s lifeboat.Statement) bool {
	return slices.ContainsFunc(a.book.OpenOrders(s.Account), func(o lifeboat.Order) bool {
		return !slices.ContainsFunc(s.Placed, func(r lifeboat.Receipt) bool { return r.Key == o.ID })
	})
}

// differences of a statement from what the book will say once the statement's own receipts are booked, and from what lifeboat's own
// acts let expect.
func (a *Audit) differences(k *account, s lifeboat.Statement) []difference {
	var all []difference
	seen := map[string]bool{}
	note := func(symbol string, book decimal.Decimal) {
		if seen[symbol] {
			return
		}
		seen[symbol] = true
		there, _ := s.Line(symbol)
		there.Accrues = k.accrues[symbol]
		own, by := k.ownOf(symbol, s.Height)
		alike := there.Says(book) && k.sameShare(symbol, there) || symbol == a.book.Currency() && book.Sub(there.Quantity).Abs().LessThan(cent)
		if !alike || !own.IsZero() && !there.Unexplained(book, own).IsZero() {
			all = append(all, difference{symbol, book, there, own, by})
		}
	}
	for _, p := range a.book.After(s.Account, s.Placed) {
		note(p.Symbol, p.Quantity)
	}
	for _, l := range s.Lines {
		note(l.Symbol, decimal.Zero)
	}
	for _, m := range k.own {
		note(m.Symbol, decimal.Zero)
	}
	return all
}

// same says that two comparisons found the same: what is there, not what the book has.
func same(a, b []difference) bool {
	return slices.EqualFunc(a, b, func(x, y difference) bool {
		there := x.there.Share == y.there.Share && (x.there.Share != "" || y.there.Says(x.there.Quantity))
		return x.symbol == y.symbol && there
	})
}

// Next restates the accounts of which the custodian has said the same long enough.
func (a *Audit) Next(at time.Time) []lifeboat.Event {
	events := append(a.silences(at), a.strangeness(at)...)
	to := a.plan.Owners()
	for _, name := range a.names {
		known := a.accounts[name]
		s := known.statement
		if known.since.IsZero() || s.At.Sub(known.since) < apart {
			continue
		}
		restated := lifeboat.Restated{Account: name, Source: s.Source, At: s.At, Placed: s.Placed, Why: sentence(known.differ)}
		for _, l := range s.Lines {
			restated.Positions = append(restated.Positions, lifeboat.Position{Account: name, Symbol: l.Symbol, Quantity: l.Quantity})
		}
		events = append(events, restated)
		rests := known.copy().settle(at)
		if len(to) == 0 || len(rests) == 0 || a.busy(known, s.Height) {
			continue // what an act of lifeboat's own may explain still is told later
		}
		events = append(events, lifeboat.Intent{Key: known.restated(), Act: lifeboat.SendMessage,
			Message: &lifeboat.Message{To: to, Tier: worst(rests), Subject: fmt.Sprintf("%s holds something else than the book", name),
				Text: fmt.Sprintf("%s says that %s holds something else than the book, twice in %s: %s. The book follows. If this was not you, halt and look.",
					s.Source, name, s.At.Sub(known.since).Round(time.Second), told(rests))}})
	}
	return events
}

// silences tells of custodians that were not heard of for too long, once each time.
func (a *Audit) silences(at time.Time) []lifeboat.Event {
	var events []lifeboat.Event
	to := a.plan.Owners()
	for _, name := range a.names {
		known := a.accounts[name]
		if known.venue == "" || known.told || at.Before(known.heard.Add(silent)) || len(to) == 0 {
			continue
		}
		events = append(events, lifeboat.Intent{Key: known.silence(name), Act: lifeboat.SendMessage, Message: &lifeboat.Message{To: to, Tier: lifeboat.Action,
			Subject: fmt.Sprintf("Nothing is heard of %s", name),
			Text:    known.unheard(name)}})
	}
	return events
}

// unheard is what it means that nothing is heard.
func (k *account) unheard(name string) string {
	since := k.heard.UTC().Format("2006-01-02 15:04 UTC")
	if k.onChain {
		return fmt.Sprintf("What the account %s holds on %s is not known since %s: the chain's nodes do not say it, or not alike. The book goes by what they said last. lifeboat status says what is wrong.", name, k.venue, since)
	}
	return fmt.Sprintf("Nothing has been heard of the account %s at %s since %s. Orders there would not go out now. lifeboat status says what is wrong.", name, k.venue, since)
}

// silence is the key of the message that nothing is heard.
func (k *account) silence(name string) lifeboat.Key {
	return lifeboat.NewKey("silence", name, k.heard.UnixNano())
}

// Due is when the next custodian will have been silent for too long, or an act for too long without a word.
func (a *Audit) Due() time.Time {
	var due time.Time
	by := func(t time.Time) {
		if due.IsZero() || t.Before(due) {
			due = t
		}
	}
	for _, known := range a.accounts {
		if known.venue != "" && !known.told {
			by(known.heard.Add(silent))
		}
		for _, o := range known.odd {
			if o.gone.untold.IsPositive() && len(a.plan.Owners()) > 0 {
				by(o.since.Add(known.patience))
			}
		}
	}
	return due
}

// Statement is the latest of an account; false before there was one.
func (a *Audit) Statement(name string) (lifeboat.Statement, bool) {
	known := a.accounts[name]
	if known == nil || known.statement.At.IsZero() {
		return lifeboat.Statement{}, false
	}
	return known.statement, true
}

// Differs reports an account of which the last statement says something else than the book, so that another one has to confirm it.
func (a *Audit) Differs(name string) bool {
	known := a.accounts[name]
	return known != nil && len(known.differ) > 0
}

// Heard is when there was last word of an account, or when waiting for it began; zero for one that nothing is heard of.
func (a *Audit) Heard(name string) time.Time {
	known := a.accounts[name]
	if known == nil {
		return time.Time{}
	}
	return known.heard
}

// linesMax is how many differences a sentence names.
const linesMax = 8

func sentence(differ []difference) string {
	var all []string
	for _, d := range differ {
		words := d.words()
		if !d.own.IsZero() {
			words += fmt.Sprintf(" (%s %s, as %s said)", d.own.Abs(), went(d.own), strings.Join(d.by, " and "))
		}
		all = append(all, words)
	}
	return list(all)
}

func (d difference) words() string {
	if d.there.Share != "" && d.there.Says(d.book) {
		return fmt.Sprintf("about as much %s as before, %s, by another share of the pool", d.symbol, d.there.Quantity)
	}
	return fmt.Sprintf("%s %s where the book had %s", d.there.Quantity, d.symbol, d.book)
}

// told is what nothing explains of the differences.
func told(rests []rest) string {
	var all []string
	for _, r := range rests {
		all = append(all, r.words())
	}
	return list(all)
}

func list(all []string) string {
	if more := len(all) - linesMax; more > 0 {
		all = append(all[:linesMax:linesMax], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, ", ")
}

// grave is how urgent the word is: that something is gone is a tier 2, that something came is information.
func grave(all []sum) lifeboat.Tier {
	if slices.ContainsFunc(all, func(s sum) bool { return s.amount.IsNegative() }) {
		return lifeboat.Action
	}
	return 0
}

func worst(rests []rest) lifeboat.Tier {
	var all []sum
	for _, r := range rests {
		all = append(all, sum{r.symbol, r.amount})
	}
	return grave(all)
}
