package decide

import (
	"fmt"

	"lifeboat"
	"lifeboat/plan"
)

// obstructed says whether some run stands in the way of starting a trigger's playbook; with repeat set, one that
// carried it out before does not.
func (d *Desk) obstructed(incident string, f firing, t plan.Trigger, repeat bool) (lifeboat.Decision, bool) {
	playbook, _ := d.plan.Playbook(t.Playbook)
	content, _ := d.plan.PlaybookContent(playbook)
	mine := touchesOf(content)
	for _, r := range d.runs {
		done := r.Playbook == t.Playbook && r.status == lifeboat.Done
		if r.Incident != incident && r.status != lifeboat.Running || done && repeat {
			continue
		}
		if held, ok := d.obstacle(incident, f, r, t.Playbook, mine); ok {
			return held, true
		}
	}
	return lifeboat.Decision{}, false
}

// obstacle says whether run r stands in the way of starting a playbook, by rules 2 to 4.
func (d *Desk) obstacle(incident string, f firing, r run, playbook string, mine touches) (lifeboat.Decision, bool) {
	open := r.status == lifeboat.Running
	switch {
	case r.Playbook == playbook && open:
		return d.hold(incident, f, "plan", "it is already running as "+r.Run), true
	case r.Playbook == playbook && r.status == lifeboat.Done:
		held := d.hold(incident, f, "plan", "it was already carried out in this incident as "+r.Run)
		held.Repeats = r.Run
		return held, true
	case !mine.overlap(r.touches):
		return lifeboat.Decision{}, false
	case r.Tier > f.Tier && r.status == lifeboat.Done:
		return d.hold(incident, f, "plan", fmt.Sprintf("run %s of tier %d acts on the same holdings, and a lower tier must not undo it", r.Run, r.Tier)), true
	case r.Tier >= f.Tier && open:
		held := d.hold(incident, f, "plan", fmt.Sprintf("run %s acts on the same holdings; decided again when it ends", r.Run))
		held.Run = r.Run
		return held, true
	}
	return lifeboat.Decision{}, false
}
