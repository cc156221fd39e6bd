package approve

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
	"golang.org/x/sys/unix"

	"lifeboat"
)

// Store is the file of what people enrolled: TOTP secrets, the public halves of passkeys, user names at Duo. It lies in the data
// directory, for its owner only, and never in the plan. What it holds is told to nobody but the Checker.
//
// The file is read anew each time, so that an enrolment on the command line counts at once for a daemon that runs, and put in
// place whole. Counters are not in it: they are in the journal, so that no old copy of the file makes a code good again.
type Store struct {
	path string
	mu   sync.Mutex // one writer in this process; a lock on the file's neighbour keeps others out
}

// Credential is a second factor that somebody enrolled, without its secret.
type Credential struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"`
	Enrolled time.Time `json:"enrolled"`
	User     string    `json:"user,omitempty"` // at Duo
}

// enrolments is the file.
type enrolments struct {
	Version int                  `json:"version"`
	People  map[string]enrolment `json:"people"` // :: name → what the person enrolled
}

type enrolment struct {
	Handle   []byte    `json:"handle"` // random; what authenticators know the person by
	TOTP     []secret  `json:"totp,omitempty"`
	Passkeys []passkey `json:"passkeys,omitempty"`
	Duo      []account `json:"duo,omitempty"`
}

type secret struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret"` // base32
	Step     int64     `json:"step"`   // of the code that confirmed it, which is used up
	Enrolled time.Time `json:"enrolled"`
}

type passkey struct {
	Credential webauthn.Credential `json:"credential"`
	Enrolled   time.Time           `json:"enrolled"`
}

func (p passkey) id() string { return base64.RawURLEncoding.EncodeToString(p.Credential.ID) }

type account struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Enrolled time.Time `json:"enrolled"`
}

const (
	storeMax       = 1 << 20 // bytes of the file
	credentialsMax = 10      // of one person
	secretMin      = 16      // bytes of a TOTP secret, as RFC 4226 wants
)

// OpenStore opens the file at path; one that is missing holds nobody. A file that others may read is refused.
func OpenStore(path string) (*Store, error) {
	s := &Store{path: path}
	_, err := s.read()
	return s, err
}

// Credentials of a person, the oldest of each kind first.
func (s *Store) Credentials(person string) ([]Credential, error) {
	e, err := s.of(person)
	var all []Credential
	for _, t := range e.TOTP {
		all = append(all, Credential{ID: t.ID, Kind: "totp", Enrolled: t.Enrolled})
	}
	for _, p := range e.Passkeys {
		all = append(all, Credential{ID: p.id(), Kind: "webauthn", Enrolled: p.Enrolled})
	}
	for _, d := range e.Duo {
		all = append(all, Credential{ID: d.ID, Kind: "duo", Enrolled: d.Enrolled, User: d.User})
	}
	return all, err
}

// Remove takes a credential away from a person.
func (s *Store) Remove(person, id string) error {
	found := false
	is := func(other string) bool { found = found || other == id; return other == id }
	return s.change(person, func(e *enrolment) error {
		e.TOTP = slices.DeleteFunc(e.TOTP, func(t secret) bool { return is(t.ID) })
		e.Passkeys = slices.DeleteFunc(e.Passkeys, func(p passkey) bool { return is(p.id()) })
		e.Duo = slices.DeleteFunc(e.Duo, func(d account) bool { return is(d.ID) })
		if !found {
			return &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("%s has no second factor called %s", person, id)}
		}
		return nil
	})
}

func (s *Store) of(person string) (enrolment, error) {
	all, err := s.read()
	return all.People[person], err
}

// handle of a person, made at the first question for it: an authenticator must find the same one ever after.
func (s *Store) handle(person string) ([]byte, error) {
	var handle []byte
	err := s.change(person, func(e *enrolment) error { handle = e.Handle; return nil })
	return handle, err
}

