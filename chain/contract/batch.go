package contract

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"

	"lifeboat/chain"
)

// Batch is many questions that are asked at one block. It is for one use and one goroutine.
type Batch struct {
	queries []chain.Query
	asked   []*Asked
}

// Asked is a question of a batch; what it was answered is there once the batch has been read.
type Asked struct {
	To     common.Address
	method *Method // nil for what is no call
	what   string
	answer chain.Answer
	err    error
}

// Call asks what a call would return.
func (b *Batch) Call(to common.Address, m *Method, arguments ...any) *Asked {
	return b.add(m.Query(to, arguments...), &Asked{To: to, method: m, what: m.Name()})
}

// Query of what a call would return.
func (m *Method) Query(to common.Address, arguments ...any) chain.Query {
	return chain.Query{What: chain.Call, To: to, Data: m.Pack(arguments...)}
}

// Balance asks for an address's native coins.
func (b *Batch) Balance(of common.Address) *Asked {
	return b.add(chain.Query{What: chain.Balance, To: of}, &Asked{To: of, what: "the balance"})
}

func (b *Batch) add(q chain.Query, a *Asked) *Asked {
	a.err = fmt.Errorf("%s of %s has not been read", a.what, a.To)
	b.queries, b.asked = append(b.queries, q), append(b.asked, a)
	return a
}

// Len is how many questions there are.
func (b *Batch) Len() int { return len(b.queries) }

// Read asks them all, at one block; nil takes the newest that the nodes agree on. It says which block that was.
func (b *Batch) Read(ctx context.Context, r chain.Reader, at *chain.Block) (chain.Block, error) {
	answers, block, err := r.Read(ctx, at, b.queries)
	if err != nil {
		return chain.Block{}, err
	}
	if len(answers) != len(b.queries) {
		return chain.Block{}, fmt.Errorf("%d questions got %d answers", len(b.queries), len(answers))
	}
	for i, a := range b.asked {
		a.answer, a.err = answers[i], nil
	}
	return block, nil
}

// Scan reads the answer into pointers, as [Method.Scan] does. A contract that refused is an error.
func (a *Asked) Scan(into ...any) error {
	switch {
	case a.err != nil:
		return a.err
	case a.answer.Err != nil:
		return fmt.Errorf("%s of %s: %w", a.what, a.To, a.answer.Err)
	case a.method == nil:
		*into[0].(**big.Int) = new(big.Int).SetBytes(a.answer.Data)
		return nil
	}
	if err := a.method.Scan(a.answer.Data, into...); err != nil {
		return fmt.Errorf("%s: %w", a.To, err)
	}
	return nil
}

// Refused says that the contract reverted.
func (a *Asked) Refused() bool { return a.err == nil && a.answer.Err != nil }

// Data is the answer as it came.
func (a *Asked) Data() []byte { return a.answer.Data }

// Text reads a symbol or a name. Some old tokens, such as MKR, say theirs as 32 bytes instead of a string.
func (a *Asked) Text() (string, error) {
	if a.err == nil && a.answer.Err == nil && len(a.answer.Data) == 32 {
		return printable(string(trimZeros(a.answer.Data))), nil
	}
	var text string
	if err := a.Scan(&text); err != nil {
		return "", err
	}
	return printable(text), nil
}

func trimZeros(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// printable is what may be shown of a text that a stranger chose: anybody can deploy a token whose symbol clears the screen.
func printable(text string) string {
	kept := make([]rune, 0, 32)
	for _, c := range text {
		if len(kept) == 32 {
			break
		}
		if c > ' ' && c < 0x7f {
			kept = append(kept, c)
		}
	}
	return string(kept)
}
