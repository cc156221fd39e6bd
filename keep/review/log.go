package review

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lifeboat/prose"
)

// LogName is the file of a quarter: DRP_Log_2023_Q4.md.
func LogName(at time.Time) string {
	return fmt.Sprintf("DRP_Log_%d_Q%d.md", at.Year(), quarter(at))
}

// Append adds an entry to the log of the quarter in which the review was made, and gives the file's path. What stands
// in the log stays as it is, what people wrote between the entries too; the newest is last. A reader, or a crash, sees
// the log without the entry or with it, never half of it. Whoever calls makes sure that nobody else appends meanwhile.
func Append(dir string, at time.Time, entry string) (path string, err error) {
	path = filepath.Join(dir, LogName(at))
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = header(at), nil
	}
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	if n := len(text); n > 0 && text[n-1] != '\n' {
		text = append(text, '\n')
	}
	text = append(text, "- "+prose.OneLine(entry)+"\n"...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make log directory: %w", err)
	}
	if err := replace(path, text); err != nil {
		return "", fmt.Errorf("write log: %w", err)
	}
	return path, nil
}

func header(at time.Time) []byte {
	return []byte(strings.Join([]string{
		fmt.Sprintf("# Disaster recovery log, %d Q%d", at.Year(), quarter(at)),
		"",
		"Drills and incidents, newest last. lifeboat only adds lines at the end; what people write here stays.",
		"", "",
	}, "\n"))
}

func quarter(at time.Time) int { return (int(at.Month())-1)/3 + 1 }

// replace puts a whole file in place of another: written beside it, made durable, then renamed.
func replace(path string, text []byte) error {
	dir := filepath.Dir(path)
	beside, err := os.CreateTemp(dir, ".log-*")
	if err != nil {
		return err
	}
	defer os.Remove(beside.Name()) // fails when the rename succeeded, which is right
	if _, err := beside.Write(text); err != nil {
		beside.Close()
		return err
	}
	if err := beside.Chmod(mode(path)); err != nil {
		beside.Close()
		return err
	}
	if err := beside.Sync(); err != nil {
		beside.Close()
		return err
	}
	if err := beside.Close(); err != nil {
		return err
	}
	if err := os.Rename(beside.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// mode of the file as it is, or of a new one.
func mode(path string) fs.FileMode {
	if info, err := os.Stat(path); err == nil {
		return info.Mode().Perm()
	}
	return 0o644
}