// change lets do change what a person enrolled. Nothing is written when it fails.
func (s *Store) change(person string, do func(*enrolment) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lock, err := os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return s.problem("cannot be locked", err)
	}
	defer lock.Close() // which lets the lock go
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return s.problem("cannot be locked", err)
	}
	all, err := s.read()
	if err != nil {
		return err
	}
	e := all.People[person]
	if e.Handle == nil {
		e.Handle = chance(32)
	}
	if err := do(&e); err != nil {
		return err
	}
	if n := len(e.TOTP) + len(e.Passkeys) + len(e.Duo); n > credentialsMax {
		return refused("%s has %d second factors already; remove one first", person, credentialsMax)
	}
	all.People[person] = e
	return s.write(all)
}

func (s *Store) read() (enrolments, error) {
	none := enrolments{Version: 1, People: map[string]enrolment{}}
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, s.problem("cannot be opened", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return none, s.problem("cannot be opened", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return none, s.problem("may be read by others: chmod 600 it, and enrol anew whatever they may have seen", nil)
	}
	content, err := io.ReadAll(io.LimitReader(f, storeMax+1))
	if err != nil {
		return none, s.problem("cannot be read", err)
	}
	all, err := parse(content)
	if err != nil {
		return none, s.problem(err.Error(), nil)
	}
	return all, nil
}

// parse reads the file. Its errors quote nothing of it.
func parse(content []byte) (enrolments, error) {
	all := enrolments{}
	if len(content) > storeMax {
		return all, fmt.Errorf("is larger than %d bytes", storeMax)
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return all, fmt.Errorf("is not what lifeboat wrote, near byte %d", d.InputOffset())
	}
	if d.More() || all.Version != 1 || all.People == nil {
		return all, errors.New("is not a version of the file that this lifeboat knows")
	}
	for person, e := range all.People {
		if err := e.check(); err != nil {
			return all, fmt.Errorf("has something for %q that cannot be right: %w", person, err)
		}
	}
	return all, nil
}

func (e enrolment) check() error {
	if len(e.Handle) < 16 || len(e.Handle) > 64 {
		return errors.New("the handle")
	}
	for _, t := range e.TOTP {
		if key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(t.Secret); err != nil || len(key) < secretMin || t.ID == "" {
			return errors.New("a TOTP secret")
		}
	}
	for _, p := range e.Passkeys {
		if len(p.Credential.ID) == 0 || len(p.Credential.PublicKey) == 0 {
			return errors.New("a passkey")
		}
	}
	for _, d := range e.Duo {
		if d.ID == "" || d.User == "" {
			return errors.New("a user at Duo")
		}
	}
	return nil
}

// write puts the whole file in place: beside it first, made durable, then renamed.
func (s *Store) write(all enrolments) error {
	content, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return s.problem("cannot be written", errors.New("its content cannot be put into JSON"))
	}
	if len(content) >= storeMax { // what could not be read again must not be written
		return s.problem(fmt.Sprintf("would be larger than %d bytes", storeMax), nil)
	}
	if err := replace(s.path, append(content, '\n')); err != nil {
		return s.problem("cannot be written", err)
	}
	return nil
}

func replace(path string, content []byte) error {
	dir := filepath.Dir(path)
	beside, err := os.CreateTemp(dir, ".factors-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(beside.Name()) // fails when the rename succeeded, which is right
	_, err = beside.Write(content)
	if err = errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return err
	}
	if err := os.Rename(beside.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (s *Store) problem(what string, err error) error {
	p := &lifeboat.Problem{Reason: "factors-file", Money: "nothing was decided", Err: err,
		What: fmt.Sprintf("the file of second factors %s %s", s.path, what)}
	if err != nil {
		p.What += ": " + err.Error()
	}
	return p
}

func chance(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the program instead
	return b
}

func newID(kind string) string { return kind + "-" + hex.EncodeToString(chance(6)) }
