package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// Each form of a reference tells its key, and what cannot be read is told without it.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, identity.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("key-of-age\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write("key", "key-of-file\r\n", 0o600)
	write("open", "key-that-all-read", 0o644)
	write("empty", "\n", 0o600)
	write("long", strings.Repeat("k", sizeMax+1), 0o600)
	write("sealed.age", sealed.String(), 0o644)
	write("identity", identity.String(), 0o600)
	t.Setenv("LIFEBOAT_TEST_KEY", "key-of-env")
	t.Setenv("LIFEBOAT_AGE_IDENTITY", filepath.Join(dir, "identity"))
	v := &Vault{Dir: dir, Command: func(name string) ([]string, error) {
		switch name {
		case "keychain":
			return []string{"echo", "key-of-command"}, nil
		case "broken":
			return []string{"sh", "-c", "echo key-of-command >&2; exit 1"}, nil
		}
		return nil, errors.New("the plan has no command " + name)
	}}
	for _, c := range []struct{ reference, want, fault string }{
		{"env:LIFEBOAT_TEST_KEY", "key-of-env", ""},
		{"${LIFEBOAT_TEST_KEY}", "key-of-env", ""},
		{"file:key", "key-of-file", ""},
		{"file:" + filepath.Join(dir, "key"), "key-of-file", ""},
		{"exec:keychain", "key-of-command", ""},
		{"age:sealed.age", "key-of-age", ""},
		{"env:LIFEBOAT_TEST_NONE", "", "the environment has no LIFEBOAT_TEST_NONE"},
		{"file:open", "", "others can read"},
		{"file:none", "", "no such file"},
		{"file:.", "", "is no file"},
		{"file:empty", "", "is empty"},
		{"file:long", "", "longer than any key"},
		{"exec:broken", "", "the command broken that should tell a key failed"},
		{"exec:other", "", "the plan has no command other"},
		{"age:key", "", "does not open with the identity at hand"},
		{"key-of-nobody", "", "a key is written as a reference"},
	} {
		got, err := v.Read(t.Context(), c.reference)
		switch {
		case c.fault == "" && (err != nil || got != c.want):
			t.Errorf("%s: %q, %v", c.reference, got, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want %q", c.reference, err, c.fault)
		case err != nil && strings.Contains(err.Error(), "key-"):
			t.Errorf("%s: the error %q tells a key", c.reference, err)
		}
	}
	if told := v.Scrub("key-of-env key-of-file and key-of-age?x=1"); strings.Contains(told, "key-of") {
		t.Errorf("scrubbed: %q", told)
	}
	if _, err := (&Vault{}).Read(t.Context(), "exec:keychain"); err == nil {
		t.Error("a vault without commands runs one")
	}
}

func TestIsReference(t *testing.T) {
	for text, want := range map[string]bool{"env:A_B": true, "${A}": true, "file:x y": true, "exec:c": true, "age:k.age": true,
		"": false, "env:": false, "env:1": false, "PKABC123": false, "file:": false, "file: x": false, "$A": false, "https://x": false} {
		if IsReference(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Setenv("NODE_KEY", "hunter2hunter2")
	t.Setenv("NODE", "https://rpc.example.org/v2/hunter3hunter3")
	var v Vault
	for text, want := range map[string]string{
		"https://rpc.example.org":                     "https://rpc.example.org",
		"https://rpc.example.org/v2/${NODE_KEY}?a=$b": "https://rpc.example.org/v2/hunter2hunter2?a=$b",
		"${NODE}":  "https://rpc.example.org/v2/hunter3hunter3",
		"env:NODE": "https://rpc.example.org/v2/hunter3hunter3",
	} {
		if got, err := v.Address(t.Context(), text); err != nil || got != want {
			t.Errorf("%s is %s: %v", text, got, err)
		}
	}
	if got := v.Scrub("asked https://rpc.example.org/v2/hunter2hunter2, then https://rpc.example.org/v2/hunter3hunter3"); strings.Contains(got, "hunter") {
		t.Errorf("said %s", got)
	}
	if got, err := v.Address(t.Context(), "https://${NODE_KEY}.example.org/${MISSING_KEY}"); err == nil || got != "" || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%q: %v", got, err)
	}
}
