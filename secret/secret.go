// Package secret reads keys where they are kept, never where the plan is. A plan holds references:
//
//	env:NAME       the environment variable; ${NAME} means the same
//	file:PATH      a file that only its owner can read, relative to the plan directory
//	exec:COMMAND   what a command of the plan prints; it must be allowed with --allow-exec
//	age:PATH       a file encrypted with age; LIFEBOAT_AGE_IDENTITY names the file of the key that opens it
//
// A [Vault] reads them when a connection is opened and remembers what they said, so that [Vault.Scrub] can take it out
// of every text that a person or a log sees. It writes nothing, and no error of it holds a part of a secret.
package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
)

// Forms of a reference, as help and faults name them.
const Forms = "env:NAME, file:PATH, exec:COMMAND or age:PATH"

// Vault reads references. The zero value reads the environment and absolute paths.
type Vault struct {
	Dir string // that relative paths start from
	// Command finds a command of the plan that may run on this machine; nil permits none.
	Command func(name string) (run []string, err error)
	Veil
}

var (
	environmentForm = regexp.MustCompile(`^(?:env:([A-Za-z_][A-Za-z0-9_]*)|\$\{([A-Za-z_][A-Za-z0-9_]*)\})$`)
	sourceForm      = regexp.MustCompile(`^(file|exec|age):(\S.*)$`)
)

// IsReference reports a text that says where a secret is kept, and so is none itself.
func IsReference(text string) bool {
	return environmentForm.MatchString(text) || sourceForm.MatchString(text)
}

// sizeMax of a secret in bytes; keys in PEM form are the longest.
const sizeMax = 64 << 10

// Read finds what a reference stands for, without the line's end that editors add.
func (v *Vault) Read(ctx context.Context, reference string) (string, error) {
	value, err := v.read(ctx, reference)
	if err != nil {
		return "", err
	}
	value = strings.TrimRight(value, "\r\n")
	switch {
	case value == "":
		return "", fmt.Errorf("%s is empty", reference)
	case len(value) > sizeMax:
		return "", fmt.Errorf("%s is longer than any key", reference)
	}
	v.Hide(value)
	return value, nil
}

// insideForm is a reference within an address.
var insideForm = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// Address finds the address that a text stands for: a reference to a whole one, or one in which ${NAME} stands for keys. Either way
// it is hidden as a secret when it holds one: only its host may be shown.
func (v *Vault) Address(ctx context.Context, text string) (string, error) {
	if IsReference(text) {
		return v.Read(ctx, text)
	}
	var failed error
	address := insideForm.ReplaceAllStringFunc(text, func(reference string) string {
		value, err := v.Read(ctx, reference)
		failed = errors.Join(failed, err)
		return value
	})
	if failed != nil {
		return "", failed
	}
	return address, nil
}

func (v *Vault) read(ctx context.Context, reference string) (string, error) {
	if m := environmentForm.FindStringSubmatch(reference); m != nil {
		name := m[1] + m[2]
		value, ok := os.LookupEnv(name)
		if !ok || value == "" {
			return "", fmt.Errorf("the environment has no %s", name)
		}
		return value, nil
	}
	m := sourceForm.FindStringSubmatch(reference)
	if m == nil { // it may be the secret itself: it is not repeated
		return "", fmt.Errorf("a key is written as a reference: %s", Forms)
	}
	switch m[1] {
	case "file":
		content, err := v.file(m[2])
		return string(content), err
	case "exec":
		return v.run(ctx, m[2])
	}
	return v.decrypt(m[2])
}

// file reads a file that others cannot.
func (v *Vault) file(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(v.Dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the file of a key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("look at the file of a key: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("others can read %s: chmod 600 it, and take the key for known", path)
	}
	return io.ReadAll(io.LimitReader(f, sizeMax+1))
}

// run asks a command of the plan, as a keychain or a vault's client; what it complains of may hold the secret and is left out.
func (v *Vault) run(ctx context.Context, name string) (string, error) {
	if v.Command == nil {
		return "", fmt.Errorf("the command %s of exec:%s is not allowed here: start with --allow-exec %s", name, name, name)
	}
	argv, err := v.Command(name)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Dir = v.Dir
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("the command %s that should tell a key failed", name)
	}
	return string(out), nil
}

// decrypt opens a file of age's with the identity that the environment names.
func (v *Vault) decrypt(path string) (string, error) {
	keys := os.Getenv("LIFEBOAT_AGE_IDENTITY")
	if keys == "" {
		return "", errors.New("LIFEBOAT_AGE_IDENTITY does not name the file of the key that opens age files")
	}
	content, err := v.file(keys)
	if err != nil {
		return "", err
	}
	identities, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil {
		return "", errors.New("the file that LIFEBOAT_AGE_IDENTITY names holds no identity of age's")
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(v.Dir, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("open the file of a key: %w", err)
	}
	defer f.Close()
	opened, err := age.Decrypt(f, identities...)
	if err != nil {
		return "", fmt.Errorf("%s does not open with the identity at hand", path)
	}
	plain, err := io.ReadAll(io.LimitReader(opened, sizeMax+1))
	if err != nil {
		return "", fmt.Errorf("%s is damaged", path)
	}
	return string(plain), nil
}
