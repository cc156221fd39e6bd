// Package task carries out what a playbook does beside orders: it calls an address, runs one of the plan's commands, lets
// Terraform plan and apply, and changes a dependency over to another endpoint. A [Worker] of another package adds kinds, such
// as a withdrawal, which are then noted, bounded and scrubbed like these.
//
// A [Crew] takes a task on and answers at once, because a command may take an hour and the flow must not wait for it. The
// work is done by a few at a time; the flow asks how it stands, and is woken when something ended.
//
// What makes it safe to ask is a note for each key in the data directory, synced before the work begins and again when it
// has ended. After a crash the note says what is true: nothing was begun, so it may be sent; it was taken on and not begun,
// so the crew goes on with it; it was begun and its end is not known, so it is done again only if the owner said that this
// does no harm or its worker first looks what became of it, and otherwise a person must look; or it ended, and this is its
// receipt. Notes are evidence like the journal
// and are never removed: a few kilobytes for each task ever performed.
//
// What a person stops is stopped, where its worker is a [Stopper]: a task that was not begun never is, and one that is under way is left off as
// long as nothing of it is out. The note says so too, so that a crash makes nothing go on. All other kinds run to their end.
//
// What is held waits ([Crew.Hold]): nothing begins of a task whose run a person has paused, or that was authorised before the breaker was halted.
//
// The crew decides nothing. Who may have a task performed is asked, and the intent written, before it hears of it. It keeps
// no secrets: what a step refers to as ${NAME} is looked up when the work begins, and taken out of what is told about it.
package task

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

// Kinds of tasks that every crew performs.
var Kinds = []string{"http", "exec", "terraform-plan", "terraform-apply", "failover"}

const (
	atOnceMax = 4                   // tasks of our own kinds under way at the same time
	workMax   = 16                  // tasks of workers: they mostly wait for somebody else, and must not hold up a failover
	tasksMax  = 64                  // that are under way or wait for their turn; one more is refused
	limitMax  = 24 * time.Hour      // for one task, whatever its step says
	waitMax   = 31 * 24 * time.Hour // for one of a kind that waits ([Waiter]) and says so itself
)

// limits are how long a task may take whose step says nothing.
var limits = map[string]time.Duration{
	"http": 2 * time.Minute, "exec": time.Hour, "failover": time.Minute,
	"terraform-plan": 15 * time.Minute, "terraform-apply": time.Hour,
}

// Options say for whom a crew works, and with what.
type Options struct {
	Plan    *plan.Plan
	PlanDir string // where commands run and Terraform's configurations lie
	DataDir string // where notes and saved plans are kept
	Clock   lifeboat.Clock
	// Endpoints lead calls to the endpoint in use, and change it; nil when the plan has no dependencies.
	Endpoints Endpoints
	// Allowed are the plan's commands that the daemon was started with leave to run.
	Allowed []string
	// Terraform is the program, Terraform or OpenTofu; terraform on the PATH when empty.
	Terraform string
	// Fence fails when another lifeboat has taken over. It is asked just before work begins, which may be long after the
	// flow asked; nil never fails.
	Fence func() error
	// Shared says that the journal has another machine beside this one, whose notes are not here: that there is no note
	// proves nothing.
	Shared bool
	// Wake is called when a task has ended, from any goroutine.
	Wake func()
	// Transport carries calls; a plain one when nil.
	Transport *http.Transport
	// Workers perform the kinds of tasks that this package does not know.
	Workers map[string]Worker
}

// Endpoints of the plan's dependencies.
type Endpoints interface {
	// RoundTripper leads requests to the endpoint in use.
	RoundTripper(base http.RoundTripper) http.RoundTripper
	// FailOver changes a dependency over, with a look at its health before and after. When it fails nothing has changed.
	// The facts are what the endpoints make of the receipt after a restart.
	FailOver(ctx context.Context, dependency, to string) (said string, facts map[string]string, err error)
}

// Crew performs tasks. It is safe for concurrent use.
type Crew struct {
	Options
	notes     notes
	scrub     scrubber
	transport http.RoundTripper

	ctx   context.Context // ends when the crew goes home
	stop  context.CancelFunc
	slots chan struct{} // of our own kinds
	desks chan struct{} // of the workers' kinds
	wait  sync.WaitGroup
	mu    sync.Mutex // guards what follows, the notes, and that a key is taken on once
	under map[lifeboat.Key]*underWay
	holds map[lifeboat.Key]string // of which nothing may begin :: → why
	// changed is closed, and another one takes its place, when of some task it is news whether it is held.
	changed chan struct{}
}

