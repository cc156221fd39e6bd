package notify

import (
	"context"
	"errors"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// shout sends through shoutrrr, which knows Slack, Discord, Telegram, Teams, ntfy, Matrix and more by their addresses.
type shout struct {
	address string // holds keys
	secrets *secrets
	lines   chan struct{}
}

// linesMax bounds the attempts under way at one time: an attempt cannot be broken off, so those that hang would pile up.
const linesMax = 4

// newShout refuses an address whose service nobody knows. What follows the service is only looked at when something is
// sent: some of them sign in to read it.
func newShout(address string, s *secrets) (*shout, error) {
	var r router.ServiceRouter
	scheme, _, err := r.ExtractServiceName(address)
	if err == nil {
		_, err = r.NewService(scheme)
	}
	if err != nil || scheme == "logger" {
		return nil, errors.New("no service of shoutrrr has such an address")
	}
	s.Hide(address)
	return &shout{address: address, secrets: s, lines: make(chan struct{}, linesMax)}, nil
}

func (c *shout) Send(ctx context.Context, d Delivery) error {
	select {
	case c.lines <- struct{}{}:
	case <-ctx.Done():
		return discreet(ctx, ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		defer func() { <-c.lines }()
		done <- c.shout(d)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return discreet(ctx, ctx.Err())
	}
}

// shout opens the service anew for every message, because what one does to it would stay for the next. Not all services
// have a title, so the subject is the text's first line.
func (c *shout) shout(d Delivery) error {
	service, err := new(router.ServiceRouter).Locate(c.address)
	if err != nil {
		return errors.New("shoutrrr does not understand its address: " + c.told(err))
	}
	if err := service.Send(d.Subject+"\n\n"+d.Text, &types.Params{}); err != nil {
		return errors.New(c.told(err))
	}
	return nil
}

func (c *shout) told(err error) string {
	const toldMax = 160
	return cut(strings.Join(strings.Fields(plain(c.secrets.Scrub(err.Error()))), " "), toldMax)
}
