package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"lifeboat"
)

// errStrangeHead is a journal that somebody wrote to without the lease.
var errStrangeHead = errors.New("something other than lifeboat has written to it")

// openProblem tells why a journal could not be opened.
func (a address) openProblem(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case passing(err):
		return a.unreachable("nothing was started", err)
	case refuses(err):
		return a.fullProblem("nothing was started", err)
	}
	return a.unreadableProblem("opened", err)
}

// writeProblem tells why an append failed; nil when it did not. Whatever the reason, the act that was to be recorded did
// not happen.
func (a address) writeProblem(err error) error {
	if p, ok := errors.AsType[*lifeboat.Problem](err); ok || err == nil {
		if ok {
			return p
		}
		return nil
	}
	switch {
	case errors.Is(err, errStrangeHead):
		return &lifeboat.Problem{
			Reason: "journal-broken",
			What:   fmt.Sprintf("the journal in %s does not end where it did: %s", a, errStrangeHead),
			Money:  "nothing was sent that is not in the journal",
			Next:   "keep a copy of the database, run lifeboat journal verify, and compare it with a backup",
			Err:    err,
		}
	case passing(err):
		return a.unreachable("nothing was sent that is not in the journal", err)
	case code(err) == "XX001", code(err) == "XX002":
		return a.unreadableProblem("written", err)
	}
	return a.fullProblem("nothing was sent that is not in the journal", err)
}

// readProblem tells why reading stopped.
func (a address) readProblem(err error) error {
	if passing(err) {
		return a.unreachable("nothing was sent that is not in the journal", err)
	}
	return a.unreadableProblem("read", err)
}

func (a address) unreachable(money string, err error) error {
	return &lifeboat.Problem{
		Reason: "journal-unreachable",
		What:   fmt.Sprintf("the journal in %s is out of reach: %s", a, a.cause(err)),
		Money:  money,
		Next:   "look at the server and the way to it, then start lifeboat again: open runs resume where the journal ends",
		Err:    quiet{a.cause(err)},
	}
}

func (a address) fullProblem(money string, err error) error {
	return &lifeboat.Problem{
		Reason: "journal-full",
		What:   fmt.Sprintf("the journal in %s could not be written: %s", a, a.cause(err)),
		Money:  money,
		Next:   "free space or mend the server and start lifeboat again: open runs resume where the journal ends",
		Err:    quiet{a.cause(err)},
	}
}

func (a address) unreadableProblem(done string, err error) error {
	return &lifeboat.Problem{
		Reason: "journal-unreadable",
		What:   fmt.Sprintf("the journal in %s could not be %s: %s", a, done, a.cause(err)),
		Money:  "nothing was sent that is not in the journal",
		Next:   "check the address and the rights, and restore the database from a backup if it is damaged",
		Err:    quiet{a.cause(err)},
	}
}

// quiet is a cause without what the driver knows: its errors hold the way they were connected.
type quiet struct{ text string }

func (q quiet) Error() string { return q.text }

// passing reports an error that a later attempt may not meet: the server stops, starts, or is not there, or the way to it
// is cut.
func passing(err error) bool {
	if err == nil || errors.Is(err, errStrangeHead) || errors.Is(err, errForeign) || errors.Is(err, errNoSync) {
		return false
	}
	if _, ok := errors.AsType[*lifeboat.Problem](err); ok {
		return false
	}
	switch code := code(err); code {
	case "":
		_, connecting := errors.AsType[*pgconn.ConnectError](err)
		return connecting || isConnection(err) || errors.Is(err, errNotThere)
	case "57P01", "57P02", "57P03", "57P05", "25P03", "53300", "40001", "40P01":
		return true // shut down, crashed, starting, idle for too long (twice), too many connections, met another one (twice)
	default:
		return strings.HasPrefix(code, "08")
	}
}

// refuses reports a server that takes no more: its disk is full or fails, or it may only be read.
func refuses(err error) bool {
	switch code(err) {
	case "53100", "53200", "58030", "25006":
		return true
	}
	return false
}

// code is the server's own; "" when the error is not the server's.
func code(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// cause says in one line of plain words what the server or the driver says in its own.
func (a address) cause(err error) string {
	switch code := code(err); code {
	case "53100":
		return "no space left on the server's disk"
	case "58030":
		return "the server's disk reports an error"
	case "25006":
		return "the server may only be read, as a standby server may"
	case "28P01", "28000":
		return "the server refuses the user or the password"
	case "3D000":
		return "the server has no such database"
	case "42501":
		return "the user lacks the rights"
	case "57P03":
		return "the server is starting or stopping"
	case "53300":
		return "the server has no connection left"
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return a.scrub(oneLine(e.Message))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrTxDone) || pgconn.Timeout(err) {
		return "the server did not answer in time"
	}
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection broke"
	}
	return a.scrub(oneLine(innermost(err).Error()))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// innermost leaves out what was wrapped around an error on its way: addresses, users, settings.
func innermost(err error) error {
	for {
		var next error
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				next = all[0]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}

// isConnection reports an error of the connection, not of what was asked over it. A transaction that is over before we have ended it was
// ended because its time was up, as happens to who was stopped in the middle of one.
func isConnection(err error) bool {
	if _, network := errors.AsType[net.Error](err); network || pgconn.Timeout(err) || pgconn.SafeToRetry(err) {
		return true
	}
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, driver.ErrBadConn, sql.ErrConnDone, sql.ErrTxDone, context.DeadlineExceeded} {
		if errors.Is(err, broken) {
			return true
		}
	}
	return false
}
