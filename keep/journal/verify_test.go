package journal_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/keep/journal"
	"lifeboat/keep/journal/journaltest"
)

// FuzzVerify changes bytes of one sealed entry in any way: Verify never panics, and whatever it accepts is what was
// written. FuzzEvent below does the same to decoding.
func FuzzVerify(f *testing.F) {
	f.Add(uint8(1), int64(2), int64(0), "firing", []byte(`{}`), []byte{}, []byte{})
	f.Add(uint8(0), int64(-1), int64(-1), "", []byte(nil), make([]byte, 32), make([]byte, 32))
	m := journal.Memory()
	if err := m.Append(noon, journaltest.EveryWord()...); err != nil {
		f.Fatal(err)
	}
	var all []journal.Entry
	for e := range m.Entries(context.Background(), 1) {
		all = append(all, e)
	}
	head, _ := m.Head()
	f.Fuzz(func(t *testing.T, place uint8, seq, at int64, word string, body, prev, hash []byte) {
		e := journal.Entry{Seq: seq, At: time.Unix(0, at).UTC(), Word: word, Body: body}
		copy(e.Prev[:], prev)
		copy(e.Hash[:], hash)
		i := int(place) % len(all)
		forged := append(append(append(journaltest.Slice{}, all[:i]...), e), all[i+1:]...)
		report, err := journal.Verify(context.Background(), forged, head.Mark())
		if err == nil || lifeboat.KindOf(err) != lifeboat.Tampered || report.Broken == nil {
			t.Fatalf("a forged entry %d was accepted: %+v, %v", i+1, report, err)
		}
	})
}

// FuzzEvent reads arbitrary entries: an error or an event, which can be written again and told.
func FuzzEvent(f *testing.F) {
	m := journal.Memory()
	if err := m.Append(noon, journaltest.EveryWord()...); err != nil {
		f.Fatal(err)
	}
	for e := range m.Entries(context.Background(), 1) {
		f.Add(e.Word, e.Body)
	}
	f.Add("rumour", []byte("{}"))
	f.Add("firing", binary.BigEndian.AppendUint64(nil, 1))
	f.Fuzz(func(t *testing.T, word string, body []byte) {
		e := journal.Entry{Seq: 1, At: noon, Word: word, Body: body}
		line := journal.Tell(e, nil)
		for _, r := range line {
			if r < ' ' || r == 0x7f {
				t.Fatalf("%q would steer a terminal", line)
			}
		}
		event, err := e.Event()
		if err != nil {
			return
		}
		sealed, err := journal.Seal(journal.Entry{}, noon, event)
		if err != nil {
			return // a year that JSON can be read with and not written
		}
		back, err := sealed.Event()
		if err != nil {
			t.Fatalf("%s was read, written and not read again: %v", body, err)
		}
		if again, err := journal.Seal(journal.Entry{}, noon, back); err != nil || again.Hash != sealed.Hash {
			t.Fatalf("%s\nwritten again is\n%s %v", sealed.Body, again.Body, err)
		}
	})
}

func FuzzParseMark(f *testing.F) {
	f.Add("1:" + "00000000000000000000000000000000000000000000000000000000000000ab")
	f.Add("+1:")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := journal.ParseMark(text)
		if err != nil {
			return
		}
		if again, err := journal.ParseMark(m.String()); err != nil || again != m {
			t.Fatalf("%q became %v", text, again)
		}
	})
}
