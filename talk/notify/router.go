package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// The limits of a router.
const (
	// channelMax is how long one attempt at one channel may take.
	channelMax = 5 * time.Second
	// queueMax bounds the deliveries under way; beyond it a message is refused, and the flow comes again with it.
	queueMax = 1024
	// endedMax is how many ended messages are remembered, so that a repeat is not sent.
	endedMax = 4096
	// gatherMax is how long a word of information waits for others to the same person.
	gatherMax = time.Second
	// againMin and againMax are the first and the longest pause between two rounds of a person's channels.
	againMin, againMax = 5 * time.Second, 5 * time.Minute
	// patience is how long a message is tried. One that matters is told again by talk/escalate, and sooner to somebody else.
	patience, patienceUrgent = time.Hour, time.Minute
)

// Router brings messages to people. The flow's goroutine calls Send and Ask, which never wait; Run does the work.
type Router struct {
	o         Options
	portfolio string
	in        *time.Location
	people    []*person
	secrets   *secrets
	poke      chan struct{}
	work      sync.WaitGroup

	mu    sync.Mutex // guards all that follows, and the health of channels
	jobs  map[lifeboat.Key]*job
	queue []*task // not ended, in the order in which they came
	busy  map[slot]bool
	ended map[lifeboat.Key]lifeboat.Receipt
	order []lifeboat.Key // of ended, oldest first
}

// job is a message under way.
type job struct {
	key     lifeboat.Key
	at      time.Time
	message lifeboat.Message
	tasks   []*task
}

// task is a message on its way to one person.
type task struct {
	*job
	to       *person
	tier     lifeboat.Tier
	standing Standing
	link     string
	due      time.Time // of the next round; not before the quiet hours end
	since    time.Time // of the first round
	rounds   int
	working  bool
	ended    bool
	took     string // what took it: mail
	failed   string // what did not, and why
}

// A person gets one message of a class at a time, in order; an emergency waits for nothing less.
type slot struct {
	to    *person
	class class
}

type class uint8

const (
	calm class = iota
	urgent
	emergency
)

// New opens every channel of the plan. It asks no server, so a channel that does not work shows when it is used or tested.
func New(p *plan.Plan, o Options) (*Router, error) {
	s := newSecrets(o.Env)
	all, err := people(p, o, s)
	if err != nil {
		return nil, err
	}
	r := &Router{o: o, portfolio: p.Portfolio.Name, in: time.UTC, people: all, secrets: s, poke: make(chan struct{}, 1),
		jobs: map[lifeboat.Key]*job{}, busy: map[slot]bool{}, ended: map[lifeboat.Key]lifeboat.Receipt{}}
	if len(all) > 0 {
		r.in = all[0].in
	}
	return r, nil
}

