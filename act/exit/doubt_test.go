package exit

import (
	"errors"
	"strings"
	"testing"

	"lifeboat"
	"lifeboat/act/safe"
	"lifeboat/plan"
)

// damaged notes cannot be read: what was sent before is not known.
type damaged struct{ keeper }

func (damaged) read(lifeboat.Key) (*note, error) { return nil, errors.New("the note is damaged") }

// An exit of which the note cannot be read may be out. It is never told as one of which nothing was sent: a playbook would go on and
// make another.
func TestDamagedNoteIsNoRefusal(t *testing.T) {
	for name, beyond := range map[string]*plan.Beyond{"on its chain": nil, "over a bridge": {Chain: "Base"}} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, false)
			tr.desk.notes = damaged{tr.desk.notes}
			p := Prepared{Sender: tr.key.address(), Role: &Role{Module: tr.job.To, Name: "bot"}, Tx: safe.Tx{Chain: chainID.Uint64()}}
			var err error
			if p.Hash, err = p.roleHash(); err != nil {
				t.Fatal(err)
			}
			r, _ := (&Worker{Desk: func(string) *Desk { return tr.desk }}).apply(t.Context(), tr.desk, "exit-1", p, step{ExitOrder: plan.ExitOrder{Beyond: beyond}}, nil, Insist{})
			if r.Status != lifeboat.Unknown || !r.Lost || strings.Contains(r.Why, "nothing was sent") {
				t.Errorf("it is %s (lost: %t): %s", r.Status, r.Lost, r.Why)
			}
		})
	}
}
