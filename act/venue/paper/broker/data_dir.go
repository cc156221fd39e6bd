package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/shopspring/decimal"

	"lifeboat"
	"lifeboat/act/venue/paper"
)

// openingFile says what the account opened with: the ledger's fills come on top of it, so it may never change.
const openingFile = "account.json"

type opening struct {
	Positions []lifeboat.Position        `json:"positions"`
	Paid      map[string]decimal.Decimal `json:"paid,omitempty"`
}

// claimData makes the directory and keeps other processes out of it.
func (b *Broker) claimData() error {
	if err := os.MkdirAll(b.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make data directory of the paper broker: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(b.cfg.Data, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock data directory of the paper broker: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(&lifeboat.Problem{
			Reason: "data-in-use", What: fmt.Sprintf("another paper broker runs on %s", b.cfg.Data),
			Money: "nothing was changed", Next: "use that one, or another --data directory", Err: err,
		}, lock.Close())
	}
	b.unlock = lock
	return nil
}

// keepOpening reads what the account opened with, or writes it at its first opening.
func (b *Broker) keepOpening(cfg *paper.Config) error {
	path := filepath.Join(b.cfg.Data, openingFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return writeDurably(path, opening{cfg.Positions, cfg.Paid})
	}
	var o opening
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return &lifeboat.Problem{
			Reason: "ledger-broken", What: fmt.Sprintf("%s cannot be read: %v", path, err),
			Money: "the paper account was not opened; no order was placed on it",
			Next:  "restore the data directory from a backup, or name another one", Err: err,
		}
	}
	cfg.Positions, cfg.Paid = o.Positions, o.Paid
	clear(b.log.held)
	for _, p := range o.Positions {
		b.log.held[p.Symbol] = p.Quantity
	}
	return nil
}

func writeDurably(path string, content any) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".opening-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
