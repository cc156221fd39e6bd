package poll

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"lifeboat/plan"
)

// A tail follows a CSV file that another program appends to.
type tail struct {
	path   string
	header []byte
	offset int64       // of the first byte not yet read
	known  os.FileInfo // the file that offset belongs to
}

func newTail(dir, file string) *tail {
	return &tail{path: filepath.Join(dir, filepath.FromSlash(file))}
}

// read returns what complete lines say that were appended since the last time. Of a file that was not known before
// only the last value of each series counts: its past is not news, unless the source was heard before lifeboat
// started: then what came since is.
func (t *tail) read(f plan.Feed, heard bool) ([]observation, error) {
	file, err := os.Open(t.path)
	if err != nil {
		return nil, plainly(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, plainly(err)
	}
	header, err := firstLine(file)
	if err != nil {
		return nil, err
	}
	c, err := newColumns(bytes.TrimPrefix(header, []byte("\ufeff")), f)
	if err != nil {
		return nil, err
	}
	past := heard && t.known == nil && c.time >= 0 // what was missed is told by its times
	first := !t.same(info, header)
	if first {
		t.known, t.header, t.offset = info, header, int64(len(header))
		// Skipping into a long past cuts a line in two; rows leaves out what has the wrong width.
		t.offset = max(t.offset, info.Size()-answerMax)
	}
	text := make([]byte, min(info.Size()-t.offset, answerMax))
	n, err := file.ReadAt(text, t.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, plainly(err)
	}
	lines := text[:bytes.LastIndexByte(text[:n], '\n')+1]
	if len(lines) == 0 && n == answerMax {
		t.offset += answerMax
		return nil, errors.New("a line is longer than 1 MiB")
	}
	if first && t.offset > int64(len(header)) {
		t.offset += int64(bytes.IndexByte(lines, '\n') + 1)
		lines = lines[bytes.IndexByte(lines, '\n')+1:]
	}
	said, err := c.rows(lines)
	t.offset += int64(len(lines))
	if first && !past {
		said = lastOfEach(said)
	}
	return said, err
}

// same reports that the file is the one read last time and has only grown.
func (t *tail) same(info os.FileInfo, header []byte) bool {
	return t.known != nil && os.SameFile(t.known, info) && info.Size() >= t.offset && bytes.Equal(t.header, header)
}

// firstLine with its line feed. A header that is still being written is none yet.
func firstLine(file *os.File) ([]byte, error) {
	start := make([]byte, 64<<10)
	n, err := file.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, plainly(err)
	}
	end := bytes.IndexByte(start[:n], '\n')
	if end < 0 {
		return nil, errors.New("there is no header in the first line")
	}
	return start[:end+1], nil
}

// plainly says what is wrong with a file without its path, which the plan names.
func plainly(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("the file does not exist")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("the file may not be read")
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
