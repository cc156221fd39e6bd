// Package postgrestest runs a real PostgreSQL server for a test: in a directory of its own, on a socket of its own, with
// fsync on as in earnest, so that nothing has to be set up and no two tests meet. The server can be restarted, killed
// and started again under a program that uses it.
//
// It uses the newest server that is installed, in PATH or where Debian puts it. That none is installed is a failure of
// the test, not a reason to skip it: make peers installs one. It does not imitate a second machine or a network; a test
// that needs a bad network puts a proxy in front of the socket.
package postgrestest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that finds out whether the server is there

	"lifeboat"
)

// Server is a running PostgreSQL.
type Server struct {
	// URL of its database. It stays the same over restarts.
	URL string
	// Socket is the file on which it listens.
	Socket string

	bin, dir string
	account  *syscall.SysProcAttr
	process  *exec.Cmd
	log      *os.File
	journals atomic.Int64
}

// Start makes a server for the length of a test.
func Start(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lifeboat-postgres-") // not t.TempDir: a socket's name must be short
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		URL:    "postgres:///postgres?host=" + dir + "&user=lifeboat",
		Socket: filepath.Join(dir, ".s.PGSQL.5432"),
		bin:    bin, dir: dir,
	}
	t.Cleanup(func() {
		if s.process != nil {
			s.end(t, syscall.SIGQUIT)
		}
		os.RemoveAll(dir)
	})
	if s.account, err = account(dir); err != nil {
		t.Fatal(err)
	}
	if s.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	initdb := s.command("initdb", "--no-sync", "--auth=trust", "--username=lifeboat",
		"--encoding=UTF8", "--locale=C", "--pgdata="+s.data())
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("make a PostgreSQL cluster: %v\n%s", err, out)
	}
	s.StartAgain(t)
	return s
}

// NewJournal is the address of a journal in this server that nobody has opened yet: a schema of its own.
func (s *Server) NewJournal() string {
	return fmt.Sprintf("%s&search_path=journal%d", s.URL, s.journals.Add(1))
}

// Restart stops the server as an administrator does, which cuts every connection, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.StartAgain(t)
}

// Stop stops the server as pg_ctl stop does.
func (s *Server) Stop(t testing.TB) { t.Helper(); s.end(t, syscall.SIGINT) }

// Kill ends the server with signal 9, without a last word to the disk.
func (s *Server) Kill(t testing.TB) { t.Helper(); s.end(t, syscall.SIGKILL) }

// startsMax bounds the attempts to start: after a kill the children of the server take a moment to go.
const startsMax = 50

// StartAgain starts the server that was stopped or killed, and returns when it answers.
func (s *Server) StartAgain(t testing.TB) {
	t.Helper()
	for range startsMax {
		s.process = s.command("postgres", "-D", s.data(), "-k", s.dir,
			"-c", "listen_addresses=", "-c", "max_connections=200", "-c", "unix_socket_permissions=0777")
		s.process.Stdout, s.process.Stderr = s.log, s.log
		if err := s.process.Start(); err != nil {
			t.Fatalf("start PostgreSQL: %v", err)
		}
		if s.answers() {
			return
		}
		s.process.Process.Kill()
		s.process.Wait()
	}
	said, _ := os.ReadFile(s.log.Name())
	t.Fatalf("PostgreSQL does not start:\n%s", said[max(0, len(said)-3000):])
}

// answers waits until the server takes a question; false when its process ended instead.
func (s *Server) answers() bool {
	db, err := sql.Open("pgx", s.URL)
	if err != nil {
		return false
	}
	defer db.Close()
	clock := lifeboat.WallClock{}
	ready := filepath.Join(s.data(), "postmaster.pid") // its eighth line says what the server is doing
	for range 3000 {
		if state, err := os.ReadFile(ready); err == nil && bytes.Contains(state, []byte("\nready")) && db.Ping() == nil {
			return true
		}
		if gone, _ := syscall.Wait4(s.process.Process.Pid, nil, syscall.WNOHANG, nil); gone != 0 {
			return false
		}
		clock.Sleep(context.Background(), clock.Now().Add(10*time.Millisecond))
	}
	return false
}

func (s *Server) end(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("stop PostgreSQL: %v", err)
	}
	s.process.Wait()
	s.process = nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, arguments ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), arguments...)
	c.Dir, c.SysProcAttr = s.dir, s.account
	return c
}

// binaries finds the folder of the newest server.
func binaries() (string, error) {
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	slices.SortFunc(debian, func(a, b string) int { return major(b) - major(a) })
	for _, path := range debian {
		return filepath.Dir(path), nil
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errors.New("no PostgreSQL server is installed, neither in PATH nor in /usr/lib/postgresql: run make peers")
}

func major(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// account gives the directory to an account under which the server may run: it refuses to run as root. The server ends
// with the test, in whatever way that ends.
func account(dir string) (*syscall.SysProcAttr, error) {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attributes, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		if who, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other account: %w", err)
		}
	}
	uid, err1 := strconv.ParseUint(who.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(who.Gid, 10, 32)
	if err := errors.Join(err1, err2, os.Chown(dir, int(uid), int(gid)), os.Chmod(dir, 0o755)); err != nil {
		return nil, err
	}
	attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attributes, nil
}
