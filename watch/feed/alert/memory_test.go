package alert

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lifeboat"
	"lifeboat/durable"
	"lifeboat/plan"
)

const (
	killVariable = "LIFEBOAT_TEST_ALERT_KILL"
	high         = `{"severity":"high","title":"the pool is drained"}`
)

var watched = plan.Feed{Series: "alert.x", Source: "webhook", Webhook: "lifeboat", StaleAfter: plan.Duration(5 * time.Minute)}

func TestMain(m *testing.M) {
	if at := os.Getenv(killVariable); at != "" {
		fmt.Fprintln(os.Stderr, receiver(os.Args[1], at))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fileIn is a memory as the daemon has one.
func fileIn(dir string) Memory {
	name := filepath.Join(dir, "alert.state")
	return Memory{
		Load: func() ([]byte, error) {
			content, err := os.ReadFile(name)
			if errors.Is(err, os.ErrNotExist) {
				return nil, nil
			}
			return content, err
		},
		Save: func(content []byte) error { return durable.Write(name, content) },
	}
}

// receiver takes alerts over HTTP until it is killed: by itself, before or after a message is kept and always before it is answered, or by
// the test. It says where it listens, and what it knew at its start.
func receiver(dir, at string) error {
	memory, taking := fileIn(dir), false
	keep, point := memory.Save, func(is string) {
		if taking && at == is {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // the signal is on its way; nothing may happen after it
		}
	}
	memory.Save = func(content []byte) error {
		point("before")
		err := keep(content)
		point("after")
		return err
	}
	s := New(watched, []byte("secret"), lifeboat.WallClock{})
	s.Recall(memory)
	r, said, problem := told(s, time.Now())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("%s %v %t %v %q\n", listener.Addr(), r.Value, said, problem, r.Why)
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			taking = true
			err = s.Take(r.Header, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}

// told is what a source tells, one of each.
func told(s *Source, now time.Time) (r lifeboat.Reading, said bool, problem error) {
	readings, problems := s.tell(now)
	if len(readings) > 0 {
		r, said = readings[0], true
	}
	return r, said, errors.Join(problems...)
}

// start a receiver in a process of its own. knew is what it says of itself.
func start(t *testing.T, dir, at string) (post func(http.Header) (int, error), knew string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], dir)
	child.Env = append(os.Environ(), killVariable+"="+at)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	var line []byte
	for b := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")); line = append(line, b[0]) {
		if _, err := out.Read(b); err != nil {
			t.Fatalf("it said %q and no more: %v", line, err)
		}
	}
	address, knew, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	return func(header http.Header) (int, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader(high))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = header
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}, knew
}

// TestKilledWhileTaking kills a real process while it takes a message. One that was kept stands after the restart and is not taken twice,
// though its sender was never answered; one that was not kept is taken when it is sent again.
func TestKilledWhileTaking(t *testing.T) {
	for at, want := range map[string]struct {
		knew string
		code int
	}{
		"before": {`0 true <nil> ""`, http.StatusNoContent},
		"after":  {`3 true <nil> "the pool is drained"`, http.StatusUnauthorized},
	} {
		t.Run(at, func(t *testing.T) {
			dir, message := t.TempDir(), ours(time.Now(), high)
			post, knew := start(t, dir, at)
			if knew != `0 true <nil> ""` {
				t.Fatalf("a first start knew %s", knew)
			}
			if code, err := post(message); err == nil {
				t.Fatalf("it was answered with %d, and should be dead", code)
			}
			post, knew = start(t, dir, "never")
			if knew != want.knew {
				t.Errorf("it knows %s, want %s", knew, want.knew)
			}
			if code, err := post(message); code != want.code || err != nil {
				t.Errorf("sent again, it was answered with %d, %v; want %d", code, err, want.code)
			}
			if code, err := post(message); code != http.StatusUnauthorized || err != nil {
				t.Errorf("a third time it was answered with %d, %v", code, err)
			}
		})
	}
}

// shelf is a memory that the test looks into.
type shelf struct {
	content []byte
	fails   error
	saved   int
}

func (s *shelf) memory() Memory {
	return Memory{Load: func() ([]byte, error) { return s.content, nil }, Save: func(content []byte) error {
		if s.fails != nil {
			return s.fails
		}
		s.content = bytes.Clone(content)
		s.saved++
		return nil
	}}
}

// A life of a source on a shelf.
func (s *shelf) life(clock *still) *Source {
	source := New(watched, []byte("secret"), clock)
	source.Recall(s.memory())
	return source
}

