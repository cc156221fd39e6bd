// Package durable writes small files that must survive a crash: what was begun on somebody's behalf, what was signed, what
// may be out on a network already.
//
// A file is written beside its place, synced, renamed into it, and the directory is synced: after Write has returned nil the
// new content is there whatever happens, and until then the old one is. Files are for the owner's eyes alone (0600, in
// directories of 0700).
//
// It knows nothing of what is in them, keeps no index and locks nothing: one process has one directory.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// Dir makes a directory for such files, durably.
func Dir(name string) error {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return err
	}
	return sync(filepath.Dir(name))
}

// Write makes content the whole content of the file. After an error the file is what it was before, or the new one.
func Write(name string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // what was not finished is in nobody's way
		return err
	}
	return sync(filepath.Dir(name))
}

func sync(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
