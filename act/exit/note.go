package exit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"lifeboat"
	"lifeboat/durable"
)

// A note is what is known of the sending of one exit after a crash: everything that may be out on the network, signed. It is
// durable before a transaction is given to any node. What became of them is not in it; that is asked of the chain.
type note struct {
	Key    lifeboat.Key   `json:"key"`
	Job    common.Hash    `json:"job"`             // digest of what is sent
	Sender common.Address `json:"sender"`          // who pays the gas
	From   uint64         `json:"from"`            // number of the head when it was begun; what is looked for lies after it
	Relay  *entrusted     `json:"relay,omitempty"` // nil when no relay was asked
	Sent   []sent         `json:"sent,omitempty"`
	Story  []Line         `json:"story,omitempty"`
	End    *Ending        `json:"end,omitempty"`

	told time.Time // when the last transaction was given to the nodes; not kept
}

// sent is a signed transaction that may be out on the network.
type sent struct {
	Raw     hexutil.Bytes `json:"raw"`
	Nonce   uint64        `json:"nonce"` // of the sender
	At      time.Time     `json:"at"`
	Block   uint64        `json:"block"`             // number of the head then
	Private bool          `json:"private,omitempty"` // only the private relay has it so far

	tx *types.Transaction // what Raw says
}

// A Line is one thing that happened, and when.
type Line struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// An Ending is what became of an exit for good.
type Ending struct {
	At    time.Time `json:"at"`
	Done  bool      `json:"done"`
	Why   string    `json:"why"`
	Found *found    `json:"found,omitempty"`
	// Again says that nothing has happened and that trying again may help.
	Again bool `json:"again,omitempty"`
	// Broken are the post-conditions that did not hold once it was mined.
	Broken []string `json:"broken,omitempty"`

	note  *note // how it came to that
	story []Line
}

const (
	storyMax = 80       // lines of a story; of more, the middle goes
	sentMax  = 64       // transactions of one exit
	noteMax  = 32 << 20 // bytes that are read back
)

func (n *note) nonces() int {
	count := 0
	for i, s := range n.Sent {
		if i == 0 || s.Nonce != n.Sent[i-1].Nonce {
			count++
		}
	}
	return count
}

// bumps are how often the last nonce's transaction was replaced.
func (n *note) bumps() int {
	last, count := n.Sent[len(n.Sent)-1].Nonce, -1
	for _, s := range n.Sent {
		if s.Nonce == last {
			count++
		}
	}
	return count
}

// tell adds to the story what was not just said.
func (n *note) tell(at time.Time, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	for i := len(n.Story) - 1; i >= max(0, len(n.Story)-3); i-- {
		if n.Story[i].What == what {
			return
		}
	}
	if len(n.Story) >= storyMax {
		n.Story = append(n.Story[:storyMax/2], n.Story[storyMax/2+1:]...)
	}
	n.Story = append(n.Story, Line{at, what})
}

// notes are a directory with a file for each key.
type notes struct{ dir string }

func openNotes(dir string) (notes, error) { return notes{dir}, durable.Dir(dir) }

// file of a key, which comes from a journal that a person could have had in hand.
func (n notes) file(key lifeboat.Key) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(n.dir, hex.EncodeToString(sum[:16])+".json")
}

// read finds the note of a key; nil when nothing was ever begun under it.
func (n notes) read(key lifeboat.Key) (*note, error) {
	read, err := readNote(n.file(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && read.Key != key {
		err = errors.New("it is the note of another exit")
	}
	if err != nil { // never absent: something may be out on the network
		return nil, fmt.Errorf("read the note of exit %s: %w", key, err)
	}
	return read, nil
}

func readNote(name string) (*note, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, noteMax))
	if err != nil {
		return nil, err
	}
	return parseNote(content)
}

func parseNote(content []byte) (*note, error) {
	n := &note{}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(n); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	for i := range n.Sent {
		s := &n.Sent[i]
		s.tx = new(types.Transaction)
		if err := s.tx.UnmarshalBinary(s.Raw); err != nil {
			return nil, fmt.Errorf("it is damaged: transaction %d: %w", i, err)
		}
		if s.tx.Nonce() != s.Nonce {
			return nil, fmt.Errorf("it is damaged: transaction %d has another nonce than is noted", i)
		}
	}
	return n, nil
}

func (n notes) write(w *note) error {
	content, err := json.Marshal(w)
	if err == nil {
		err = durable.Write(n.file(w.Key), content)
	}
	if err != nil {
		return fmt.Errorf("write the note of an exit: %w", err)
	}
	return nil
}