func TestAfterARestart(t *testing.T) {
	before, after := ours(noon, high), ours(noon.Add(70*time.Second), high)
	for _, c := range []struct {
		name       string
		between    func(kept *shelf)
		heard      time.Duration // when the journal heard the source last, after noon; less than nothing is never
		old, fresh error         // what comes of a message that was taken before, and of a new one
		says       bool          // before a message is taken
		told       string
	}{
		{"nothing happened", func(*shelf) {}, time.Second, ErrUnsigned, nil, true, ""},
		{"the file is damaged", func(kept *shelf) { kept.content[len(kept.content)/2] ^= 1 }, time.Second, ErrForgotten, nil, false, "damaged"},
		{"the file is cut off", func(kept *shelf) { kept.content = kept.content[:9] }, -1, ErrForgotten, nil, false, "damaged"},
		{"the file is gone", func(kept *shelf) { kept.content = nil }, time.Second, ErrForgotten, nil, false, "there is no file"},
		{"another lifeboat spoke since", func(*shelf) {}, 30 * time.Second, ErrForgotten, nil, false, "older one than the journal"},
		{"it is of another feed", func(kept *shelf) {
			other := shelf{}
			s := New(plan.Feed{Series: "alert.y"}, []byte("secret"), &still{noon})
			s.Recall(other.memory())
			_ = s.save(noon)
			kept.content = other.content
		}, time.Second, ErrForgotten, nil, false, "of another feed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, clock := &shelf{}, &still{noon}
			first := kept.life(clock)
			if err := first.Take(before, []byte(high)); err != nil {
				t.Fatal(err)
			}
			clock.now = noon.Add(time.Second)
			if r, said, problem := told(first, clock.now); !said || r.Value != 3 || problem != nil {
				t.Fatalf("%v %t %v", r, said, problem)
			}
			c.between(kept)
			clock.now = noon.Add(time.Minute)
			s := kept.life(clock)
			if c.heard >= 0 {
				s.Seen("alert.x", "webhook", noon.Add(c.heard))
			}
			r, said, problem := told(s, clock.now)
			if said != c.says || said && (r.Value != 3 || r.Why != "the pool is drained") {
				t.Errorf("it says %v (%t)", r, said)
			}
			if told := fmt.Sprint(problem); (c.told == "") != (problem == nil) || !strings.Contains(told, c.told) {
				t.Errorf("it tells %q, want %q", told, c.told)
			}
			for again := range 2 { // and once more after another restart, which does not make it known again
				clock.now = noon.Add(65*time.Second + time.Duration(again)*time.Second)
				if err := s.Take(before, []byte(high)); !errors.Is(err, c.old) {
					t.Errorf("what was taken before, in life %d: %v, want %v", again+2, err, c.old)
				}
				s = kept.life(clock)
				s.Seen("alert.x", "webhook", noon.Add(time.Second))
				if _, said, _ := told(s, clock.now); said != c.says {
					t.Errorf("in life %d it says something is %t", again+3, said)
				}
			}
			clock.now = noon.Add(70 * time.Second)
			if err := s.Take(after, []byte(high)); !errors.Is(err, c.fresh) {
				t.Errorf("a new one: %v", err)
			}
			if err := s.Take(after, []byte(high)); !errors.Is(err, ErrUnsigned) {
				t.Errorf("a new one, twice: %v", err)
			}
			if r, said, _ := told(s, clock.now); !said || r.Value != 3 {
				t.Errorf("it says %v (%t)", r, said)
			}
		})
	}
}

// What cannot be kept is not taken, so that its sender sends it again; it is told once, and the level goes on being said.
func TestWhatCannotBeKeptIsNotTaken(t *testing.T) {
	kept, clock := &shelf{}, &still{noon}
	s := kept.life(clock)
	kept.fails = errors.New("the disk is full")
	err := s.Take(ours(noon, high), []byte(high))
	if lifeboat.KindOf(err) != lifeboat.Transient || s.level != 0 || len(s.seen) != 0 {
		t.Errorf("%v; the level is %v", err, s.level)
	}
	for i, want := range []string{"the disk is full", ""} {
		if r, said, problem := told(s, noon); !said || r.Value != 0 || (problem != nil) != (want != "") || problem != nil && !strings.Contains(problem.Error(), want) {
			t.Errorf("%d: %v %t %v", i, r, said, problem)
		}
	}
	kept.fails = nil
	if err := s.Take(ours(noon, high), []byte(high)); err != nil || s.level != 3 {
		t.Errorf("%v; the level is %v", err, s.level)
	}
}

// The memory is bounded, and holds neither the secret nor a signature nor a body.
func TestWhatIsKept(t *testing.T) {
	kept, clock := &shelf{}, &still{noon}
	s := kept.life(clock)
	message := ours(noon, high)
	if err := s.Take(message, []byte(high)); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"secret", strings.TrimPrefix(message.Get("Lifeboat-Signature"), "v1="), "severity"} {
		if bytes.Contains(kept.content, []byte(secret)) {
			t.Errorf("it holds %q", secret)
		}
	}
	for i := range seenMax - 1 {
		s.seen[fmt.Sprintf("%032d", i)] = noon.Add(time.Minute)
	}
	s.words = strings.Repeat("é", wordsMax) + "…"
	if err := s.save(noon); err != nil || len(kept.content) > KeptMax {
		t.Errorf("%d bytes, %v", len(kept.content), err)
	}
	if again := kept.life(clock); len(again.seen) != seenMax || again.level != 3 {
		t.Errorf("%d messages, the level is %v", len(again.seen), again.level)
	}
}

func FuzzMemory(f *testing.F) {
	kept := &shelf{}
	s := kept.life(&still{noon})
	f.Add([]byte(nil))
	_ = s.save(noon)
	f.Add(kept.content[:len(kept.content)-sha256.Size])
	_ = s.Take(ours(noon, high), []byte(high))
	f.Add(kept.content[:len(kept.content)-sha256.Size])
	f.Fuzz(func(t *testing.T, content []byte) {
		sum := sha256.Sum256(content)
		for _, whole := range [][]byte{content, append(bytes.Clone(content), sum[:]...)} {
			s := (&shelf{content: whole}).life(&still{noon})
			r, said, problem := told(s, noon)
			if !(r.Value >= 0 && r.Value <= levelMax) || len(s.seen) > seenMax || said && problem != nil {
				t.Errorf("%v %t %v", r, said, problem)
			}
		}
	})
}
