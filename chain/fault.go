package chain

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// class of what went wrong at a node; it decides what is done about it.
type class uint8

const (
	broken      class = iota // nothing, or nothing readable, came back
	throttled                // too many requests
	unsupported              // it has no such method, or not in this form
	behind                   // it does not know the block yet, or is on another branch
	pruned                   // it does not know the block any more
	tooMuch                  // the answer would be too long
	reverted                 // the contract refused; this is an answer
	refused                  // anything else that it answers with an error
	foreign                  // it is on another chain
	resting                  // it was not asked, because it failed a moment ago
)

// fault is one node's failure to answer one request, in words without keys.
type fault struct {
	host, step, message string
	class               class
	data                []byte        // of a revert
	after               time.Duration // that the node wants us to wait
	cause               error
	noted               bool // it was counted against the node
}

func (f *fault) Error() string { return f.host + ": " + f.step + ": " + f.message }
func (f *fault) Unwrap() error { return f.cause }

func classOf(err error) class {
	var f *fault
	if errors.As(err, &f) {
		return f.class
	}
	return broken
}

// messageMax of what a node says in runes; nobody reads more, and a node may say anything.
const messageMax = 200

// fault names what went wrong in a call to the node.
func (n *node) fault(ctx context.Context, step string, err error) *fault {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	f := &fault{host: n.host, step: step}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.message, f.cause = "it did not answer in time", context.DeadlineExceeded
	case ctx.Err() != nil:
		f.message, f.cause = "the call was given up", ctx.Err()
	default:
		f.class, f.message, f.data, f.after = explain(err)
	}
	f.message = n.plain(f.message)
	return f
}

// plain takes keys, line ends and excess out of what a node says.
func (n *node) plain(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	text = n.scrub(n.veil.Scrub(text))
	if runes := []rune(text); len(runes) > messageMax {
		text = string(runes[:messageMax]) + "…"
	}
	return text
}

// explain reads the class and the words out of whatever go-ethereum's client, the network or a node made of an error.
func explain(err error) (class, string, []byte, time.Duration) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return classOfAnswer(r.status, r.code, r.message), r.Error(), nil, r.after
	}
	if h, ok := errors.AsType[rpc.HTTPError](err); ok {
		return classOfAnswer(h.StatusCode, 0, ""), fmt.Sprintf("status %d", h.StatusCode), nil, 0
	}
	if answer, ok := errors.AsType[rpc.Error](err); ok {
		k := classOfAnswer(200, answer.ErrorCode(), answer.Error())
		var data []byte
		if more, ok := err.(rpc.DataError); ok {
			data = revertData(more.ErrorData())
		}
		if len(data) > 0 && (k == refused || k == broken) {
			k = reverted
		}
		return k, answer.Error(), data, 0
	}
	if errors.Is(err, errTooBig) || strings.Contains(err.Error(), "read limit exceeded") { // the latter over a WebSocket
		return tooMuch, errTooBig.Error(), nil, 0
	}
	return broken, wordsFor(err), nil, 0
}

// wordsFor says in words of our own why nothing readable came back: the errors of the network hold whole addresses.
func wordsFor(err error) string {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		syntax      *json.SyntaxError
		kind        *json.UnmarshalTypeError
	)
	switch {
	case errors.Is(err, errPage):
		return errPage.Error()
	case errors.Is(err, errRedirect):
		return errRedirect.Error()
	case errors.Is(err, errNoBatches):
		return errNoBatches.Error()
	case errors.Is(err, rpc.ErrMissingBatchResponse), errors.Is(err, rpc.ErrNoResult):
		return "it left the request without an answer, or answered another one"
	case errors.As(err, &name):
		return "its name cannot be resolved"
	case errors.As(err, &certificate):
		return "its certificate cannot be trusted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "it refuses the connection"
	case errors.As(err, &syntax):
		return "its answer is no JSON"
	case errors.As(err, &kind), errors.Is(err, hexutil.ErrUint64Range), errors.Is(err, hexutil.ErrBig256Range), errors.Is(err, hexutil.ErrSyntax), errors.Is(err, hexutil.ErrOddLength), errors.Is(err, hexutil.ErrEmptyString), errors.Is(err, hexutil.ErrMissingPrefix), errors.Is(err, hexutil.ErrLeadingZero), errors.Is(err, errMalformed):
		return "its answer is not of the form that the method has"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, rpc.ErrClientQuit):
		return "its answer was cut off"
	case strings.HasPrefix(err.Error(), "missing required field"):
		return "its answer is not of the form that the method has"
	}
	return "it cannot be reached"
}

var errMalformed = errors.New("not of the form that the method has")

// classOfAnswer classifies what nodes and their providers say. There is no standard: the words are those of go-ethereum, Erigon,
// Nethermind, Besu, Reth, anvil and of the larger providers.
func classOfAnswer(status, code int, message string) class {
	said := strings.ToLower(message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(said, w) {
				return true
			}
		}
		return false
	}
	switch {
	case code == 3 || has("execution reverted", "vm execution error", "vm exception", "reverted", "invalid opcode", "out of gas", "stack underflow", "stack overflow", "invalid jump"):
		return reverted
	case has("more than 10000", "too many results", "query returned more", "block range", "range is too", "ranges over", "response size", "too large", "logs matched", "max results", "limit exceeded for logs", "query timeout", "exceeds max", "exceed maximum", "eth_getlogs is limited", "up to a"):
		return tooMuch
	case status == 429 || status == 503 || code == 429 || code == -32005 || has("rate limit", "too many requests", "capacity", "compute units", "throttle", "daily request", "limit exceeded"):
		return throttled
	case code == 4444 || has("pruned", "missing trie node", "historical state", "history unavailable", "state not available", "state is not available", "no historical", "archive", "old data not available", "state already discarded", "distance to target block exceeds"):
		return pruned
	case code == -32601 || has("method not found", "does not exist/is not available", "not supported", "unsupported", "method is not available", "not implemented", "not whitelisted"):
		return unsupported
	case has("header not found", "unknown block", "block not found", "not canonical", "could not find block", "hash not found", "header for hash", "resource not found", "block not available", "cannot find block", "requested block", "beyond current head", "block is out of range", "blockoutofrange"):
		return behind
	case code == -32602 || has("invalid argument", "invalid params", "too many arguments", "cannot unmarshal", "failed to deserialize", "did not match any variant"):
		return unsupported
	case status/100 == 5 || status == 401 || status == 403 || status == 404:
		return broken
	}
	return refused
}

// revertData finds the bytes of a revert in the data of an error, which is a string of hex where it is there at all.
func revertData(data any) []byte {
	text, ok := data.(string)
	if !ok {
		return nil
	}
	// Some nodes put words before it: "Reverted 0x08c379a0…".
	if at := strings.Index(text, "0x"); at >= 0 {
		text = text[at:]
	}
	b, err := hexutil.Decode(text)
	if err != nil {
		return nil
	}
	return b
}
