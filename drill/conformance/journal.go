package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lifeboat"
)

// A memory is a journal that ends with the check. It keeps what a journal on disk would keep, the encoded entries, so that
// a system folded from it knows no more than one that was started again.
type memory struct {
	entries []entry
	ends    []int // how many entries there were after each append: what a crash can leave
}

type entry struct {
	at   time.Time
	word string
	body []byte
}

// Append makes the events part of the journal, all or none.
func (m *memory) Append(at time.Time, events ...lifeboat.Event) error {
	var batch []entry
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode %s: %w", e.Word(), err)
		}
		batch = append(batch, entry{at, e.Word(), body})
	}
	m.entries = append(m.entries, batch...)
	m.ends = append(m.ends, len(m.entries))
	return nil
}

// event as it was before it was encoded; nil when nobody knows it.
func (e entry) event() lifeboat.Event {
	event, err := lifeboat.Decode(e.word, e.body)
	if err != nil {
		return nil
	}
	return event
}

// upTo is the journal as a crash after so many appends left it.
func (m *memory) upTo(appends int) *memory {
	n := 0
	if appends > 0 {
		n = m.ends[appends-1]
	}
	return &memory{slices.Clone(m.entries[:n]), slices.Clone(m.ends[:appends])}
}

// each hands the entries over as a restart reads them.
func (m *memory) each(from int, visit func(at time.Time, e lifeboat.Event)) error {
	for _, entry := range m.entries[from:] {
		e, err := lifeboat.Decode(entry.word, entry.body)
		if err != nil {
			return err
		}
		visit(entry.at, e)
	}
	return nil
}

// all events of one word since the n-th entry.
func all[E lifeboat.Event](m *memory, from int) []E {
	var found []E
	for _, entry := range m.entries[from:] {
		var e E
		if entry.word != e.Word() {
			continue
		}
		if err := json.Unmarshal(entry.body, &e); err == nil {
			found = append(found, e)
		}
	}
	return found
}

// linesMax bounds what a finding shows of the journal.
const linesMax = 12

// lines are the last entries that say what became of orders and of the breaker, as the journal has them.
func (m *memory) lines() []string {
	var lines []string
	for _, e := range slices.Backward(m.entries) {
		if len(lines) == linesMax {
			break
		}
		switch e.word {
		case "readings", "gap", "plan", "decision", "step-started", "step-finished":
			continue
		case "run-started": // its content would fill the page
			var r lifeboat.RunStarted
			if json.Unmarshal(e.body, &r) == nil {
				lines = append(lines, fmt.Sprintf("%s run-started {%q, playbook %q, by %q}", e.at.Format(time.RFC3339), r.Run, r.Playbook, r.By))
			}
			continue
		}
		body := []rune(string(e.body))
		if len(body) > 240 {
			body = append(body[:240], '…')
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", e.at.Format(time.RFC3339), e.word, string(body)))
	}
	slices.Reverse(lines)
	return lines
}