// underWay is a task that was not ended yet, as far as the notes go.
type underWay struct {
	said *lifeboat.Receipt // nil, or how far it has come; the receipt when its end could not be noted
	stop chan struct{}     // closed when it is to be left off

	held   string        // why nothing more of it may begin; "" when it may
	since  time.Time     // it is held
	spared time.Duration // for which it was held, and that was not given back to it yet
	goesOn bool          // nothing holds it any more: it has begun, and its kind goes on to its end
}

// Open makes a crew that knows what its notes say.
func Open(o Options) (*Crew, error) {
	kept, err := openNotes(filepath.Join(o.DataDir, "tasks"))
	if err != nil {
		return nil, &lifeboat.Problem{Reason: "notes-unreadable", What: fmt.Sprintf("the notes of tasks cannot be kept: %v", err),
			Money: "no task was performed", Next: "mend the rights or the disk, then start again", Err: err}
	}
	c := &Crew{Options: o, notes: kept, scrub: newScrubber(o.Plan),
		slots: make(chan struct{}, atOnceMax), desks: make(chan struct{}, workMax), under: map[lifeboat.Key]*underWay{}, changed: make(chan struct{})}
	c.transport = OneCallEach(o.Transport)
	if o.Endpoints != nil {
		c.transport = o.Endpoints.RoundTripper(c.transport)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c, nil
}

// Kinds of tasks that the crew performs.
func (c *Crew) Kinds() []string {
	return slices.Concat(Kinds, slices.Sorted(maps.Keys(c.Workers)))
}

// Close stops what is under way and waits until it has. The next start finds it begun without an end, as after a crash.
func (c *Crew) Close() {
	c.stop()
	c.wait.Wait()
}

// Perform takes a task on. The same key again says where it stands; with another task under it, it is refused.
func (c *Crew) Perform(_ context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known, err := c.notes.read(key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case known && n.Task != digest(t):
		return notPerformed(key, "another task was performed under this key"), nil
	case known:
		return c.stands(n, t), nil
	case len(c.under) >= tasksMax:
		full := notPerformed(key, "%d tasks are under way already; nothing was begun", tasksMax)
		full.Facts = transient()
		return full, nil
	}
	do, err := c.prepare(key, t)
	if err != nil {
		return notPerformed(key, "%v; nothing was begun", err), nil
	}
	n = note{Key: key, Kind: t.Kind, Task: digest(t), At: at, State: taken}
	if err := c.notes.write(n); err != nil {
		return lifeboat.Receipt{}, err
	}
	c.begin(n, t.Kind, do)
	return c.under[key].stands(key), nil
}

// Ask says where a task stands; lifeboat.ErrAbsent is the notes' proof that it was never taken on.
func (c *Crew) Ask(_ context.Context, _ time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known, err := c.notes.read(key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case known:
		return c.stands(n, t), nil
	case c.Shared && !c.repeatable(t):
		return elsewhere(key), nil
	}
	return lifeboat.Receipt{}, lifeboat.ErrAbsent
}

// Stop has a task left off as soon as nothing of it is out, and says where it stands. That it was stopped is durable: one that was not
// begun never is, and one that an earlier start had begun hears of it when it is gone on with. A task of a kind that cannot be stopped
// goes on to its end.
func (c *Crew) Stop(ctx context.Context, at time.Time, key lifeboat.Key, t lifeboat.Task) (lifeboat.Receipt, error) {
	if !c.stops(t.Kind) {
		return c.Ask(ctx, at, key, t)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known, err := c.notes.read(key)
	switch {
	case err != nil:
		return lifeboat.Receipt{}, err
	case !known && c.Shared && !c.repeatable(t):
		return elsewhere(key), nil
	case !known: // it was lost on its way, or taken on by another machine
		n = note{Key: key, Kind: t.Kind, Task: digest(t), At: at, State: taken}
	}
	if n.State != ended && !n.Stopped {
		n.Stopped = true
		if err := c.notes.write(n); err != nil {
			return lifeboat.Receipt{}, err
		}
	}
	if w := c.under[key]; w != nil && !w.stopped() {
		close(w.stop)
	}
	return c.stands(n, t), nil
}

// stops reports a kind of tasks that can be stopped.
func (c *Crew) stops(kind string) bool {
	w, is := c.Workers[kind].(Stopper)
	return is && w.Stops(kind)
}

// stands says where a task is of which there is a note. What an earlier start left is gone on with where that is safe: it was
// authorised, written and accepted then.
func (c *Crew) stands(n note, t lifeboat.Task) lifeboat.Receipt {
	w := c.under[n.Key]
	switch {
	case w != nil:
		return w.stands(n.Key)
	case n.State == ended:
		return n.Receipt
	case n.State == begun && !c.repeatable(t):
		return lost(n.Key, "it was under way when lifeboat stopped; a person must look what became of it")
	case len(c.under) >= tasksMax:
		return accepted(n.Key) // its turn comes at a later question
	}
	do, err := c.prepare(n.Key, t)
	if err != nil {
		if n.State == begun {
			return lost(n.Key, fmt.Sprintf("it was under way when lifeboat stopped, and cannot be done again: %v", err))
		}
		return notPerformed(n.Key, "%v; nothing was begun", err)
	}
	c.begin(n, t.Kind, do)
	return c.under[n.Key].stands(n.Key)
}

// stands says how far it has come, or what holds it. It is called with the crew's mu held.
func (w *underWay) stands(key lifeboat.Key) lifeboat.Receipt {
	r := accepted(key)
	switch {
	case w.said != nil:
		return *w.said
	case w.held != "":
		r.Why = w.held
	}
	return r
}

// prepare reads the step's text, so that what cannot be right is refused before anything is noted.
func (c *Crew) prepare(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	if w := c.Workers[t.Kind]; w != nil {
		return w.Prepare(key, t)
	}
	switch t.Kind {
	case "http":
		return c.call(key, t)
	case "exec":
		return c.command(key, t)
	case "terraform-plan":
		return c.planning(key, t)
	case "terraform-apply":
		return c.applying(key, t)
	case "failover":
		return c.failover(key, t)
	}
	return Work{}, fmt.Errorf("nobody here performs a task of kind %q", t.Kind)
}

// begin is called with mu held.
func (c *Crew) begin(n note, kind string, w Work) {
	if w.Limit <= 0 {
		w.Limit = cmp.Or(limits[kind], limitMax)
	}
	w.Limit = min(w.Limit, c.longest(kind))
	under := &underWay{stop: make(chan struct{})}
	if c.under[n.Key] = under; n.Stopped {
		close(under.stop)
	}
	under.hold(c.holds[n.Key], c.Clock.Now())
	if n.Why != "" {
		so := n.progress()
		under.said = &so
	}
	c.wait.Go(func() {
		receipt, err := c.carryOut(n, w, under)
		c.end(n.Key, receipt, err)
	})
}

// longest is how long a task of a kind may last, whatever it says.
func (c *Crew) longest(kind string) time.Duration {
	if w, is := c.Workers[kind].(Waiter); is && w.Waits(kind) {
		return waitMax
	}
	return limitMax
}

// carryOut does the work between two notes. A receipt with an error is one that could not be noted; an error alone says that
// the end is open.
func (c *Crew) carryOut(n note, w Work, under *underWay) (*lifeboat.Receipt, error) {
	free, err := c.turn(n, under)
	switch {
	case free != nil:
		defer free()
	case errors.Is(err, errStopped):
		return c.ended(n, notPerformed(n.Key, "it was stopped before it was begun"))
	}
	if err != nil {
		return nil, err
	}
	if c.Fence != nil {
		if err := c.Fence(); err != nil {
			return nil, err
		}
	}
	progress := Progress{At: n.At, Again: n.State == begun || c.Shared, Elsewhere: c.Shared, Facts: n.Facts, Stop: under.stop}
	progress.Held = func() string { why, _ := c.held(under); return why }
	began, err := c.start(&n)
	if err != nil {
		return nil, err
	}
	if !began {
		return c.ended(n, notPerformed(n.Key, "it was stopped before it was begun"))
	}
	progress.Keep = func(why string, facts map[string]string) error {
		n.Why, n.Facts = shorten(c.scrub.clean(why), whyMax), facts
		return c.note(n)
	}
	ctx, cancel := c.within(w.Limit, n.Kind, under)
	defer cancel()
	receipt := c.bounded(n.Key, w.Do(ctx, progress))
	if c.ctx.Err() != nil && receipt.Status != lifeboat.Performed {
		return nil, c.ctx.Err() // it was cut off by us, and did not fail of itself
	}
	return c.ended(n, receipt)
}

// start notes that a task is begun, unless it was stopped before. One that an earlier start or perhaps another machine has begun is
// gone on with all the same, to find out what became of it.
func (c *Crew) start(n *note) (began bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.Stopped = c.under[n.Key].stopped(); n.Stopped && n.State == taken && !c.Shared {
		return false, nil
	}
	n.State = begun
	return true, c.notes.write(*n)
}

// ended notes how a task ended.
func (c *Crew) ended(n note, receipt lifeboat.Receipt) (*lifeboat.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n.State, n.Receipt, n.Why, n.Facts, n.Stopped = ended, receipt, "", nil, c.under[n.Key].stopped()
	return &receipt, c.notes.write(n)
}

// stopped is called with the crew's mu held.
func (w *underWay) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// note makes durable how far a task has come, and lets the flow hear of it.
func (c *Crew) note(n note) error {
	if sizeOf(n.Facts) > factsMax {
		return fmt.Errorf("keep the progress of a task: it is longer than %d bytes", factsMax)
	}
	if err := c.progressed(n); err != nil {
		return err
	}
	if c.Wake != nil {
		c.Wake()
	}
	return nil
}

func (c *Crew) progressed(n note) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.under[n.Key]
	n.Stopped = w.stopped()
	if err := c.notes.write(n); err != nil {
		return err
	}
	so := n.progress()
	w.said = &so
	return nil
}

// bounded is a receipt as it may be kept and told. One that does not say how the task ended leaves that open.
func (c *Crew) bounded(key lifeboat.Key, r lifeboat.Receipt) lifeboat.Receipt {
	switch {
	case r.Status != lifeboat.Performed && r.Status != lifeboat.NotPerformed && !r.Lost:
		r = lost(key, cmp.Or(r.Why, "nobody said how it ended")+"; a person must look")
	case sizeOf(r.Facts) > factsMax && r.Status != lifeboat.Performed:
		r.Facts = nil
	case sizeOf(r.Facts) > factsMax:
		r.Facts, r.Why = nil, fmt.Sprintf("what was found out is longer than %d bytes and could not be kept", factsMax)
	}
	r.Key, r.Output, r.Why = key, shorten(c.scrub.clean(r.Output), outputMax), shorten(c.scrub.clean(r.Why), whyMax)
	return r
}

func (c *Crew) end(key lifeboat.Key, receipt *lifeboat.Receipt, err error) {
	c.mu.Lock()
	if receipt != nil && err != nil {
		c.under[key].said = receipt
	} else {
		delete(c.under, key) // and what was kept of its progress, which the note has
	}
	c.mu.Unlock()
	if receipt != nil && c.Wake != nil {
		c.Wake()
	}
}

// repeatable tasks may be begun a second time under their key: those of which the owner says so, and those that by their
// nature only look, or lead to the same end twice, or whose worker looks first.
func (c *Crew) repeatable(t lifeboat.Task) bool {
	if w := c.Workers[t.Kind]; w != nil && w.LooksFirst(t.Kind) {
		return true
	}
	return t.Repeatable || t.Kind == "terraform-plan" || t.Kind == "failover"
}

func accepted(key lifeboat.Key) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Status: lifeboat.Accepted, Why: "it is under way"}
}

