package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"lifeboat"
	"lifeboat/serve/api"
)

// metrics are what Prometheus scrapes; they follow the published status.
type metrics struct {
	registry   *prometheus.Registry
	readings   prometheus.Counter
	suspects   prometheus.Counter
	feedErrors prometheus.Counter
	unsaved    prometheus.Counter
	tier       prometheus.Gauge
	value      prometheus.Gauge
	entries    prometheus.Gauge
	orders     prometheus.Gauge
	runs       prometheus.Gauge
	questions  prometheus.Gauge
	incident   prometheus.Gauge
	updated    prometheus.Gauge
	breaker    prometheus.Gauge
	held       prometheus.Gauge
	fired      *prometheus.GaugeVec
	blind      *prometheus.GaugeVec
	fresh      *prometheus.GaugeVec
	reached    *prometheus.GaugeVec
	stated     *prometheus.GaugeVec
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "lifeboat", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lifeboat", Name: name, Help: help})
	}
	vector := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "lifeboat", Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		readings:   counter("readings_total", "Readings taken since the start."),
		suspects:   counter("suspect_readings_total", "Readings that were received and refused since the start."),
		feedErrors: counter("feed_errors_total", "Failures of feeds, told once per outage."),
		unsaved:    counter("state_save_failures_total", "Times that the state of the operators could not be saved; the next restart takes longer."),
		tier:       gauge("tier", "The highest tier that has fired and not cleared; 0 is calm."),
		value:      gauge("portfolio_value", "Value of the portfolio in its base currency; absent data keeps the last."),
		entries:    gauge("journal_entries", "Entries in the journal."),
		orders:     gauge("open_orders", "Orders whose end is not known."),
		runs:       gauge("open_runs", "Runs that have not ended."),
		questions:  gauge("open_questions", "Questions that wait for a person."),
		incident:   gauge("incident_open", "1 while an incident is open."),
		updated:    gauge("status_timestamp_seconds", "When the status was last made; an old one means that the flow stands still."),
		breaker:    gauge("breaker", "Where the breaker stands: 0 active, 1 reducing, 2 halted."),
		held:       gauge("held_accounts", "Accounts to which no order is sent until they were compared with their venue."),
		fired:      vector("trigger_fired", "1 while the trigger has fired and not cleared.", "trigger", "tier"),
		blind:      vector("trigger_no_data", "1 while the trigger cannot be evaluated for want of fresh data.", "trigger"),
		fresh:      vector("series_fresh", "1 while the series has fresh data from the source.", "series", "source"),
		reached:    vector("venue_reached", "1 while the last call to the account's venue, or chain, succeeded.", "account", "venue"),
		stated:     vector("venue_statement_timestamp_seconds", "When the venue, or the chain, last said what the account holds.", "account", "venue"),
	}
	m.registry.MustRegister(m.readings, m.suspects, m.feedErrors, m.unsaved, m.tier, m.value, m.entries, m.orders, m.runs, m.questions, m.incident,
		m.updated, m.breaker, m.held, m.fired, m.blind, m.fresh, m.reached, m.stated)
	return m
}

func (m *metrics) follow(s api.Status) {
	m.tier.Set(float64(s.Tier))
	if s.Value != nil {
		m.value.Set(*s.Value)
	}
	m.entries.Set(float64(s.Journal.Entries))
	m.orders.Set(float64(s.Orders))
	m.runs.Set(float64(len(s.Runs)))
	m.questions.Set(float64(len(s.Questions)))
	m.incident.Set(truth(s.Incident != nil))
	m.held.Set(float64(len(s.Held)))
	m.breaker.Set(strictness(s.Breaker.State))
	m.updated.Set(float64(s.At.UnixMilli()) / 1000)
	for _, t := range s.Triggers {
		m.fired.WithLabelValues(t.Name, tierLabel(t.Tier)).Set(truth(t.State == "fired"))
		m.blind.WithLabelValues(t.Name).Set(truth(len(t.NoData) > 0))
	}
	for _, series := range s.Series {
		m.fresh.WithLabelValues(series.Name, series.Source).Set(truth(series.Fresh))
	}
	for _, v := range s.Venues {
		m.reached.WithLabelValues(v.Account, v.Venue).Set(truth(v.LastOK != nil && v.Problem == ""))
		if v.Stated != nil {
			m.stated.WithLabelValues(v.Account, v.Venue).Set(float64(v.Stated.Unix()))
		}
	}
}

// strictness of a state; what is no state is the strictest.
func strictness(state string) float64 {
	switch lifeboat.BreakerState(state) {
	case lifeboat.Active:
		return 0
	case lifeboat.Reducing:
		return 1
	}
	return 2
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func tierLabel(tier int) string { return string(rune('0' + tier)) }
