// Package journal is the memory of lifeboat: the append-only record of everything that was read, decided and done.
// Whatever a person is shown is derived from it, and a restarted program is whatever the journal says it was.
//
// Every event becomes an [Entry]: a sequence number, a time, a word and a body of canonical JSON, sealed by the
// SHA-256 of all that together with the hash of the entry before. One hash therefore stands for the whole history:
// [Verify] walks the chain and names the first entry that does not fit, and a [Mark] noted elsewhere shows when the
// end was cut off. A [Store] keeps the entries: [Memory] for drills, the package keep/sqlite on disk, keep/postgres in a
// database that two machines share. The package journaltest holds what every store must do.
//
// It does not sign anything, and it does not hide anything: somebody who can rewrite the whole journal can seal it
// again. Marks that lie elsewhere are what shows that.
package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"lifeboat"
)

// Reader is a journal as it is read.
type Reader interface {
	// Head is the last entry; false while there is none.
	Head() (Entry, bool)
	// Entries yields the entries with sequence numbers from the given one on, in order, up to the one that was last
	// when the range began. Appending meanwhile, also from inside the loop, is fine. After an error it ends.
	Entries(ctx context.Context, from int64) iter.Seq2[Entry, error]
}

// Store keeps a journal. Order is meaning, so what belongs together goes into one Append; several goroutines may append at
// the same time, and each finds its own events together and in order.
type Store interface {
	Reader
	// Append seals and keeps the events, in order: all of them survive a crash when it returns nil, and none counts
	// otherwise. An event that cannot be recorded (not a number, a word that [lifeboat.Decode] does not know) is
	// refused and leaves the store as it was. After a failure to write, the store refuses everything until it is
	// opened again, because nobody knows what the disk holds.
	Append(at time.Time, events ...lifeboat.Event) error
	Close() error
}

// Keeper is a store as the daemon holds it, for as long as it may act.
type Keeper interface {
	Store
	// EntriesWithout yields, in order, the entries up to the given sequence number that are not of the given word: what
	// makes it cheap to leave out the readings, nearly all of a journal.
	EntriesWithout(ctx context.Context, word string, to int64) iter.Seq2[Entry, error]
	// Remembered is the head as it is noted apart from the entries; [Verify] asks for it.
	Remembered(ctx context.Context) (Mark, bool, error)
	// Fence fails when this process may not act any more: another one holds the journal, or may hold it and cannot be
	// asked, or the store refuses to write. It is asked after an intent was written and before it is carried out, and
	// may take as long as a question to the database.
	Fence() error
}

// Entry is one sealed event. Its slices belong to the store: read them, do not change them.
type Entry struct {
	Seq  int64     // 1 for the first, without gaps
	At   time.Time // UTC, to the nanosecond
	Word string    // the event's word
	Body []byte    // the event as canonical JSON
	Prev [32]byte  // the hash of the entry before; zero for the first
	Hash [32]byte
}

// Event decodes the body. A word that this version does not know is an error.
func (e Entry) Event() (lifeboat.Event, error) {
	event, err := lifeboat.Decode(e.Word, e.Body)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return event, nil
}

// Seal makes the entry that follows prev; the zero Entry stands before the first.
func Seal(prev Entry, at time.Time, event lifeboat.Event) (Entry, error) {
	if event == nil {
		return Entry{}, errors.New("seal: no event")
	}
	word := event.Word()
	// A time goes into the chain as nanoseconds, and those reach from 1678 to 2262.
	utc := time.Unix(0, at.UnixNano()).UTC()
	if !utc.Equal(at) {
		return Entry{}, fmt.Errorf("seal %s: %s is not a time that the journal can hold", word, at)
	}
	body, err := canonical(event)
	if err != nil {
		return Entry{}, fmt.Errorf("seal %s: %w", word, err)
	}
	e := Entry{Seq: prev.Seq + 1, At: utc, Word: word, Body: body, Prev: prev.Hash}
	e.Hash = e.digest()
	return e, nil
}

// SealAll makes the entries that follow prev, or none of them: what a store does first in Append.
func SealAll(prev Entry, at time.Time, events []lifeboat.Event) ([]Entry, error) {
	sealed := make([]Entry, len(events))
	for i, event := range events {
		e, err := Seal(prev, at, event)
		if err != nil {
			return nil, err
		}
		sealed[i], prev = e, e
	}
	return sealed, nil
}

// digest is SHA-256 over prev ‖ seq ‖ at ‖ length of word ‖ word ‖ length of body ‖ body, numbers as 8 bytes, big end
// first. With the lengths no two entries have the same input.
func (e Entry) digest() [32]byte {
	head := make([]byte, 0, 128)
	head = append(head, e.Prev[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(e.Seq))
	head = binary.BigEndian.AppendUint64(head, uint64(e.At.UnixNano()))
	head = binary.BigEndian.AppendUint64(head, uint64(len(e.Word)))
	head = append(head, e.Word...)
	head = binary.BigEndian.AppendUint64(head, uint64(len(e.Body)))
	h := sha256.New()
	h.Write(head)
	h.Write(e.Body)
	return [32]byte(h.Sum(head[:0]))
}

// Mark remembers how far a journal reached and what it then said. Noted where the journal is not, on paper or in a
// message, it shows later that nothing up to there was changed or cut off.
type Mark struct {
	Seq  int64
	Hash [32]byte
}

// Mark of the journal as it was when e was its last entry.
func (e Entry) Mark() Mark { return Mark{e.Seq, e.Hash} }

func (m Mark) String() string { return fmt.Sprintf("%d:%x", m.Seq, m.Hash) }

// ParseMark reads what [Mark.String] wrote.
func ParseMark(text string) (Mark, error) {
	seq, hash, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(seq, 10, 64)
	raw, errHex := hex.DecodeString(hash)
	if err != nil || errHex != nil || n < 1 || len(raw) != sha256.Size {
		return Mark{}, fmt.Errorf("%q is not a mark: it is written as an entry's number, a colon and 64 hexadecimal digits", text)
	}
	return Mark{n, [32]byte(raw)}, nil
}
