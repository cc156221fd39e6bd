package testbed

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// folder is where this package's files are; tests run in folders of their own.
var folder = func() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}()

// Missing says what the bed lacks; nothing when it can start.
func Missing() string {
	for _, part := range []string{"@safe-global/safe-contracts", "@aave/core-v3", "@openzeppelin/contracts", "solc"} {
		if _, err := os.Stat(filepath.Join(folder, "node_modules", part, "package.json")); err != nil {
			return "the npm package " + part + " is not installed: run make testbed"
		}
	}
	if anvilBinary() == "" {
		return "anvil is not installed: run make testbed"
	}
	return ""
}

// Needed skips a test on a machine that lacks the bed. In CI, where everything is installed first, it fails instead: a gap is not
// to look like a pass.
func Needed(t testing.TB) {
	t.Helper()
	switch missing := Missing(); {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

func anvilBinary() string {
	found, _ := filepath.Glob(filepath.Join(folder, "node_modules", "@foundry-rs", "anvil-*", "bin", "anvil*"))
	if len(found) == 0 {
		return ""
	}
	return found[0]
}
