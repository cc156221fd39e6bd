package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lifeboat/keep/journal"
	"lifeboat/watch/state"
)

// The saved state is a cache beside the journal: what the operators, the guard, the ledger of coverage and the paper
// accounts had made of the readings up to some entry, so that a restart need not decode these readings again. The journal
// is the truth. A file that is damaged, or another program's, or another plan's, or of another journal, is not used, and
// whatever goes wrong with it costs time and nothing else.
const (
	// SavedState is its name in the data directory.
	SavedState = "operators.state"
	// savedNext is where the next one is written before it takes its place.
	savedNext = SavedState + ".new"
	// savedForm is the first thing in it. Another form gets another number.
	savedForm = "lifeboat operators 1"
	// savedMax bounds the file in bytes; a larger state is neither written nor read.
	savedMax = 1 << 30

	// It is saved after this many entries or this much time, whichever comes first, and when the daemon is stopped.
	saveEntries = 20_000
	saveAfter   = 15 * time.Minute
)

// errUnfit is a saved state that cannot be used.
var errUnfit = errors.New("the saved state does not fit")

// saves is what the daemon knows of its saving.
type saves struct {
	fingerprint string    // of program and plan; "" when there is none, and then nothing is saved
	entry       int64     // up to which it saved or tried to
	at          time.Time // when it did
}

// A saved state that is being read.
type saved struct {
	savedHead
	*state.Codec
	last journal.Entry // the entry that it reaches to, as the journal has it
}

// savedHead says what a saved state is the state of.
type savedHead struct {
	form, fingerprint string
	mark              string // of the journal when it ended there
}

func (h *savedHead) State(c *state.Codec) {
	c.Text(&h.form)
	c.Text(&h.fingerprint)
	c.Text(&h.mark)
}

// next is the number of the first entry that is not in it.
func (s *saved) next() int64 {
	if s == nil {
		return 0
	}
	return s.last.Seq + 1
}

// findSaved opens the saved state of the data directory; nil when there is none that fits, and why is logged.
func (d *Daemon) findSaved() *saved {
	var err error
	if d.saves.fingerprint, err = fingerprint(d.Version, d.DaemonOptions.Plan.Hash()); err != nil {
		d.Log.Warn("the state of the operators is not saved: the program cannot read itself", "problem", err.Error())
		return nil
	}
	s, err := d.readSaved()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		d.withoutSaved(err)
		return nil
	}
	return s
}

// withoutSaved logs why the whole journal is folded although there is a saved state.
func (d *Daemon) withoutSaved(why error) {
	d.Log.Info("the saved state is not used; the start takes longer", "why", why.Error())
}

