package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"
)

// Error is a call that did not succeed, as people are told of it: the venue, the step, and what it said.
type Error struct {
	Venue, Step string
	Status      int    // 0 without an answer
	Code        string // the venue's own, "" for none
	Message     string // one clause, without keys
	RequestID   string // the venue's name for the call
	// Reached says that the request may have arrived: nobody knows what came of it unless Status says so.
	Reached    bool
	Throttled  bool          // too many requests; RetryAfter says how long to wait
	RetryAfter time.Duration //
	Body       []byte        // of an answer that was no success
	cause      error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %s: %s", e.Venue, e.Step, e.Message)
	if e.Code != "" {
		text += " (code " + e.Code + ")"
	}
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	return text
}

// Unwrap gives the end of the context where that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// Refused reports that the venue answered and would answer the same again: the request was wrong, not the moment.
func (e *Error) Refused() bool {
	return e.Status/100 == 4 && !e.Throttled && e.Status != 408 && e.Status != 425
}

// As finds the error of a call.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// fault completes an error and takes keys out of it.
func (c *Caller) fault(r Request, e Error) error {
	e.Venue, e.Step = c.Venue, r.Step
	e.Message = strings.Join(strings.Fields(strings.ToValidUTF8(e.Message, "")), " ")
	if c.Scrub != nil {
		e.Message, e.Code, e.RequestID = c.Scrub(e.Message), c.Scrub(e.Code), c.Scrub(e.RequestID)
	}
	if told := []rune(e.Message); len(told) > toldMax {
		e.Message = string(told[:toldMax]) + "…"
	}
	return &e
}

// onTheWay says what went wrong before there was an answer, in words of our own: the errors of the network name addresses.
func (c *Caller) onTheWay(ctx context.Context, err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "it did not answer in time"
	case ctx.Err() != nil:
		return "the call was given up"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return "its certificate cannot be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses the connection"
	case errors.Is(err, syscall.ECONNRESET) || strings.Contains(err.Error(), "EOF"):
		return "the connection broke off"
	}
	return "it cannot be reached"
}
