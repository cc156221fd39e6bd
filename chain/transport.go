package chain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// sizeMax of one answer in bytes. The logs of a busy range are the longest.
const sizeMax = 64 << 20

var (
	errTooBig    = errors.New("its answer is longer than 64 MiB")
	errPage      = errors.New("it answers with a page for people, not with JSON")
	errRedirect  = errors.New("it wants to send us to another address")
	errNoBatches = errors.New("it takes no batches")
)

// refusal is an answer of a web server, or of a node to a whole batch.
type refusal struct {
	status  int
	code    int // of JSON-RPC, 0 for none
	message string
	after   time.Duration // that the node wants us to wait, 0 when it does not say
}

func (r *refusal) Error() string {
	if r.status != 0 && r.status/100 != 2 {
		return fmt.Sprintf("status %d: %s", r.status, r.message)
	}
	return r.message
}

// bounded keeps what a node sends within bounds, and turns what is no JSON-RPC into an error that says so.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	body := bufio.NewReader(&limited{body: response.Body, left: sizeMax})
	first := firstByte(body)
	if response.StatusCode/100 != 2 || first == '<' || first == '{' {
		// Only a batch is ever sent over HTTP, so that an object is an error for all of it.
		defer response.Body.Close()
		beginning, _ := io.ReadAll(io.LimitReader(body, 16<<10))
		return nil, refuse(response, first, beginning)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{body, response.Body}
	return response, nil
}

// refuse reads what there is to read in an answer that is none.
func refuse(response *http.Response, first byte, beginning []byte) error {
	r := &refusal{status: response.StatusCode, message: http.StatusText(response.StatusCode)}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.after = min(time.Duration(seconds)*time.Second, pauseMax)
	}
	var said struct {
		Error *struct {
			Code    int
			Message string
		}
	}
	if first == '{' && json.Unmarshal(beginning, &said) == nil && said.Error != nil {
		r.code, r.message = said.Error.Code, said.Error.Message
		return r
	}
	switch {
	case response.StatusCode/100 == 3:
		return errRedirect
	case response.StatusCode/100 == 2 && first == '<':
		return errPage
	case response.StatusCode/100 == 2:
		return errNoBatches
	}
	return r
}

func firstByte(r *bufio.Reader) byte {
	for range 64 {
		next, err := r.Peek(1)
		if err != nil {
			return 0
		}
		if len(bytes.TrimSpace(next)) > 0 {
			return next[0]
		}
		r.Discard(1)
	}
	return 0
}

// limited fails where io.LimitReader would end, so that a long answer is not taken for a cut one.
type limited struct {
	body io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooBig
	}
	n, err := l.body.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}
