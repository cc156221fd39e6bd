package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"lifeboat"
)

// lockFile holds the process id of the program that writes. It is the lock on it that counts, and the system lifts
// that when the process ends, in whatever way.
const lockFile = "lifeboat.lock"

var errNoFile = errors.New(File + " is not a file")

// makeDir makes the data directory, for its owner only. One that exists stays as it is.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(filepath.Clean(dir)))
}

// makeFile makes the journal's file before SQLite does, for its owner only; SQLite gives its log the same rights. The
// name is synced, so that a crash of the machine cannot lose a file whose content was promised to be kept.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return errNoFile
		}
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(filepath.Dir(path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // a parent that we may pass but not read; its owner made it
	}
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// HoldDir makes a data directory and takes it for this process alone, for a lifeboat whose journal lies elsewhere.
func HoldDir(dir string) (io.Closer, error) {
	if err := makeDir(dir); err != nil {
		return nil, openProblem(dir, err)
	}
	return lockDir(dir)
}

// lockDir takes the data directory for this process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, openProblem(dir, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		defer f.Close()
		return nil, inUse(dir, f)
	}
	if err == nil {
		err = writePid(f)
	}
	if err != nil {
		return nil, errors.Join(openProblem(dir, err), f.Close())
	}
	return f, nil
}

func writePid(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := fmt.Fprintln(f, os.Getpid())
	return err
}

func inUse(dir string, lock *os.File) error {
	who := "another lifeboat"
	pid := make([]byte, 20)
	if n, _ := lock.Read(pid); n > 0 {
		who += " (process " + strings.TrimSpace(string(pid[:n])) + ")"
	}
	return &lifeboat.Problem{
		Reason: "data-in-use",
		What:   fmt.Sprintf("%s runs on %s", who, dir),
		Money:  "nothing was started here; the running one goes on",
		Next:   "look at it with lifeboat status, or stop it first",
	}
}

// atRest reports that no log lies beside the journal and none can be made there.
func atRest(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, File+"-wal"))
	return errors.Is(err, fs.ErrNotExist) && unix.Access(dir, unix.W_OK) != nil
}
