package history

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lifeboat/session"
)

// A ticker is given to another asset after a halt, and its values then have another scale: LUNA stopped on 13 May 2022
// at 0.00005 and came back on 31 May as another coin at 8.56. Neither sign is enough alone: exchanges fail for a day, and
// crashes fall by four fifths while they trade. The guard of live values waits longer before it calls a silence a halt,
// because it cannot ask anybody; an import can, and tells the owner of each.
const (
	haltCadences = 24        // longer than so many steps is a halt
	haltMin      = time.Hour // and never shorter than this
	jumpFactor   = 5.0
)

func halted(c *session.Calendar, cadence time.Duration, from, to int64) bool {
	return marketTime(c, from, to) > max(haltCadences*cadence, haltMin)
}

func jumped(from, to float64) bool {
	return from > 0 && to > 0 && math.Abs(math.Log(to/from)) > math.Log(jumpFactor)
}

// parts of the sheet that are one asset each: usually one. What lies behind a halt and a jump is left out, or becomes a
// series of its own, as the owner says; it is never glued on in silence.
func (t *settled) parts() ([]*settled, error) {
	cuts := t.halts()
	if len(cuts) == 0 || t.options.Same {
		return []*settled{t}, nil
	}
	all := *t
	width := len(t.columns)
	part := func(i, j int) *settled {
		p, sh := all, *t.sheet
		sh.rows, sh.values = all.rows[i:j], all.values[i*width:j*width]
		p.sheet = &sh
		p.opened, p.known = all.opened[i:j], all.known[i:j]
		return &p
	}
	symbol := t.columns[t.primary()].symbol
	at := func(i int) string { return time.Unix(0, all.known[i]).UTC().Format(time.RFC3339) }
	if !t.options.Split {
		t.report.LeftOut += len(all.known) - cuts[0]
		t.note("%s stops at %s with %s and goes on at %s with %s: that may be another asset, so the rows after are left out; import them under another name with --series %s-2 --from %s, or all at once with --split, or say --same if it is the same asset",
			symbol, at(cuts[0]-1), short(t.price(cuts[0]-1)), at(cuts[0]), short(t.price(cuts[0])), symbol, at(cuts[0]))
		return []*settled{part(0, cuts[0])}, nil
	}
	var parts []*settled
	start := 0
	for n, cut := range append(cuts, len(all.known)) {
		p := part(start, cut)
		if n > 0 {
			p.columns = slices.Clone(p.columns)
			for i := range p.columns {
				p.columns[i].symbol = fmt.Sprintf("%s-%d", p.columns[i].symbol, n+1)
			}
			t.note("the rows from %s on are imported as %s: they follow a halt and a jump", at(start), strings.Join(symbolsOf(p.columns), ", "))
		}
		parts = append(parts, p)
		start = cut
	}
	return parts, nil
}

func symbolsOf(columns []column) []string {
	var names []string
	for _, c := range columns {
		if !slices.Contains(names, c.symbol) {
			names = append(names, c.symbol)
		}
	}
	return names
}

// price of a row; NaN when it has none.
func (t *settled) price(row int) float64 { return t.values[row*len(t.columns)+t.primary()] }

// halts are the rows that follow one with a jump. A table of several series is not cut: its rows are not one asset's.
func (t *settled) halts() (cuts []int) {
	if len(symbolsOf(t.columns)) > 1 || t.columns[t.primary()].bar != "close" || t.columns[t.primary()].level {
		return nil
	}
	last := -1
	for i := range t.known {
		v := t.price(i)
		if math.IsNaN(v) {
			continue
		}
		if last >= 0 && halted(t.calendar, t.cadence, t.known[last], t.known[i]) && jumped(t.price(last), v) {
			cuts = append(cuts, i)
		}
		last = i
	}
	return cuts
}
