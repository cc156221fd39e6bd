package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// web is how channels ask servers: no redirect is followed, because what an address holds is meant for its host alone.
type web struct {
	client  *http.Client
	secrets *secrets
}

func newWeb(client *http.Client, s *secrets) web {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return web{client: &own, secrets: s}
}

// answerMax is more than any of these servers has to say.
const answerMax = 64 << 10

// do asks once, and hands over what a 2xx came with. Errors name neither the address nor what it holds.
func (w web) do(request *http.Request) ([]byte, error) {
	request.Header.Set("User-Agent", "lifeboat")
	response, err := w.client.Do(request)
	if err != nil {
		return nil, discreet(request.Context(), err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err != nil {
		return nil, discreet(request.Context(), err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return nil, fmt.Errorf("it answers %d %s%s", response.StatusCode, http.StatusText(response.StatusCode), w.said(body))
	}
	return body, nil
}

// said is the beginning of an answer that explains a refusal.
func (w web) said(body []byte) string {
	const saidMax = 120
	text := strings.Join(strings.Fields(plain(w.secrets.Scrub(string(body)))), " ")
	if text == "" || strings.HasPrefix(text, "<") {
		return ""
	}
	return ": " + cut(text, saidMax)
}

// discreet says what went wrong on the way in words of our own, because the errors of the network name addresses.
func discreet(ctx context.Context, err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var slow net.Error
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return errSlow
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &name):
		return errors.New("its name cannot be resolved")
	case errors.As(err, &certificate):
		return errors.New("its certificate cannot be trusted")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("it refuses the connection")
	}
	return errors.New("it cannot be reached")
}

var errSlow = errors.New("it did not answer in time")
