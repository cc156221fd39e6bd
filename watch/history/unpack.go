package history

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// unpack reads all of a file, out of gzip and zip around it, within the limit. Archives in archives are followed twice.
func unpack(name string, r io.Reader) (text []byte, raw string, err error) {
	text, err = bounded(r)
	if err != nil {
		return nil, "", unreadable(name, err)
	}
	raw = digest(text)
	const layersMax = 3
	for range layersMax {
		switch {
		case bytes.HasPrefix(text, []byte{0x1f, 0x8b}):
			text, err = gunzip(text)
		case bytes.HasPrefix(text, []byte("PK\x03\x04")):
			text, err = unzip(text)
		default:
			return text, raw, nil
		}
		if err != nil {
			return nil, "", unreadable(name, err)
		}
	}
	return nil, "", refused(name, "", "it is packed more than twice: unpack it first")
}

var errTooLarge = fmt.Errorf("it is larger than %d MiB: import it in parts", importBytesMax>>20)

func bounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, importBytesMax+1))
	if err == nil && len(text) > importBytesMax {
		return nil, errTooLarge
	}
	return text, err
}

func gunzip(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errPacked{err}
	}
	return packedText(z)
}

// unzip takes the one file of an archive; which of several is meant nobody can know.
func unzip(packed []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		return nil, errPacked{err}
	}
	var names []string
	var one *zip.File
	for _, f := range z.File {
		if !f.FileInfo().IsDir() {
			one, names = f, append(names, f.Name)
		}
	}
	if len(names) != 1 {
		const few = 5
		return nil, errPacked{fmt.Errorf("it holds %d files and one is read: unpack it (%s)", len(names), strings.Join(names[:min(few, len(names))], ", "))}
	}
	f, err := one.Open()
	if err != nil {
		return nil, errPacked{err}
	}
	defer f.Close()
	return packedText(f)
}

func packedText(r io.Reader) ([]byte, error) {
	text, err := bounded(r)
	if err != nil && !errors.Is(err, errTooLarge) {
		err = errPacked{err}
	}
	return text, err
}

// errPacked is an error that lies in the file, not in the machine.
type errPacked struct{ error }

func (e errPacked) Unwrap() error { return e.error }

func unreadable(name string, err error) error {
	if packed, ok := errors.AsType[errPacked](err); ok {
		return refused(name, "", "it is packed and damaged: "+packed.Error())
	}
	if errors.Is(err, errTooLarge) {
		return refused(name, "", errTooLarge.Error())
	}
	return fmt.Errorf("read %s: %w", name, err)
}
