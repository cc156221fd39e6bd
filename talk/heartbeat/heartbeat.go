// Package heartbeat tells an outside receiver that lifeboat is alive, so that somebody notices when it goes quiet: a dead
// man's switch. A machine that is off cannot say so, and neither can a process that hangs.
//
// [Heart] asks the receiver's address at an interval, and only while the flow really moves: whoever drives the flow says when
// its last round ended, and a heart whose flow stands still is silent, even though its own goroutine still runs.
//
// It judges nothing else: a flow that moves and whose feeds are dead beats on, because that has alarms of its own.
package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"lifeboat"
)

const (
	// everyDefault is the interval when the plan names none.
	everyDefault = time.Minute
	// stillMax is how long the flow may rest between two rounds before the heart stops: a daemon has one every 30 s.
	stillMax = 90 * time.Second
	// askMax is how long one beat may take.
	askMax = 10 * time.Second
)

// Heart beats.
type Heart struct {
	url    string
	every  time.Duration
	clock  lifeboat.Clock
	client *http.Client
	moved  func() time.Time

	mu     sync.Mutex
	status Status
}

// Status of the heart.
type Status struct {
	Beat     time.Time `json:"beat,omitzero"` // the last that the receiver took
	Failures int       `json:"failures,omitempty"`
	Why      string    `json:"why,omitempty"` // of the last that failed, or why none was sent; "" while all is well
}

var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// New makes a heart. In url ${NAME} stands for a key from the environment (os.LookupEnv when env is nil); every is 1m when 0;
// moved says when the flow ended its last round.
func New(url string, every time.Duration, clock lifeboat.Clock, client *http.Client, env func(string) (string, bool), moved func() time.Time) (*Heart, error) {
	if env == nil {
		env = os.LookupEnv
	}
	var missing []string
	url = reference.ReplaceAllStringFunc(url, func(r string) string {
		name := reference.FindStringSubmatch(r)[1]
		value, ok := env(name)
		if !ok || value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		return nil, &lifeboat.Problem{Reason: "environment-lacks", What: "the environment has no " + strings.Join(missing, ", ") + ", which the heartbeat needs", Money: "nothing was started",
			Next: "set it and start again"}
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if every <= 0 {
		every = everyDefault
	}
	return &Heart{url: url, every: every, clock: clock, client: &own, moved: moved}, nil
}

// Run beats until ctx ends.
func (h *Heart) Run(ctx context.Context) error {
	for {
		h.beat(ctx)
		if err := h.clock.Sleep(ctx, h.clock.Now().Add(h.every)); err != nil {
			return err
		}
	}
}

// Status as it stands.
func (h *Heart) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

func (h *Heart) beat(ctx context.Context) {
	err := fmt.Errorf("the flow stands still, so nothing is sent")
	if now := h.clock.Now(); now.Sub(h.moved()) <= max(stillMax, h.every) {
		err = h.ask(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.status.Failures++
		h.status.Why = err.Error()
		return
	}
	h.status = Status{Beat: h.clock.Now()}
}

// ask posts once. Errors do not name the address: whoever knows it could beat in lifeboat's place.
func (h *Heart) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, nil)
	if err != nil {
		return errors.New("the receiver's address cannot be asked")
	}
	request.Header.Set("User-Agent", "lifeboat")
	response, err := h.client.Do(request)
	var slow net.Error
	switch {
	case errors.As(err, &slow) && slow.Timeout():
		return errors.New("the receiver did not answer in time")
	case err != nil:
		return errors.New("the receiver cannot be reached")
	}
	defer response.Body.Close()
	const answerMax = 64 << 10
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, answerMax))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("the receiver answers %d %s", response.StatusCode, http.StatusText(response.StatusCode))
	}
	return nil
}
