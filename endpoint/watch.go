package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Run looks after every dependency until ctx ends: it probes the endpoint in use, changes over when that fails and another
// is healthy, and changes back when the primary has recovered.
func (b *Book) Run(ctx context.Context) error {
	b.mu.Lock()
	b.live = true
	b.mu.Unlock()
	var wait sync.WaitGroup
	for _, d := range b.all {
		wait.Go(func() {
			for ctx.Err() == nil {
				b.watch(ctx, d)
				b.pause(ctx, d)
			}
		})
	}
	wait.Wait()
	return nil
}

// look asks for a look at a dependency as soon as possible; one that is asked for already is enough.
func (d *dependency) look() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// pause until the next look is due or asked for. While something is wrong it is due soon, and not sooner however much fails.
func (b *Book) pause(ctx context.Context, d *dependency) {
	b.mu.Lock()
	every, now := steadyEvery, b.clock.Now()
	if d.endpoints[d.active].problem != "" {
		every = troubleEvery
	}
	b.mu.Unlock()
	sleeping, wake := context.WithCancel(ctx)
	defer wake()
	if every == steadyEvery {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-d.kick:
				wake()
			case <-stop:
			}
		}()
	}
	_ = b.clock.Sleep(sleeping, now.Add(every)) // that it was cut short is the purpose
}

// watch looks at one dependency once.
func (b *Book) watch(ctx context.Context, d *dependency) {
	d.work.Lock()
	defer d.work.Unlock()
	b.mu.Lock()
	active, held := d.active, d.held
	e := d.endpoints[active]
	doubtful := e.doubted || e.problem != ""
	b.mu.Unlock()
	if d.probe != "" || doubtful || active != 0 {
		b.probe(ctx, d, e)
	}
	if held || ctx.Err() != nil {
		return
	}
	if b.down(e) {
		b.leave(ctx, d, active)
	} else if active != 0 && b.probe(ctx, d, d.endpoints[0]) == "" && b.recovered(d) {
		b.change(d, 0, false)
	}
}

func (b *Book) down(e *endpoint) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(e.failures, e.missed) >= failuresMax
}

// leave an endpoint that is down for the first other one that is healthy; when none is, it stays.
func (b *Book) leave(ctx context.Context, d *dependency, active int) {
	for i, other := range d.endpoints {
		if i != active && b.probe(ctx, d, other) == "" {
			b.change(d, i, false)
			return
		}
	}
}

// recovered reports that the primary has been healthy for long enough.
func (b *Book) recovered(d *dependency) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	long := recoveredAfter
	for range d.changes / 2 {
		long = min(2*long, recoveredMax)
	}
	primary := d.endpoints[0]
	return !primary.sound.IsZero() && b.clock.Now().Sub(primary.sound) >= long
}

// change over to an endpoint that was found healthy just now.
func (b *Book) change(d *dependency, to int, held bool) {
	e := d.endpoints[to]
	b.mu.Lock()
	e.failures, e.missed = 0, 0
	e.well(b.clock.Now())
	b.mu.Unlock()
	e.circuit.Close()
	b.use(d, to, held)
}

func (b *Book) use(d *dependency, to int, held bool) {
	b.mu.Lock()
	changed := d.active != to
	if changed {
		d.active, d.since, d.changes = to, b.clock.Now(), d.changes+1
	}
	d.held = held
	status := d.status()
	b.mu.Unlock()
	if changed && b.changed != nil {
		b.changed(status)
	}
}

// probe looks whether an endpoint is healthy; "" when it is, and what is wrong otherwise.
func (b *Book) probe(ctx context.Context, d *dependency, e *endpoint) string {
	problem := b.ask(ctx, d, e)
	if ctx.Err() != nil {
		return "nobody waited for its answer"
	}
	b.mu.Lock()
	now := b.clock.Now()
	e.doubted = false
	if problem != "" {
		e.missed++
		e.sound, e.problem = time.Time{}, problem
	} else if e.missed = 0; now.Sub(e.failedAt) >= forgetAfter || e.failures == 0 {
		e.failures = 0
		e.well(now)
	}
	b.mu.Unlock()
	if problem == "" && !e.circuit.IsClosed() && d.probe != "" {
		e.circuit.Close()
	}
	return problem
}

// ask an endpoint for its probe: 2xx is healthy. Without one, anything that it answers for itself is.
func (b *Book) ask(ctx context.Context, d *dependency, e *endpoint) (problem string) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	address := d.endpoints[0].base
	if written, err := url.Parse(d.probe); err == nil && d.probe != "" {
		address = address.JoinPath(written.Path)
		address.RawQuery = written.RawQuery
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return "its probe is no path"
	}
	request.Header.Set("User-Agent", "lifeboat")
	response, err := b.probes.RoundTrip(e.lead(request, d.endpoints[0].base))
	if err != nil {
		return discreet(ctx, err)
	}
	_ = response.Body.Close() // its status is all that counts
	if d.probe != "" && response.StatusCode/100 != 2 || inTrouble(response) {
		return told(response)
	}
	return ""
}

// FailOver changes a dependency over because a person wants it: the endpoint must be healthy before, and if it is not
// afterwards, as requests reach it, everything is as it was. What was changed over to the backup stays there until somebody
// changes back. The facts are for the receipt; Apply reads them after a restart.
func (b *Book) FailOver(ctx context.Context, dependency, to string) (said string, facts map[string]string, err error) {
	b.mu.Lock()
	b.live = true
	d := b.named(dependency)
	b.mu.Unlock()
	if d == nil {
		return "", nil, fmt.Errorf("the plan has no dependency %q with an address", dependency)
	}
	i := d.index(to)
	if i < 0 {
		return "", nil, fmt.Errorf("%s has no %s", dependency, to)
	}
	d.work.Lock()
	defer d.work.Unlock()
	if problem := b.probe(ctx, d, d.endpoints[i]); problem != "" {
		return "", nil, fmt.Errorf("the %s of %s is not healthy (%s); nothing was changed", to, dependency, problem)
	}
	b.mu.Lock()
	before, held := d.active, d.held
	b.mu.Unlock()
	b.change(d, i, i != 0)
	if problem := b.probe(ctx, d, b.order(d)[0]); problem != "" {
		b.use(d, before, held)
		return "", nil, fmt.Errorf("the %s of %s was not healthy after the change (%s); requests go to the %s again",
			to, dependency, problem, d.endpoints[before].name)
	}
	said = fmt.Sprintf("requests to %s go to its %s; it was healthy before and after", dependency, to)
	return said, map[string]string{factDependency: dependency, factEndpoint: to}, nil
}
