package paper

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat"
)

// Ledger keeps what happened at the venue, in order.
type Ledger interface {
	// Read returns every entry, oldest first. It is called once, before the first Append.
	Read() ([]Entry, error)
	// Append makes an entry durable. After an error nobody knows whether it is there.
	Append(Entry) error
}

// Entry is one change to one order: its arrival, a fill or a cancellation.
type Entry struct {
	At      time.Time        `json:"at"`
	Order   *lifeboat.Order  `json:"order,omitempty"` // when it arrives
	Hold    decimal.Decimal  `json:"hold,omitzero"`   // with it: the cash claimed per unit
	Quoted  time.Time        `json:"quoted,omitzero"` // of the quote that a fill was made on
	Receipt lifeboat.Receipt `json:"receipt"`         // where the order stands from now on

	Terms    *Terms          `json:"terms,omitempty"`   // with the order, when it has any
	Legs     []Ticket        `json:"legs,omitempty"`    // that arrive with it
	Wakes    bool            `json:"wakes,omitempty"`   // a leg whose parent is filled, or a stop that was reached
	Mark     decimal.Decimal `json:"mark,omitzero"`     // the best price that a trailing stop has seen
	Quantity decimal.Decimal `json:"quantity,omitzero"` // what a notional order comes to
	Deal     *Deal           `json:"deal,omitempty"`    // the fill that made the receipt
}

// Deal is one fill.
type Deal struct {
	Quantity decimal.Decimal `json:"quantity"`
	Price    decimal.Decimal `json:"price"`
}

// fits holds a replayed entry against those before it: no order twice, none that never arrived, totals that only grow.
func (v *Venue) fits(e Entry) error {
	known := v.byKey[e.Receipt.Key]
	switch {
	case e.Order != nil && e.Order.ID != e.Receipt.Key:
		return fmt.Errorf("the receipt %s is not of the order %s", e.Receipt.Key, e.Order.ID)
	case e.Order != nil && known != nil:
		return fmt.Errorf("the order %s arrives a second time", e.Receipt.Key)
	case e.Order != nil && e.Order.Account != v.cfg.Account && e.Receipt.Status != lifeboat.OrderRejected:
		return fmt.Errorf("the order %s is on the account %q", e.Receipt.Key, e.Order.Account)
	case e.Order != nil:
		return v.fitsGroup(e)
	case known == nil:
		return fmt.Errorf("the order %s never arrived", e.Receipt.Key)
	case known.receipt.Status.Final():
		return fmt.Errorf("the order %s was %s already", e.Receipt.Key, known.receipt.Status)
	case e.Receipt.Filled.LessThan(known.receipt.Filled) || e.Receipt.Filled.GreaterThan(decimal.Max(known.Quantity, e.Quantity)):
		return fmt.Errorf("the order %s of %s goes from %s filled to %s", e.Receipt.Key, known.Quantity, known.receipt.Filled, e.Receipt.Filled)
	}
	return nil
}

// fitsGroup looks at what arrives with an order, and at what it replaces.
func (v *Venue) fitsGroup(e Entry) error {
	for _, leg := range e.Legs {
		if leg.ID == "" || leg.ID == e.Receipt.Key || v.byKey[leg.ID] != nil || leg.Account != v.cfg.Account {
			return fmt.Errorf("the leg %q of the order %s cannot be right", leg.ID, e.Receipt.Key)
		}
	}
	if e.Terms == nil || e.Terms.Replaces == "" {
		return nil
	}
	if old := v.byKey[e.Terms.Replaces]; old == nil || old.receipt.Status.Final() {
		return fmt.Errorf("the order %s replaces %s, which is not open", e.Receipt.Key, e.Terms.Replaces)
	}
	return nil
}

// memory is the ledger of a venue that ends with its process.
type memory struct{}

func (memory) Read() ([]Entry, error) { return nil, nil }
func (memory) Append(Entry) error     { return nil }

// File is a ledger of JSON lines, one entry each, on disk before Append returns.
//
// A last line without its end was torn by a crash while it was written: nobody was told of it, and it is cut off.
// Anything else that cannot be read is damage, and the ledger does not open. Only one process may use a file.
type File struct {
	path    string
	file    *os.File
	entries []Entry // as found at opening

	mu     sync.Mutex // guards all below
	size   int64      // up to the end of the last acknowledged line
	broken error      // set when the disk no longer says what is on it
	later  bool       // Append leaves the waiting for the disk to Flush
	dirty  bool       // something was appended since the last Flush
}

