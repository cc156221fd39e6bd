package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat"
	"lifeboat/act/task"
	"lifeboat/act/venue"
	"lifeboat/endpoint"
	"lifeboat/keep/postgres"
	"lifeboat/serve/api"
	"lifeboat/talk/heartbeat"
	"lifeboat/talk/notify"
)

// helpers do what takes its time: they bring messages to people, perform tasks, and look after endpoints. Each wakes the flow
// when something has ended, and none makes it wait.
type helpers struct {
	router    *notify.Router
	crew      *task.Crew
	endpoints *endpoint.Book
	heart     *heartbeat.Heart // nil when nobody listens
	chains    Chains
	moved     atomic.Int64 // when the flow ended its last round, in nanoseconds
}

// openHelpers opens the channels, the crew and the endpoints of the plan. Nothing is sent yet.
func (d *Daemon) openHelpers() (err error) {
	p := d.DaemonOptions.Plan
	d.endpoints, err = endpoint.New(p.Dependencies, d.Clock, nil, func(s endpoint.Status) {
		d.Log.Warn("another endpoint is in use", "dependency", s.Dependency, "endpoint", s.Active)
		d.wake()
	})
	if err != nil {
		return err
	}
	d.metrics.registry.MustRegister(d.endpoints)
	if d.chains, err = OpenChains(context.Background(), p, d.vault(), d.Clock, d.Log); err != nil {
		return err
	}
	workers, err := d.workers()
	if err != nil {
		return err
	}
	d.crew, err = task.Open(task.Options{Plan: p, PlanDir: d.PlanDir, DataDir: d.DataDir, Clock: d.Clock, Endpoints: d.endpoints, Allowed: d.AllowExec,
		Fence: func() error { return d.store.Fence() }, Shared: postgres.Is(d.Journal), Wake: d.wake, Workers: workers})
	if err != nil {
		return err
	}
	if m := p.Messages; m != nil && m.Heartbeat != nil {
		d.heart, err = heartbeat.New(m.Heartbeat.URL, time.Duration(m.Heartbeat.Every), d.Clock, nil, nil, func() time.Time { return time.Unix(0, d.moved.Load()).UTC() })
		if err != nil {
			return err
		}
	}
	d.router, err = notify.New(p, notify.Options{Clock: d.Clock, Wake: d.wake,
		Local:    notify.NewTee(notify.Console{Out: d.People}, notify.Log{Handler: d.Log.Handler()}),
		Link:     d.link, // the next two are asked within Send, by the flow that the ladder belongs to
		Standing: func(thread lifeboat.Key) (taken, over bool) { return d.Ladder.Standing(thread) },
		Silent:   func(person string, at time.Time) time.Time { return d.Ladder.Silent(person, at) }})
	return err
}

// employ lets the desk of venues use them.
func (d *Daemon) employ(desk *venue.Desk) {
	desk.Notify(d.router)
	for _, kind := range d.crew.Kinds() {
		desk.Perform(kind, d.crew)
	}
}

// client asks addresses by way of the endpoint in use.
func (h *helpers) client() *http.Client {
	return &http.Client{Transport: h.endpoints.RoundTripper(nil)}
}

// work runs what runs beside the flow.
func (h *helpers) work(ctx context.Context, group *errgroup.Group) {
	if h.heart != nil {
		group.Go(func() error { return h.heart.Run(ctx) })
	}
	group.Go(func() error { return h.endpoints.Run(ctx) })
	for _, c := range h.chains {
		group.Go(func() error { return c.Run(ctx) })
	}
	if len(h.router.Health()) > 0 { // without channels there is nothing to deliver: the console is told at once
		group.Go(func() error { return h.router.Run(ctx) })
	}
}

// wake lets the flow look at what has ended; one call that it has not heard yet is enough.
func (d *Daemon) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// tell puts what they know on the status page.
func (h *helpers) tell(s *api.Status) {
	for _, e := range h.endpoints.Status() {
		s.Endpoints = append(s.Endpoints, api.Endpoint{Dependency: e.Dependency, Active: e.Active, Backup: e.Active == endpoint.Backup, Healthy: e.Healthy, Since: e.Since, Problem: e.LastError})
	}
	h.chains.tell(s)
	for _, c := range h.router.Health() {
		s.Channels = append(s.Channels, api.Channel{Person: c.Person, Kind: c.Channel, LastOK: c.Took, Problem: c.Why})
	}
}
