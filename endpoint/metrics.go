package endpoint

import "github.com/prometheus/client_golang/prometheus"

// The book is a prometheus.Collector of what its Status says.
var (
	activeMetric   = metric("endpoint_active", "1 for the endpoint of the dependency that is in use.", "dependency", "endpoint")
	healthyMetric  = metric("endpoint_healthy", "1 while the endpoint in use answers well.", "dependency")
	heldMetric     = metric("endpoint_held", "1 while a person's choice of the endpoint stands.", "dependency")
	failuresMetric = metric("endpoint_failures", "Failures in a row of the endpoint in use.", "dependency")
	changesMetric  = metric("endpoint_changes_total", "Changes to another endpoint since the start.", "dependency")
)

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lifeboat_"+name, help, labels, nil)
}

// Describe the metrics.
func (b *Book) Describe(to chan<- *prometheus.Desc) {
	for _, m := range []*prometheus.Desc{activeMetric, healthyMetric, heldMetric, failuresMetric, changesMetric} {
		to <- m
	}
}

// Collect the metrics.
func (b *Book) Collect(to chan<- prometheus.Metric) {
	gauge := func(m *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m, prometheus.GaugeValue, value, labels...)
	}
	for i, s := range b.Status() {
		for _, e := range b.all[i].endpoints {
			gauge(activeMetric, truth(e.name == s.Active), s.Dependency, e.name)
		}
		gauge(healthyMetric, truth(s.Healthy), s.Dependency)
		gauge(heldMetric, truth(s.Held), s.Dependency)
		gauge(failuresMetric, float64(s.Failures), s.Dependency)
		to <- prometheus.MustNewConstMetric(changesMetric, prometheus.CounterValue, float64(s.Changes), s.Dependency)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
