package poll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"syscall"
)

// An address as it is asked. It may hold keys and is never printed.
type address string

// reference to the environment, as the plan's check knows it too.
var reference = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts the values of environment variables where an address refers to them.
func expand(written string) (address, error) {
	var missing []string
	full := reference.ReplaceAllStringFunc(written, func(r string) string {
		name := reference.FindStringSubmatch(r)[1]
		value, ok := os.LookupEnv(name)
		if !ok || value == "" {
			missing = append(missing, name)
		}
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("the environment has no %s", strings.Join(missing, ", "))
	}
	if u, err := url.Parse(full); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("the url is no address that begins with https://")
	}
	return address(full), nil
}

// guarded is a client that follows redirects only within the host that the plan names, and never out of TLS: what an
// address holds is meant for that host alone.
func guarded(client *http.Client) *http.Client {
	own := http.Client{}
	if client != nil {
		own = *client
	}
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		const redirectsMax = 5
		switch {
		case r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme:
			return errElsewhere
		case len(via) >= redirectsMax:
			return errCircles
		}
		return nil
	}
	return &own
}

var (
	errElsewhere = errors.New("it redirects to another host")
	errCircles   = errors.New("it redirects in circles")
)

// get asks an address once. Errors name neither the address nor what it holds. An answer that the source says has not
// changed is the last one.
func (p *Poller) get(ctx context.Context, t *target) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, string(t.address), nil)
	if err != nil {
		return nil, errors.New("the url cannot be asked")
	}
	request.Header.Set("Accept", "application/json, text/csv;q=0.9, */*;q=0.5")
	request.Header.Set("User-Agent", "lifeboat")
	t.ask(request.Header)
	response, err := p.client.Do(request)
	if err != nil {
		return nil, discreet(ctx, err)
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && t.body != nil:
		return t.body, nil
	case response.StatusCode != http.StatusOK:
		return nil, refused{response.StatusCode, response.Header.Get("Retry-After")}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, answerMax+1))
	switch {
	case err != nil:
		return nil, discreet(ctx, err)
	case len(body) > answerMax:
		return nil, errTooLong
	}
	t.keep(response.Header, body)
	return body, nil
}

// discreet says what went wrong on the way in words of our own, because the errors of the network name addresses.
func discreet(ctx context.Context, err error) error {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errElsewhere):
		return errElsewhere
	case errors.Is(err, errCircles):
		return errCircles
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("it did not answer within %s", timeout)
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
