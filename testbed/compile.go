package testbed

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// compiled is one of our own contracts, File.sol/Name. What it was compiled to lies in an ignored cache under a name that is made of
// its text and of what it was compiled with, so that a change of either compiles it again.
func compiled(name string) (*artifact, error) {
	file, contract, _ := strings.Cut(name, "/")
	cache, err := cached(file)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(cache)
	if os.IsNotExist(err) {
		if err := compile(); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(cache)
	}
	if err != nil {
		return nil, err
	}
	var contracts map[string]json.RawMessage
	if err := json.Unmarshal(text, &contracts); err != nil {
		return nil, err
	}
	if contracts[contract] == nil {
		return nil, fmt.Errorf("%s has no contract %s", file, contract)
	}
	return parseArtifact(contracts[contract])
}

// cached is where compile.mjs leaves what it makes of a file, or of a package's contracts that are no files; it makes the name in the
// same way.
func cached(file string) (string, error) {
	parts := []string{"compile.mjs", "package-lock.json"}
	if strings.HasSuffix(file, ".sol") {
		parts = append([]string{"contracts/" + file}, parts...)
	}
	sum := sha256.New()
	for _, part := range parts {
		text, err := os.ReadFile(filepath.Join(folder, part))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	return filepath.Join(folder, "cache", file+"-"+hex.EncodeToString(sum.Sum(nil))[:16]+".json"), nil
}

// compile compiles all that is not in the cache, once in a process. Two processes that do so at once do the work twice and leave
// the same files.
var compile = sync.OnceValue(func() error {
	cmd := exec.Command("node", "compile.mjs")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compile the contracts: %w\n%s", err, out)
	}
	return nil
})