// fingerprint of the program, its stated version and the plan. The form of the state knows no versions, so that even
// the same sources built by another compiler count as another program.
func fingerprint(version, planHash string) (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer program.Close()
	h := sha256.New()
	fmt.Fprintf(h, "%q %q ", version, planHash)
	if _, err := io.Copy(h, program); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readSaved reads the file and holds what it says of itself against program, plan and journal.
func (d *Daemon) readSaved() (*saved, error) {
	path := filepath.Join(d.DataDir, SavedState)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > savedMax {
		return nil, fmt.Errorf("%w: it is no file of at most %d bytes", errUnfit, savedMax)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	whole := max(0, len(content)-sha256.Size)
	if sum := sha256.Sum256(content[:whole]); !bytes.Equal(sum[:], content[whole:]) {
		return nil, fmt.Errorf("%w: it is damaged", errUnfit)
	}
	s := &saved{Codec: state.Reader(content[:whole])}
	s.savedHead.State(s.Codec)
	switch {
	case s.Broken() != nil || s.form != savedForm:
		return nil, fmt.Errorf("%w: it is of another form", errUnfit)
	case s.fingerprint != d.saves.fingerprint:
		return nil, fmt.Errorf("%w: another plan or another program made it", errUnfit)
	}
	if s.last, err = d.entryAt(s.mark); err != nil {
		return nil, err
	}
	return s, nil
}

// entryAt finds the entry of a mark in the journal.
func (d *Daemon) entryAt(text string) (journal.Entry, error) {
	mark, err := journal.ParseMark(text)
	if err != nil {
		return journal.Entry{}, fmt.Errorf("%w: %w", errUnfit, err)
	}
	for entry, err := range d.store.Entries(context.Background(), mark.Seq) {
		if err != nil {
			return journal.Entry{}, err
		}
		if entry.Mark() == mark {
			return entry, nil
		}
		break
	}
	return journal.Entry{}, fmt.Errorf("%w: the journal does not have its entry %d", errUnfit, mark.Seq)
}

// restore gives back what the stages, the guard, the ledger and the paper accounts made of readings, and the record's
// share of them. The book has to stand where it stood then.
func (d *Daemon) restore(s *saved) error {
	err := d.operators(s.Codec)
	if err == nil {
		err = s.Err()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnfit, err)
	}
	d.saves.entry, d.saves.at = s.last.Seq, d.Clock.Now()
	return nil
}

// errOtherBoard is a state of a board with other expressions on it: those that open runs brought along.
var errOtherBoard = errors.New("playbooks of open runs asked for other things")

// operators hands over the state itself.
func (d *Daemon) operators(c *state.Codec) error {
	asked := strings.Join(d.Asked, "\n")
	if c.Text(&asked); asked != strings.Join(d.Asked, "\n") {
		return cmp.Or(c.Broken(), errOtherBoard)
	}
	if err := d.record.readingsState(c); err != nil {
		return err
	}
	d.guard.State(c)
	d.ledger.State(c)
	if n := c.Length(len(d.venues)); n != len(d.venues) {
		return cmp.Or(c.Broken(), errOtherAccounts)
	}
	for _, v := range d.venues {
		name := v.Account()
		if c.Text(&name); name != v.Account() {
			return cmp.Or(c.Broken(), errOtherAccounts)
		}
		v.State(c)
	}
	d.Watch.State(c)
	return c.Broken()
}

// errOtherAccounts is a state of other paper accounts: one that the plan no longer trades in is open while its orders are.
var errOtherAccounts = errors.New("other paper accounts were open")

// readingsState hands over the last good readings as the journal writes them: they are shown with their times as they
// came.
func (r *Record) readingsState(c *state.Codec) error {
	content, err := json.Marshal(r.Readings)
	if err != nil {
		return err
	}
	text := string(content)
	if c.Text(&text); !c.Reading() || c.Broken() != nil {
		return c.Broken()
	}
	return json.Unmarshal([]byte(text), &r.Readings)
}

// saveWhenDue saves after so many entries, or so long.
func (d *Daemon) saveWhenDue() {
	head, _ := d.store.Head()
	if head.Seq-d.saves.entry >= saveEntries || !d.last.Before(d.saves.at.Add(saveAfter)) {
		d.saveNow()
	}
}

// saveNow saves unless nothing is new, or something is under way; the next call does it then. Only the flow's goroutine
// calls it, between two things that the flow takes. That it fails is no reason to stop watching.
func (d *Daemon) saveNow() {
	head, _ := d.store.Head()
	if head.Seq == d.saves.entry || d.saves.fingerprint == "" || !d.Watch.Settled() {
		return
	}
	d.saves.entry, d.saves.at = head.Seq, d.last
	content, err := d.stateAt(head)
	if err == nil {
		err = replaceFile(d.DataDir, content)
	}
	if err != nil {
		d.metrics.unsaved.Inc()
		d.Log.Warn("the state of the operators was not saved; the next start takes longer", "problem", err.Error())
	}
}

// stateAt is the content of the file: what it is the state of, the state, and SHA-256 over both.
func (d *Daemon) stateAt(head journal.Entry) ([]byte, error) {
	c := state.Writer()
	h := savedHead{savedForm, d.saves.fingerprint, head.Mark().String()}
	h.State(c)
	if err := errors.Join(d.operators(c), c.Err()); err != nil {
		return nil, err
	}
	if size := len(c.Bytes()) + sha256.Size; size > savedMax {
		return nil, fmt.Errorf("it has %d bytes, and at most %d are written", size, savedMax)
	}
	sum := sha256.Sum256(c.Bytes())
	return append(c.Bytes(), sum[:]...), nil
}

// replaceFile lets the new state take the place of the old one, or leaves that as it was.
func replaceFile(dir string, content []byte) error {
	next := filepath.Join(dir, savedNext)
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next)) // the disk may be full, and the journal needs it more
	}
	if err := os.Rename(next, filepath.Join(dir, SavedState)); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
