package task

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"lifeboat"
	"lifeboat/durable"
)

// A state is how far a task has come, as its note says.
type state string

const (
	taken state = "taken" // it will be done; nothing has happened yet
	begun state = "begun" // something may have happened
	ended state = "ended" // Receipt says what happened
)

// A note is what is known of one task after a crash.
type note struct {
	Key   lifeboat.Key `json:"key"`
	Kind  string       `json:"kind"`
	Task  string       `json:"task"` // SHA-256 of what was to be done, hex
	At    time.Time    `json:"at"`   // when it was taken on
	State state        `json:"state"`
	// Stopped says that it is to be left off, if nothing of it is out.
	Stopped bool `json:"stopped,omitempty"`
	// Why and Facts are how far a worker has come with what was begun.
	Why     string            `json:"why,omitempty"`
	Facts   map[string]string `json:"facts,omitempty"`
	Receipt lifeboat.Receipt  `json:"receipt,omitzero"`
}

// progress is the receipt of a task that is under way.
func (n note) progress() lifeboat.Receipt {
	r := accepted(n.Key)
	r.Why, r.Facts = cmp.Or(n.Why, r.Why), maps.Clone(n.Facts)
	return r
}

// digest tells one task from another under the same key.
func digest(t lifeboat.Task) string {
	content, _ := json.Marshal(t) // a task that came through the journal marshals
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// notes are a directory with a file for each key.
type notes struct{ dir string }

func openNotes(dir string) (notes, error) {
	return notes{dir}, durable.Dir(dir)
}

// file of a key. Keys are digests of ours, but they come from a journal that a person could have had in hand.
func (n notes) file(key lifeboat.Key) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(n.dir, hex.EncodeToString(sum[:16])+".json")
}

// noteMax bounds what is read back; a note holds one receipt, with at most factsMax of facts, which JSON may make six times as long.
const noteMax = 512 << 10

func (n notes) read(key lifeboat.Key) (note, bool, error) {
	file, err := os.Open(n.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return note{}, false, nil
	}
	if err != nil {
		return note{}, false, fmt.Errorf("read the note of a task: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, noteMax))
	if err != nil {
		return note{}, false, fmt.Errorf("read the note of a task: %w", err)
	}
	read, err := parseNote(content)
	if err == nil && read.Key != key {
		err = errors.New("it is the note of another task")
	}
	if err != nil { // never absent: something was begun
		return note{}, false, fmt.Errorf("read the note of task %s: %w", key, err)
	}
	return read, true, nil
}

func parseNote(content []byte) (note, error) {
	var n note
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&n); err != nil {
		return note{}, fmt.Errorf("it is damaged: %w", err)
	}
	switch {
	case n.State != taken && n.State != begun && n.State != ended:
		return note{}, fmt.Errorf("it is damaged: %q is no state", n.State)
	case (n.State == ended) != (n.Receipt.Status != ""):
		return note{}, errors.New("it is damaged: state and receipt contradict each other")
	case n.State != begun && (n.Why != "" || n.Facts != nil):
		return note{}, errors.New("it is damaged: it tells of progress with what is not under way")
	case n.State == ended && n.Receipt.Key != n.Key:
		return note{}, errors.New("it is damaged: its receipt is of another task")
	}
	return n, nil
}

// write makes a note durable: when it returns nil, the note survives a crash; otherwise the one before it stands.
func (n notes) write(w note) error {
	content, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write the note of a task: %w", err)
	}
	if err := durable.Write(n.file(w.Key), content); err != nil {
		return fmt.Errorf("write the note of a task: %w", err)
	}
	return nil
}
