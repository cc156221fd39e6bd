package alert

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"lifeboat"
	"lifeboat/watch/state"
)

const (
	// form is the first thing in what is kept. Another form gets another number.
	form = "lifeboat alerts 1"
	// KeptMax bounds what is kept, in bytes: some 56 for each message that was taken.
	KeptMax = 1 << 20
)

// Memory keeps what a source has to know after a restart: which messages were taken, and what stands. There is nothing secret in it; of
// a message it has the time and a digest of its signature.
type Memory struct {
	// Load gives what was saved last; nothing when there is none.
	Load func() ([]byte, error)
	// Save makes it durable before it returns.
	Save func(content []byte) error
}

// errOther is a file that is no memory of this feed.
var errOther = errors.New("it is damaged, or of another feed or form")

// Recall what a memory says, and keep in it from now on what is taken. It is called before Seen.
func (s *Source) Recall(m Memory) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = m
	content, err := m.Load()
	if err == nil && len(content) > 0 {
		err = s.read(content)
	}
	if err != nil {
		s.forget("the file of them cannot be read: " + err.Error())
	}
}

func (s *Source) read(content []byte) error {
	whole := max(0, len(content)-sha256.Size)
	if sum := sha256.Sum256(content[:whole]); !bytes.Equal(sum[:], content[whole:]) {
		return errOther
	}
	c := state.Reader(content[:whole])
	s.kept(c)
	if c.Err() != nil || !(s.level >= 0 && s.level <= levelMax) {
		return errOther
	}
	return nil
}

// kept is what has to outlast the program.
func (s *Source) kept(c *state.Codec) {
	said, series := form, s.feed.Series
	c.Text(&said)
	c.Text(&series)
	if said != form || series != s.feed.Series {
		c.Fail()
	}
	c.Time(&s.alive)
	c.Time(&s.doubt)
	c.Time(&s.silent)
	c.Float(&s.level)
	c.Text(&s.words)
	c.Time(&s.at)
	n := c.Length(len(s.seen))
	if !c.Reading() {
		for digest, until := range s.seen {
			c.Text(&digest)
			c.Time(&until)
		}
		return
	}
	for range min(n, seenMax) {
		var digest string
		var until time.Time
		c.Text(&digest)
		c.Time(&until)
		s.seen[digest] = until
	}
}

// save what is known now. A source without a memory has nothing to save.
func (s *Source) save(now time.Time) error {
	if s.memory.Save == nil {
		return nil
	}
	if now.After(s.alive) { // whoever waited for the lock comes with an older time
		s.alive = now
	}
	c := state.Writer()
	s.kept(c)
	sum := sha256.Sum256(c.Bytes())
	return s.memory.Save(append(c.Bytes(), sum[:]...))
}

// forget what cannot be relied on. What was sent up to now may have been taken, so it is not taken any more; what stood may still stand.
func (s *Source) forget(why string) {
	now := s.clock.Now()
	clear(s.seen)
	s.doubt, s.alive, s.standing = now, now, standing{silent: now.Add(lasts)}
	s.trouble = &lifeboat.Problem{Reason: "alerts-forgotten",
		What:  fmt.Sprintf("it is not known which alerts of %s were taken before the start: %s", s.feed.Series, why),
		Money: "nothing was sent; alerts from before the start are refused for the five minutes in which they could be taken twice, and for an hour nothing is said that is not heard",
		Next:  "nothing; who sent an alert in the last minutes signs and sends it again"}
}

// unkept says that nothing can be saved.
func (s *Source) unkept(err error) error {
	return &lifeboat.Problem{Reason: "alerts-forgotten",
		What:  fmt.Sprintf("what is taken of %s cannot be kept: %v", s.feed.Series, err),
		Money: "nothing was sent; alerts are refused until it can",
		Next:  "free space, or mend the rights of the data directory", Err: err}
}
