// Package state writes the state of operators down and reads it back, so that a restart needs not take in again every
// reading that ever was.
//
// One function serves both ways: a type with state has a method that hands each of its fields to a [Codec], which
// writes them when it is writing and fills them when it is reading. So the two can never disagree about order.
//
//	func (s *stream) State(c *state.Codec) {
//		c.Float(&s.value)
//		c.Time(&s.day)
//		s.closes.State(c)
//	}
//
// The form is for the same program that wrote it: it has no field names and knows no versions. Whoever stores it puts
// a fingerprint of the graph and of the program beside it, and throws it away when that differs. It does no I/O.
package state

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// lengthMax bounds every list and text that is read, so that a damaged file cannot ask for all memory there is.
const lengthMax = 1 << 24

// ErrDamaged is a state that ends too early, or says what no state can say.
var ErrDamaged = errors.New("the saved state is damaged")

// Codec writes or reads one state, field by field. The first error stays; what is read after it is zero.
type Codec struct {
	buffer  []byte
	reading bool
	err     error
}

// Writer makes a codec that writes.
func Writer() *Codec { return &Codec{} }

// Reader makes a codec that reads what a writer wrote. It keeps the slice and does not change it.
func Reader(saved []byte) *Codec { return &Codec{buffer: saved, reading: true} }

// Reading says which way it goes, for a field that is more than a copy.
func (c *Codec) Reading() bool { return c.reading }

// Bytes are what was written.
func (c *Codec) Bytes() []byte { return c.buffer }

// Err is the first error; for a reader also when not all was read, so ask at the end.
func (c *Codec) Err() error {
	if c.err == nil && c.reading && len(c.buffer) > 0 {
		return ErrDamaged
	}
	return c.err
}

// Broken is the first error so far; what is still to be read is none.
func (c *Codec) Broken() error { return c.err }

// Fail notes that what was read cannot be right.
func (c *Codec) Fail() {
	if c.err == nil {
		c.err = ErrDamaged
	}
}

// Uint64 is the form of every field but texts.
func (c *Codec) Uint64(v *uint64) {
	if !c.reading {
		c.buffer = binary.LittleEndian.AppendUint64(c.buffer, *v)
		return
	}
	if c.err != nil || len(c.buffer) < 8 {
		c.Fail()
		*v = 0
		return
	}
	*v = binary.LittleEndian.Uint64(c.buffer)
	c.buffer = c.buffer[8:]
}

// Int64 keeps the sign.
func (c *Codec) Int64(v *int64) {
	u := uint64(*v)
	c.Uint64(&u)
	*v = int64(u)
}

// Int of any size.
func (c *Codec) Int(v *int) {
	i := int64(*v)
	c.Int64(&i)
	*v = int(i)
}

// Float keeps every bit, those of a NaN too.
func (c *Codec) Float(v *float64) {
	u := math.Float64bits(*v)
	c.Uint64(&u)
	*v = math.Float64frombits(u)
}

// Bool is one or zero.
func (c *Codec) Bool(v *bool) {
	var u uint64
	if *v {
		u = 1
	}
	c.Uint64(&u)
	*v = u == 1
}

// Duration in nanoseconds.
func (c *Codec) Duration(v *time.Duration) {
	i := int64(*v)
	c.Int64(&i)
	*v = time.Duration(i)
}

// Time in UTC, to the nanosecond; the zero time stays zero.
func (c *Codec) Time(v *time.Time) {
	seconds, nanos := v.Unix(), int64(v.Nanosecond())
	c.Int64(&seconds)
	c.Int64(&nanos)
	if !c.reading {
		return
	}
	if nanos < 0 || nanos >= int64(time.Second) {
		c.Fail()
		return
	}
	if *v = time.Unix(seconds, nanos).UTC(); v.Equal(time.Time{}) || c.err != nil {
		*v = time.Time{}
	}
}

// Text of at most 16 MiB.
func (c *Codec) Text(v *string) {
	n := c.Length(len(*v))
	if !c.reading {
		c.buffer = append(c.buffer, *v...)
		return
	}
	if n > len(c.buffer) {
		c.Fail()
		n = 0
	}
	*v, c.buffer = string(c.buffer[:n]), c.buffer[n:]
}

// Length of a list: the given one when writing, the written one when reading; zero after an error.
func (c *Codec) Length(n int) int {
	c.Int(&n)
	if n < 0 || n > lengthMax || c.err != nil {
		c.Fail()
		return 0
	}
	return n
}

// Floats is a list of values. Reading keeps the slice's memory where it suffices.
func (c *Codec) Floats(v *[]float64) {
	n := c.Length(len(*v))
	if c.reading {
		if n > len(c.buffer)/8 {
			c.Fail()
			n = 0
		}
		if cap(*v) < n {
			*v = make([]float64, n)
		}
		*v = (*v)[:n]
	}
	for i := range *v {
		c.Float(&(*v)[i])
	}
}
