package chain

import (
	"bytes"
	"encoding/hex"
	"errors"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// sifted reads the array of logs that a node answers with, keeps what the sieve takes and allocates nothing for the rest: of
// a thousand logs in a busy block a handful may be ours.
type sifted struct {
	sieve *sieve
	logs  []types.Log
	seen  int // logs in the answer
}

// topicsMax of a log; the machine has no more.
const topicsMax = 4

var errLog = errors.New("missing required field: a log is not of its form")

// UnmarshalJSON reads an array of logs, or null for none. The JSON is valid when it gets here.
func (s *sifted) UnmarshalJSON(data []byte) error {
	s.logs, s.seen = nil, 0
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return errLog
	}
	c := cursor{data: data}
	return c.array(func() error {
		var raw rawLog
		if err := c.object(raw.field); err != nil {
			return err
		}
		s.seen++
		return s.keep(&raw)
	})
}

// rawLog are the fields of a log where they lie in the answer.
type rawLog struct {
	address, data, number, hash, transaction, index, place []byte
	topics                                                 [topicsMax][]byte
	topicCount                                             int
	hasTopics, removed                                     bool
}

// field takes one field of the object that the cursor is in.
func (r *rawLog) field(c *cursor, name []byte) error {
	switch string(name) { // compiled without an allocation
	case "address":
		return c.text(&r.address)
	case "data":
		return c.text(&r.data)
	case "blockNumber":
		return c.text(&r.number)
	case "blockHash":
		return c.text(&r.hash)
	case "transactionHash":
		return c.text(&r.transaction)
	case "transactionIndex":
		return c.text(&r.index)
	case "logIndex":
		return c.text(&r.place)
	case "removed":
		raw, err := c.value()
		r.removed = string(raw) == "true"
		return err
	case "topics":
		r.hasTopics, r.topicCount = true, 0
		return c.array(func() error {
			if r.topicCount == topicsMax {
				return errLog
			}
			r.topicCount++
			return c.text(&r.topics[r.topicCount-1])
		})
	}
	_, err := c.value()
	return err
}

// keep decodes as much as the sieve needs, and the rest when it takes the log.
func (s *sifted) keep(r *rawLog) error {
	var address common.Address
	if !r.hasTopics || !fixed(address[:], r.address) {
		return errLog
	}
	var topics [topicsMax]common.Hash
	for i := range r.topicCount {
		if !fixed(topics[i][:], r.topics[i]) {
			return errLog
		}
	}
	if !s.sieve.takes(address, topics[:r.topicCount]) {
		return nil
	}
	l := types.Log{Address: address, Topics: make([]common.Hash, r.topicCount)}
	copy(l.Topics, topics[:r.topicCount])
	var index, place uint64
	if !fixed(l.TxHash[:], r.transaction) || !fixed(l.BlockHash[:], r.hash) || !quantity(&l.BlockNumber, r.number) ||
		!quantity(&index, r.index) || !quantity(&place, r.place) || !anyLength(&l.Data, r.data) || r.removed {
		return errLog
	}
	l.TxIndex, l.Index = uint(index), uint(place)
	s.logs = append(s.logs, l)
	return nil
}

// fixed decodes 0x… of exactly the length of to.
func fixed(to, text []byte) bool {
	if len(text) != 2+2*len(to) || text[0] != '0' || text[1] != 'x' {
		return false
	}
	_, err := hex.Decode(to, text[2:])
	return err == nil
}

func anyLength(to *[]byte, text []byte) bool {
	if len(text) < 2 || text[0] != '0' || text[1] != 'x' || len(text)%2 != 0 {
		return false
	}
	*to = make([]byte, len(text)/2-1)
	_, err := hex.Decode(*to, text[2:])
	return err == nil
}

// quantity decodes a number of at most 64 bits as JSON-RPC writes it: without leading zeros.
func quantity(to *uint64, text []byte) bool {
	if len(text) < 3 || len(text) > 18 || text[0] != '0' || text[1] != 'x' || text[2] == '0' && len(text) > 3 {
		return false
	}
	var n uint64
	for _, digit := range text[2:] {
		switch {
		case digit >= '0' && digit <= '9':
			n = n<<4 | uint64(digit-'0')
		case digit >= 'a' && digit <= 'f':
			n = n<<4 | uint64(digit-'a'+10)
		case digit >= 'A' && digit <= 'F':
			n = n<<4 | uint64(digit-'A'+10)
		default:
			return false
		}
	}
	*to = n
	return true
}

// cursor walks through JSON that is known to be valid. It checks its own steps all the same, and never runs over the end.
type cursor struct {
	data []byte
	at   int
}

func (c *cursor) next() byte {
	for c.at < len(c.data) {
		switch b := c.data[c.at]; b {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

func (c *cursor) eat(b byte) bool {
	if c.next() != b {
		return false
	}
	c.at++
	return true
}

// array calls each at the beginning of every element.
func (c *cursor) array(each func() error) error {
	if !c.eat('[') {
		return errLog
	}
	if c.eat(']') {
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if c.eat(']') {
			return nil
		}
		if !c.eat(',') {
			return errLog
		}
	}
}

// object calls field at the beginning of every value, with its name.
func (c *cursor) object(field func(*cursor, []byte) error) error {
	if !c.eat('{') {
		return errLog
	}
	if c.eat('}') {
		return nil
	}
	for {
		var name []byte
		if err := c.text(&name); err != nil {
			return err
		}
		if !c.eat(':') {
			return errLog
		}
		if err := field(c, name); err != nil {
			return err
		}
		if c.eat('}') {
			return nil
		}
		if !c.eat(',') {
			return errLog
		}
	}
}

// text takes a string as it lies there; one with an escape is left as it is, and so matches nothing.
func (c *cursor) text(to *[]byte) error {
	if !c.eat('"') {
		return errLog
	}
	start := c.at
	for c.at < len(c.data) {
		at := bytes.IndexAny(c.data[c.at:], `"\`)
		if at < 0 {
			break
		}
		c.at += at
		if c.data[c.at] == '"' {
			*to = c.data[start:c.at]
			c.at++
			return nil
		}
		c.at += 2
	}
	c.at = len(c.data)
	return errLog
}

// value passes over any value and gives it as it lies there.
func (c *cursor) value() ([]byte, error) {
	c.next()
	start, depth := c.at, 0
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case '"':
			var skipped []byte
			if err := c.text(&skipped); err != nil {
				return nil, err
			}
			if depth == 0 {
				return c.data[start:c.at], nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return bytes.TrimSpace(c.data[start:c.at]), nil
			}
			if depth--; depth == 0 {
				c.at++
				return c.data[start:c.at], nil
			}
		case ',':
			if depth == 0 {
				return bytes.TrimSpace(c.data[start:c.at]), nil
			}
		}
		c.at++
	}
	return bytes.TrimSpace(c.data[start:c.at]), nil
}