// Send queues a message and answers Accepted, or Sent when everybody it is for has no channel but the local ones.
func (r *Router) Send(ctx context.Context, at time.Time, key lifeboat.Key, m lifeboat.Message) (lifeboat.Receipt, error) {
	if known, err := r.Ask(ctx, at, key); err == nil {
		return known, nil
	}
	local := errors.New("there is neither a channel nor a console")
	if r.o.Local != nil {
		local = r.o.Local.Send(ctx, at, key, m)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	j := &job{key: key, at: at, message: m}
	for _, name := range m.To {
		t := r.task(j, at, name)
		if len(r.waysOf(t)) == 0 {
			if local != nil {
				return lifeboat.Receipt{}, fmt.Errorf("tell %s: %w", name, local)
			}
			t.ended, t.took = true, "the console, having no channel for it"
		}
		j.tasks = append(j.tasks, t)
	}
	if len(r.queue)+len(j.tasks) > queueMax {
		return lifeboat.Receipt{}, fmt.Errorf("%d deliveries are under way already", len(r.queue))
	}
	for _, t := range j.tasks {
		if !t.ended {
			r.queue = append(r.queue, t)
		}
	}
	r.jobs[key] = j
	if r.settle(j) {
		return r.ended[key], nil
	}
	r.prod()
	return lifeboat.Receipt{Key: key, Status: lifeboat.Accepted, Why: j.waits(at)}, nil
}

// Ask says where a message stands: Unknown while it is under way, then Sent, or rejected when nothing took it.
func (r *Router) Ask(_ context.Context, at time.Time, key lifeboat.Key) (lifeboat.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if receipt, ok := r.ended[key]; ok {
		return receipt, nil
	}
	if j := r.jobs[key]; j != nil {
		return lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Why: j.waits(at)}, nil
	}
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

// task is a message for one addressee. Somebody whom the plan no longer names has no channels.
func (r *Router) task(j *job, at time.Time, name string) *task {
	t := &task{job: j, tier: j.message.Tier, due: at}
	if j.message.Question {
		t.tier = max(t.tier, lifeboat.Action)
	}
	if i := slices.IndexFunc(r.people, func(p *person) bool { return p.name == name }); i >= 0 {
		t.to = r.people[i]
	} else {
		t.to = &person{name: name, in: r.in}
	}
	if j.message.Thread != "" && r.o.Standing != nil {
		t.standing = standing(r.o.Standing(j.message.Thread))
	}
	if r.o.Link != nil {
		t.link = r.o.Link(at, j.key, name, j.message.Question)
	}
	if t.tier < lifeboat.Emergency {
		t.due = r.awake(t.to, at)
	}
	if t.class() == calm {
		t.due = t.due.Add(gatherMax)
	}
	t.since = t.due
	return t
}

func standing(taken, over bool) Standing {
	switch {
	case over:
		return Over
	case taken:
		return Taken
	}
	return Open
}

// awake is when a message below tier 3 may reach a person: after the quiet hours, and the silence the person asked for.
func (r *Router) awake(who *person, at time.Time) time.Time {
	if r.o.Silent != nil {
		if until := r.o.Silent(who.name, at); until.After(at) {
			at = until
		}
	}
	return who.rest.Until(at)
}

func (t *task) class() class {
	switch {
	case t.tier >= lifeboat.Emergency:
		return emergency
	case t.tier >= lifeboat.Action:
		return urgent
	}
	return calm
}

// waysOf a task are the person's channels for its tier. Word of how a matter stands goes to pagers alone where there are
// some: they show it.
func (r *Router) waysOf(t *task) []*way {
	var ways []*way
	for _, w := range t.to.channels {
		if w.tier <= max(t.tier, lifeboat.Watch) {
			ways = append(ways, w)
		}
	}
	if t.standing != Open {
		if pagers := slices.DeleteFunc(slices.Clone(ways), func(w *way) bool { return !w.keeps }); len(pagers) > 0 {
			return pagers
		}
	}
	return ways
}

// waits says in words what a message under way waits for.
func (j *job) waits(at time.Time) string {
	var parts []string
	for _, t := range j.tasks {
		switch {
		case t.ended:
			parts = append(parts, t.told())
		case t.rounds == 0 && t.due.Sub(at) > gatherMax:
			parts = append(parts, fmt.Sprintf("%s rests until %s", t.to.name, t.due.In(t.to.in).Format("15:04 MST")))
		case t.rounds > 0:
			parts = append(parts, fmt.Sprintf("%s not reached yet: %s", t.to.name, t.failed))
		default:
			parts = append(parts, t.to.name+" is being told")
		}
	}
	return "the message is on its way: " + strings.Join(parts, "; ")
}

// told is how a person was reached, or not.
func (t *task) told() string {
	switch {
	case t.took == "":
		return fmt.Sprintf("%s not reached: %s", t.to.name, t.failed)
	case t.failed != "":
		return fmt.Sprintf("%s by %s after %s", t.to.name, t.took, t.failed)
	}
	return fmt.Sprintf("%s by %s", t.to.name, t.took)
}

// settle ends a message when all its deliveries have. The lock is held.
func (r *Router) settle(j *job) bool {
	status, parts := lifeboat.OrderRejected, []string(nil)
	for _, t := range j.tasks {
		if !t.ended {
			return false
		}
		if t.took != "" {
			status = lifeboat.Sent
		}
		parts = append(parts, t.told())
	}
	why := strings.Join(parts, "; ")
	if len(j.tasks) == 0 {
		why = "it is addressed to nobody"
	}
	delete(r.jobs, j.key)
	r.ended[j.key] = lifeboat.Receipt{Key: j.key, Status: status, Why: why}
	r.order = append(r.order, j.key)
	if len(r.order) > endedMax {
		delete(r.ended, r.order[0])
		r.order = slices.Delete(r.order, 0, 1)
	}
	return true
}

func (r *Router) prod() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// Run delivers until ctx ends, and returns when the last attempt has.
func (r *Router) Run(ctx context.Context) error {
	defer r.work.Wait()
	for {
		next := r.start(ctx)
		wake, cancel := context.WithCancel(ctx)
		alarm := make(chan struct{})
		go func() {
			defer close(alarm)
			_ = r.o.Clock.Sleep(wake, next)
		}()
		select {
		case <-ctx.Done():
		case <-alarm:
		case <-r.poke:
		}
		cancel()
		<-alarm
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// idle is how long Run sleeps when nothing waits; a new message wakes it.
const idle = time.Hour

// start sends off what is due and says when to look again.
func (r *Router) start(ctx context.Context) (next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Clock.Now()
	next = now.Add(idle)
	for _, t := range r.queue {
		at := slot{t.to, t.class()}
		switch {
		case t.working || r.busy[at]: // its end pokes
		case t.due.After(now):
			if t.due.Before(next) {
				next = t.due
			}
		default:
			together := r.together(t, now)
			for _, one := range together {
				one.working = true
			}
			r.busy[at] = true
			r.work.Go(func() { r.round(ctx, at, together) })
		}
	}
	return next
}

// together are the messages that go as one: words of information to one person that are due. Everything else goes alone,
// because it is acknowledged or answered by its own key.
func (r *Router) together(t *task, now time.Time) []*task {
	if t.class() != calm || t.standing != Open || slices.ContainsFunc(t.to.channels, func(w *way) bool { return w.keeps }) {
		return []*task{t}
	}
	const togetherMax = 20
	var all []*task
	for _, one := range r.queue {
		if one.to == t.to && one.class() == calm && one.standing == Open && !one.working && !one.due.After(now) && len(all) < togetherMax {
			all = append(all, one)
		}
	}
	return all
}

// round tries a person's channels once.
func (r *Router) round(ctx context.Context, at slot, together []*task) {
	first := together[0]
	took, failed := r.bring(ctx, r.deliveryOf(together), r.waysOf(first), first.class() == emergency && first.standing == Open)
	if r.note(at, together, took, failed) && r.o.Wake != nil {
		r.o.Wake()
	}
}

// note what became of a round, and report whether a message has ended.
func (r *Router) note(at slot, together []*task, took, failed string) (settled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, at)
	now := r.o.Clock.Now()
	for _, t := range together {
		t.working, t.took, t.failed = false, took, failed
		t.rounds++
		if t.due = now.Add(pause(t.rounds)); took != "" || t.due.Sub(t.since) > t.patience() {
			t.ended = true
			settled = r.settle(t.job) || settled
		}
	}
	r.queue = slices.DeleteFunc(r.queue, func(t *task) bool { return t.ended })
	r.prod()
	return settled
}

// pause before the next round.
func pause(rounds int) time.Duration {
	return min(againMin<<min(rounds-1, 10), againMax)
}

func (t *task) patience() time.Duration {
	if t.class() == calm {
		return patience
	}
	return patienceUrgent
}

func (r *Router) deliveryOf(together []*task) Delivery {
	t := together[0]
	d := Delivery{Key: t.key, Thread: t.key, Person: t.to.name, At: t.at, Tier: t.tier, Question: t.message.Question, Standing: t.standing,
		Link: t.link, Content: t.message.Content}
	if t.message.Thread != "" {
		d.Thread = t.message.Thread
	}
	subject, text := t.message.Subject, t.message.Text
	if len(together) > 1 {
		subject = fmt.Sprintf("%d messages", len(together))
		var texts []string
		for _, one := range together {
			texts = append(texts, fmt.Sprintf("%s: %s", one.at.In(t.to.in).Format("15:04"), strings.TrimSpace(one.message.Text)))
		}
		text = strings.Join(texts, "\n\n")
	}
	return put(r.portfolio, t.to.in, d, subject, text)
}

// bring hands a delivery to the first channel that takes it, or to all of them at once.
func (r *Router) bring(ctx context.Context, d Delivery, ways []*way, all bool) (took, failed string) {
	errs := make([]error, len(ways))
	tried := len(ways)
	if all {
		var each sync.WaitGroup
		for i, w := range ways {
			each.Go(func() { errs[i] = r.attempt(ctx, w, d) })
		}
		each.Wait()
	} else {
		for i, w := range ways {
			if errs[i] = r.attempt(ctx, w, d); errs[i] == nil {
				tried = i + 1
				break
			}
		}
	}
	var taken, refused []string
	for i, w := range ways[:tried] {
		if errs[i] == nil {
			taken = append(taken, w.kind)
		} else {
			refused = append(refused, fmt.Sprintf("%s (%s)", w.kind, errs[i]))
		}
	}
	return strings.Join(taken, " and "), strings.Join(refused, ", ")
}

// attempt is one try at one channel within the time that it has.
func (r *Router) attempt(ctx context.Context, w *way, d Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, channelMax)
	defer cancel()
	err := w.Send(ctx, d)
	if err != nil {
		err = errors.New(r.secrets.Scrub(err.Error()))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.health.note(r.o.Clock.Now(), err)
	return err
}