func performed(key lifeboat.Key, why, output string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Status: lifeboat.Performed, Why: why, Output: output}
}

func notPerformed(key lifeboat.Key, why string, args ...any) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Status: lifeboat.NotPerformed, Why: fmt.Sprintf(why, args...)}
}

// transient is the fact about a failure that trying again may help.
func transient() map[string]string { return map[string]string{"failure": "transient"} }

func elsewhere(key lifeboat.Key) lifeboat.Receipt {
	return lost(key, "it may have been begun on another machine, whose notes are not here; a person must look")
}

func lost(key lifeboat.Key, why string) lifeboat.Receipt {
	return lifeboat.Receipt{Key: key, Status: lifeboat.Unknown, Why: why, Lost: true}
}

// inside finds a directory that must lie in the plan directory, links followed.
func (c *Crew) inside(dir string) (string, error) {
	root, err := filepath.EvalSymlinks(c.PlanDir)
	if err != nil {
		return "", errors.New("the plan directory cannot be read")
	}
	if root, err = filepath.Abs(root); err != nil {
		return "", errors.New("the plan directory cannot be found")
	}
	if dir != "" && !filepath.IsLocal(filepath.FromSlash(dir)) {
		return "", fmt.Errorf("the directory %q is not inside the plan directory", dir)
	}
	full, err := filepath.EvalSymlinks(filepath.Join(root, filepath.FromSlash(dir)))
	if err != nil {
		return "", fmt.Errorf("the plan directory has no directory %q", dir)
	}
	if full != root && !strings.HasPrefix(full, root+string(filepath.Separator)) {
		return "", fmt.Errorf("the directory %q leads out of the plan directory", dir)
	}
	return full, nil
}