// FileLedger opens the ledger at a path, or makes it.
func FileLedger(path string) (*File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open paper ledger: %w", err)
	}
	l := &File{path: path, file: file}
	if err := l.load(); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// load reads the entries, cuts a torn end off, and makes sure that the file itself survives a crash.
func (l *File) load() error {
	content, err := io.ReadAll(l.file)
	if err != nil {
		return fmt.Errorf("read paper ledger: %w", err)
	}
	whole := content[:bytes.LastIndexByte(content, '\n')+1]
	if l.entries, err = parse(whole); err != nil {
		return ledgerBroken(fmt.Sprintf("the paper ledger %s is damaged: %v", l.path, err), err)
	}
	l.size = int64(len(whole))
	if err := l.file.Truncate(l.size); err != nil {
		return fmt.Errorf("cut torn line off paper ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync paper ledger: %w", err)
	}
	return syncDirectory(filepath.Dir(l.path))
}

func parse(lines []byte) ([]Entry, error) {
	var entries []Entry
	for line := range bytes.Lines(lines) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(entries)+1, err)
		}
		if e.Receipt.Key == "" {
			return nil, fmt.Errorf("line %d: it is about no order", len(entries)+1)
		}
		if !e.writable() {
			return nil, fmt.Errorf("line %d: it has an amount that nobody could write out", len(entries)+1)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (e Entry) writable() bool {
	amounts := []decimal.Decimal{e.Hold, e.Receipt.Filled, e.Receipt.Price, e.Receipt.Fee, e.Mark, e.Quantity}
	if e.Deal != nil {
		amounts = append(amounts, e.Deal.Quantity, e.Deal.Price)
	}
	tickets := e.Legs
	if e.Order != nil {
		t := Ticket{Order: *e.Order}
		if e.Terms != nil {
			t.Terms = *e.Terms
		}
		tickets = append([]Ticket{t}, tickets...)
	}
	for _, t := range tickets {
		amounts = append(amounts, t.Quantity, t.Limit, t.Arrival, t.Stop, t.Trail, t.TrailPercent, t.Notional)
	}
	return writable(amounts...)
}

// writable reports whether amounts are of a size that somebody could mean: 1e999999999 is a few bytes long, and
// adding one to it takes all the memory there is.
func writable(amounts ...decimal.Decimal) bool {
	return !slices.ContainsFunc(amounts, func(d decimal.Decimal) bool {
		return d.Exponent() < -64 || d.Exponent() > 64 || d.Coefficient().BitLen() > 512
	})
}

// syncDirectory makes a new file's name durable: without it a crash can lose the file with everything in it.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open directory of paper ledger: %w", err)
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// Read returns what the file held when it was opened.
func (l *File) Read() ([]Entry, error) { return l.entries, nil }

// Append writes one line and waits for the disk. When the line does not fit, what was written of it is taken back and
// the next entry may try again; when the disk does not confirm, nothing is written any more until the file is opened
// afresh, since only reading can tell what is there.
func (l *File) Append(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return fmt.Errorf("append to paper ledger: %w", l.broken)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode ledger entry: %w", err)
	}
	line = append(line, '\n')
	if _, err := l.file.WriteAt(line, l.size); err != nil {
		l.broken = l.file.Truncate(l.size)
		return fmt.Errorf("append to paper ledger: %w", err)
	}
	l.size += int64(len(line))
	if l.later {
		l.dirty = true
		return nil
	}
	if err := l.file.Sync(); err != nil {
		l.broken = err
		return fmt.Errorf("sync paper ledger: %w", err)
	}
	return nil
}

// SyncLater lets Append return once the operating system has the line, which the end of the process cannot undo and a
// power cut can: what was appended since the last Flush may then be lost.
func (l *File) SyncLater() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.later = true
}

// Flush waits until all that was appended is on disk. Appending goes on meanwhile.
func (l *File) Flush() error {
	l.mu.Lock()
	dirty := l.dirty
	l.dirty = false
	l.mu.Unlock()
	if !dirty {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.broken = err
		return fmt.Errorf("sync paper ledger: %w", err)
	}
	return nil
}

// Close ends the ledger's use. Everything appended is on disk already.
func (l *File) Close() error { return l.file.Close() }
