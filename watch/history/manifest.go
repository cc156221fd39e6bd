package history

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lifeboat"
	"lifeboat/session"
)

const (
	manifestName    = "MANIFEST" // without an ending, so that a store below a plan is no part of it
	manifestKind    = "history"
	manifestVersion = 1
	lockName        = "import.lock"
)

// Limits of a store. They hold a thousand series of minutes over twenty years.
const (
	manifestBytesMax = 128 << 20
	seriesMax        = 10_000
	filesMax         = 400_000
	originsMax       = 20 // per series; the oldest are forgotten
)

// manifest says which files count. Whatever else lies in the folder was left by an import that did not end.
type manifest struct {
	Lifeboat string   `json:"lifeboat"`
	Version  int      `json:"version"`
	Series   []Series `json:"series"` // in the order of their first import
}

func readManifest(dir string) (manifest, error) {
	var m manifest
	name := filepath.Join(dir, manifestName)
	text, err := readBounded(name, manifestBytesMax)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return m, &lifeboat.Problem{Reason: "not-found", What: fmt.Sprintf("there is no history store at %s", dir),
			Next: "lifeboat history import FILE --store " + dir + " makes one", Err: err}
	case err != nil:
		return m, damaged(name, err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, damaged(name, err)
	}
	if err := m.check(); err != nil {
		return m, damaged(name, err)
	}
	return m, nil
}

// check what a manifest of others could say to harm: names that lead out of the store, numbers that cannot be.
func (m *manifest) check() error {
	if m.Lifeboat != manifestKind || m.Version < 1 {
		return errors.New("it is no manifest of a history store")
	}
	if m.Version > manifestVersion {
		return fmt.Errorf("it has version %d and this lifeboat reads up to %d", m.Version, manifestVersion)
	}
	if len(m.Series) > seriesMax {
		return fmt.Errorf("it lists %d series and at most %d are read", len(m.Series), seriesMax)
	}
	files, seen := 0, map[string]bool{}
	for _, s := range m.Series {
		if seen[s.String()] {
			return fmt.Errorf("it lists %s twice", s)
		}
		seen[s.String()] = true
		if _, err := session.ByName(s.Calendar); err != nil {
			return err
		}
		if !slices.Contains(spans, s.Span) {
			return fmt.Errorf("it says that a file of %s holds a %q", s, s.Span)
		}
		if files += len(s.Files); files > filesMax {
			return fmt.Errorf("it lists more than %d files", filesMax)
		}
		for _, f := range s.Files {
			if !filepath.IsLocal(filepath.FromSlash(f.Path)) || f.Rows < 1 || f.Rows > fileRowsMax || f.Bytes < 1 || f.Bytes > fileBytesMax {
				return fmt.Errorf("its line of the file %q cannot be right", f.Path)
			}
		}
	}
	return nil
}

func (m *manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := place(dir, manifestName, append(text, '\n')); err != nil {
		return notWritten(dir, err)
	}
	return nil
}

// place writes a file under a temporary name and moves it to its own, both durably: a crash leaves the old one or the
// new one, whole.
func place(dir, name string, content []byte) error {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), unfinished+"*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}

// unfinished begins the name of a file that is being written.
const unfinished = ".unfinished-"

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock takes the store for one import; the system lifts it when the process ends in whatever way.
func (s *Store) lock() (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, notWritten(s.dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, &lifeboat.Problem{Reason: "data-in-use", What: fmt.Sprintf("another import writes to the history store %s", s.dir),
			Money: "nothing was imported", Next: "wait until it is done"}
	}
	return func() { f.Close() }, nil
}

// sweep removes files that no manifest names: those that an import has just replaced, or one that was killed left.
func (s *Store) sweep() error {
	named := map[string]bool{manifestName: true, lockName: true}
	for _, series := range s.manifest.Series {
		for _, f := range series.Files {
			named[f.Path] = true
		}
	}
	return filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(s.dir, path)
		if err != nil || named[filepath.ToSlash(relative)] {
			return err
		}
		if ours := strings.HasPrefix(entry.Name(), unfinished) || filepath.Ext(path) == ".parquet"; !ours {
			return nil // an owner's own note is none of our business
		}
		return os.Remove(path)
	})
}

// readBounded reads a file that may not be larger than a limit.
func readBounded(name string, bytesMax int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no plain file")
	}
	if info.Size() > bytesMax {
		return nil, fmt.Errorf("it is larger than %d MiB", bytesMax>>20)
	}
	return os.ReadFile(name)
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func damaged(name string, err error) error {
	why := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		why = path.Err
	}
	return &lifeboat.Problem{Reason: "history-damaged", What: fmt.Sprintf("the history file %s cannot be used: %v", name, why),
		Money: "nothing was read from it", Next: "restore the store from a backup, or import the series again", Err: err}
}

func notWritten(dir string, err error) error {
	why := err
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		why = path.Err
	}
	return &lifeboat.Problem{Reason: "not-written", What: fmt.Sprintf("the history store %s cannot be written: %v", dir, why),
		Money: "what it held before is unchanged", Next: "free space, mend the rights, or name another directory with --store", Err: err}
}
