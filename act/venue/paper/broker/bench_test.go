package broker_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"lifeboat/act/venue/paper/broker"
)

// BenchmarkOrders places limit orders through the whole handler, with the ledger on disk: every second one fills, the others
// come to rest beside those that rest already. It reports orders per second of processor time; 2,000 are promised.
func BenchmarkOrders(b *testing.B) {
	for _, resting := range []int{0, 1000} {
		b.Run(fmt.Sprint("resting=", resting), func(b *testing.B) {
			clock := &still{now: morning}
			p, err := broker.New(broker.Options{Clock: clock, Data: b.TempDir(), Cash: decimal.New(1, 12)})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close()
			place := func(n int, limit string) string {
				body := fmt.Sprintf(`{"symbol":"SPY","qty":"1","side":"buy","type":"limit","limit_price":"%s","time_in_force":"gtc","client_order_id":"b-%d"}`, limit, n)
				w := httptest.NewRecorder()
				p.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/orders", strings.NewReader(body)))
				if w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
				return w.Body.String()[7:43]
			}
			for n := range resting {
				place(-n-1, "100")
			}
			clock.now = clock.now.Add(time.Second)
			cpu, n := processorTime(b), 0
			for b.Loop() {
				n++
				if n%100 == 0 { // time passes, and quotes are shown anew
					clock.mu.Lock()
					clock.now = clock.now.Add(50 * time.Millisecond)
					clock.mu.Unlock()
				}
				if place(n, []string{"100", "640"}[n%2]); n%500 == 0 {
					if err := p.Sync(); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(n)/(processorTime(b)-cpu).Seconds(), "orders/cpu-s")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
