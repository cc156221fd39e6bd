package history

import (
	"fmt"
	"time"

	"lifeboat"
)

// Stream is one series on its way to a [Player]: what is in memory, and how to get more.
type Stream struct {
	Series lifeboat.Series
	Source string
	Columns
	// More gives the next values, later than all before; none when there are no more. The player is done with the
	// former ones then, so that the same memory may be used again. Nil when Columns are all.
	More func() (Columns, error)
}

// Player lays many series over each other: each call gives the next instant with all that became known then, in the
// order of the streams. It allocates nothing per instant.
//
// The streams wait in a heap, ordered by the time of their next value and then by their number.
type Player struct {
	streams  []Stream
	at       []int // :: stream → its next value
	heap     []turn
	readings []lifeboat.Reading
	told     []int // :: place in readings → the stream that stood there last
	err      error
}

// A turn is when a stream is next.
type turn struct {
	time   int64
	stream int32
}

func (t turn) before(other turn) bool {
	return t.time < other.time || t.time == other.time && t.stream < other.stream
}

// NewPlayer takes the streams; their columns stay the caller's and must not change meanwhile.
func NewPlayer(streams []Stream) (*Player, error) {
	p := &Player{streams: streams, at: make([]int, len(streams)), heap: make([]turn, 0, len(streams)),
		readings: make([]lifeboat.Reading, 0, len(streams)), told: make([]int, len(streams))}
	for i := range streams {
		p.told[i] = -1
		if len(streams[i].Times) == 0 {
			p.more(i)
		}
		if p.err != nil {
			return nil, p.err
		}
		if len(streams[i].Times) > 0 {
			p.heap = append(p.heap, turn{streams[i].Times[0], int32(i)})
		}
	}
	for i := len(p.heap)/2 - 1; i >= 0; i-- {
		p.sink(i)
	}
	return p, nil
}

// Next instant; false at the end and after an error. Its readings are the player's and last until the next call.
func (p *Player) Next() (lifeboat.Instant, bool) {
	if len(p.heap) == 0 || p.err != nil {
		return lifeboat.Instant{}, false
	}
	now := p.heap[0].time
	p.readings = p.readings[:0]
	for p.err == nil && len(p.heap) > 0 && p.heap[0].time == now {
		i := int(p.heap[0].stream)
		s := &p.streams[i]
		p.tell(i, s.Values[p.at[i]])
		p.advance(i, s, now)
	}
	return lifeboat.Instant{At: time.Unix(0, now).UTC(), Readings: p.readings}, p.err == nil
}

// tell a value. Series of one pace stand at the same place instant after instant, where only the value is new.
func (p *Player) tell(stream int, value float64) {
	n := len(p.readings)
	p.readings = p.readings[:n+1]
	r := &p.readings[n]
	if p.told[n] != stream || r.Quality != lifeboat.Good || !r.At.IsZero() {
		s := &p.streams[stream]
		*r = lifeboat.Reading{Series: s.Series, Source: s.Source}
		p.told[n] = stream
	}
	r.Value = value
}

// Err is why the player stopped; nil at the end of all streams.
func (p *Player) Err() error { return p.err }

// advance the stream at the head of the heap.
func (p *Player) advance(i int, s *Stream, now int64) {
	if p.at[i]++; p.at[i] == len(s.Times) {
		if p.more(i); len(s.Times) == 0 {
			last := len(p.heap) - 1
			p.heap[0] = p.heap[last]
			p.heap = p.heap[:last]
			p.sink(0)
			return
		}
	}
	next := s.Times[p.at[i]]
	if next <= now {
		p.err = fmt.Errorf("the times of %s do not increase after %s", s.Series, time.Unix(0, now).UTC().Format(time.RFC3339Nano))
	}
	p.heap[0].time = next
	p.sink(0)
}

// more fetches the next values of a stream, or leaves it empty.
func (p *Player) more(i int) {
	s := &p.streams[i]
	s.Columns, p.at[i] = Columns{}, 0
	if s.More == nil || p.err != nil {
		return
	}
	s.Columns, p.err = s.More()
	if len(s.Times) != len(s.Values) && p.err == nil {
		p.err = fmt.Errorf("%s has %d times and %d values", s.Series, len(s.Times), len(s.Values))
	}
	if p.err != nil {
		s.Columns = Columns{}
	}
}

// sink restores the order of the heap below i.
func (p *Player) sink(i int) {
	if i >= len(p.heap) {
		return
	}
	moved := p.heap[i]
	for {
		child := 2*i + 1
		if child >= len(p.heap) {
			break
		}
		if right := child + 1; right < len(p.heap) && p.heap[right].before(p.heap[child]) {
			child = right
		}
		if moved.before(p.heap[child]) {
			break
		}
		p.heap[i] = p.heap[child]
		i = child
	}
	p.heap[i] = moved
}
