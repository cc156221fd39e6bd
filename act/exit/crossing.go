package exit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat"
	"lifeboat/durable"
	"lifeboat/plan"
)

// A Crossing is an exit that has left over a bridge and is not known to have arrived. It says which transaction to look at; what became
// of it the two chains say.
type Crossing struct {
	Key   lifeboat.Key   `json:"key"`
	At    time.Time      `json:"at"`
	Order plan.ExitOrder `json:"order"`
	Tx    common.Hash    `json:"tx"`
}

// crossings are a directory with a file for each exit that is between two chains.
type crossings struct{ dir string }

func openCrossings(dir string) (crossings, error) { return crossings{dir}, durable.Dir(dir) }

func (c crossings) file(key lifeboat.Key) string { return notes(c).file(key) }

// write notes one; the first note stays, so that it says when it left.
func (c crossings) write(x Crossing) error {
	if _, err := os.Stat(c.file(x.Key)); err == nil {
		return nil
	}
	content, err := json.Marshal(x)
	if err == nil {
		err = durable.Write(c.file(x.Key), content)
	}
	if err != nil {
		return fmt.Errorf("note what is on its way: %w", err)
	}
	return nil
}

func (c crossings) remove(key lifeboat.Key) error {
	if err := os.Remove(c.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note what has arrived: %w", err)
	}
	return nil
}

// crossingsMax is how many are looked at.
const crossingsMax = 1000

// Crossings of a data directory that are under way, the oldest first.
func Crossings(dir string) (all []Crossing, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "crossings", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files[:min(len(files), crossingsMax)] {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has arrived this moment
		}
		x := Crossing{}
		if err == nil {
			err = json.Unmarshal(content, &x)
		}
		if err == nil && x.Order.Beyond == nil {
			err = errors.New("it names no other chain")
		}
		if err != nil {
			return nil, fmt.Errorf("read what is on its way: %w", err)
		}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b Crossing) int { return a.At.Compare(b.At) })
	return all, nil
}
