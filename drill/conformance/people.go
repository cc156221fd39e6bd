package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/act/approve"
)

// killFile is what stands in for a person when the file on disk is found.
const killFile = "kill file"

// request puts together what a person asks for. A second factor is signed for this very request.
func (w *world) request(by string, verb lifeboat.Verb, object, factor string) lifeboat.Request {
	w.asked++
	r := lifeboat.Request{ID: fmt.Sprintf("Q-shadow-%d", w.asked), Verb: verb, Object: object, By: by}
	if factor != "" {
		if factor == "any" {
			factor = "totp"
		}
		r.Factor = &lifeboat.Factor{Kind: factor, ID: "shadow-" + by, Content: approve.DigestRequest(r), Counter: int64(w.asked)}
	}
	return r
}

// tell brings a request as far as the daemon would: the desk is asked first, and only what it permits comes into the
// journal. refused is why it does not.
func (w *world) tell(r lifeboat.Request) (refused string, err error) {
	why := w.system.Desk.Permit(w.at(), r)
	if why == nil {
		why = w.system.Breaker.Fits(w.at(), r)
	}
	if why != nil {
		var p *lifeboat.Problem
		if !errors.As(why, &p) || p.Reason == "" {
			return "", w.broken("a request of %s was refused with %q, which has no reason that docs/reasons.md explains", r.By, why)
		}
		return why.Error(), nil
	}
	return "", w.system.Flow.Tell(w.ctx, w.at(), r)
}

// wish is a person's request to move the breaker, with the factor that the plan wants for loosening it.
func (w *world) wish(by string, to lifeboat.BreakerState) (refused string, err error) {
	return w.tell(w.request(by, lifeboat.MoveBreaker, string(to), w.kit.loosen.factor))
}

// fileFound is what the daemon says when the kill file is there. Nobody is asked whether it may.
func (w *world) fileFound() error {
	return w.system.Flow.Tell(w.ctx, w.at(), w.request(killFile, lifeboat.MoveBreaker, string(lifeboat.Halted), ""))
}

// halter is the person who trips the breaker where the kit needs one to: the first of the plan who may; "" when there is
// nobody.
func (k *kit) halter() string {
	may := names(k.plan.People)
	if k.plan.Authority.Halt != "" {
		may = k.authority(k.plan.Authority.Halt).people
	}
	if len(may) == 0 {
		return ""
	}
	return may[0]
}

// halted opens a world and halts it, by a person where there is one and by the kill file otherwise.
func (k *kit) halted() (*world, error) {
	w, err := k.begin(k.plan)
	if err != nil {
		return nil, err
	}
	return w, w.halt()
}

func (w *world) halt() error {
	by := w.kit.halter()
	if by == "" || len(w.kit.haltFactor()) > 0 && w.kit.authority(w.kit.plan.Authority.Halt).need > 1 {
		if err := w.fileFound(); err != nil {
			return err
		}
		return w.want(lifeboat.Halted, "after the kill file was found")
	}
	refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Halted), w.kit.haltFactor()))
	if err != nil {
		return err
	}
	if refused != "" {
		return w.broken("%s could not halt: %s", by, refused)
	}
	return w.want(lifeboat.Halted, "after "+by+" halted it")
}

// haltFactor is the second factor that the plan wants of who halts, which no plan should.
func (k *kit) haltFactor() string {
	if k.plan.Authority.Halt == "" {
		return ""
	}
	return k.authority(k.plan.Authority.Halt).factor
}

// reducing opens a world in which only reductions pass.
func (k *kit) reducing() (*world, error) {
	w, err := k.begin(k.unlimited())
	if err != nil {
		return nil, err
	}
	by := k.halter()
	if by == "" {
		return nil, notApplicable("nobody in the plan could put the breaker to reducing")
	}
	refused, err := w.tell(w.request(by, lifeboat.MoveBreaker, string(lifeboat.Reducing), k.haltFactor()))
	if err == nil && refused != "" {
		err = w.broken("%s could not put the breaker to reducing: %s", by, refused)
	}
	if err == nil {
		err = w.want(lifeboat.Reducing, "after "+by+" asked for it")
	}
	return w, err
}

// looseners are the fewest people whose word loosens a halt that the halter made.
func (k *kit) looseners() ([]string, error) {
	people := slices.Clone(k.loosen.people)
	if k.loosen.besides {
		people = slices.DeleteFunc(people, func(name string) bool { return name == k.halter() })
	}
	if len(people) == 0 {
		return nil, notApplicable("nobody in the plan may loosen the breaker after %s", cmp.Or(k.halter(), "the kill file"))
	}
	if len(people) < k.loosen.need {
		return nil, notApplicable("the plan wants %d to loosen the breaker and has %d who could", k.loosen.need, len(people))
	}
	return people[:k.loosen.need], nil
}

// loosenTo lets all who must ask for a state, one after the other.
func (w *world) loosenTo(to lifeboat.BreakerState) error {
	people, err := w.kit.looseners()
	if err != nil {
		return err
	}
	for _, by := range people {
		refused, err := w.wish(by, to)
		if err != nil {
			return err
		}
		if refused != "" {
			return w.broken("%s, whom the plan lets loosen the breaker, could not ask for it: %s", by, refused)
		}
	}
	return nil
}

// patience is how long after the last word it takes at the most until the breaker follows, apart from hold and stage.
func (k *kit) patience() time.Duration {
	if k.loosen.waits {
		return k.wait
	}
	return 0
}

// stranger is somebody in the plan who may not loosen; "" when everybody may.
func (k *kit) stranger() string {
	for _, name := range names(k.plan.People) {
		if !slices.Contains(k.loosen.people, name) {
			return name
		}
	}
	return ""
}
