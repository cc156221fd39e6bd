package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/app"
	"lifeboat/drill/conformance/mutate"
)

// A kit that never finds anything would pass every test but this one: mistakes are planted in the breaker's code, and
// each must be found by the kit, under one of a few plans.

// childVariable makes the test binary a child that runs the kit on whatever breaker was compiled into it.
const childVariable = "LIFEBOAT_CONFORMANCE_CHILD"

const (
	childHeld   = 0
	childBroken = 3
)

func TestMain(m *testing.M) {
	if dirs := os.Getenv(childVariable); dirs != "" {
		os.Exit(child(strings.Fields(dirs)))
	}
	os.Exit(m.Run())
}

func child(dirs []string) int {
	for _, dir := range dirs {
		p, err := app.LoadPlan(dir)
		if err != nil {
			fmt.Println(err)
			return 1
		}
		r, err := Run(context.Background(), p, Options{FirstOnly: true})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		for _, f := range r.Findings {
			if f.Verdict == Broken {
				fmt.Printf("%s: %s: %s\n", filepath.Base(dir), f.Name, f.Seen)
				return childBroken
			}
		}
	}
	return childHeld
}

// mutated are the folders of the product in which mistakes are planted, and which functions of them. What only makes
// sentences is left out: how they read is for people to judge.
var mutated = map[string]func(name, text string) bool{
	"act/decide/breaker": func(name, _ string) bool {
		return !slices.Contains([]string{"consequence", "released", "because"}, name)
	},
	"act/decide": func(name, text string) bool {
		if slices.Contains([]string{"Apply", "New", "backed", "terms", "fits", "reentry"}, name) {
			return false // who decided an act and who may ask for what is tried where the desk is
		}
		return name == "Allow" || strings.Contains(strings.ToLower(text), "breaker")
	},
}

// plantedMin is how many mistakes there must be at least: fewer of them, and the test has lost sight of the breaker.
const plantedMin = 250

// TestKillMutants plants every mistake that mutate knows and runs the kit on each.
func TestKillMutants(t *testing.T) {
	binary, mutants := planted(t)
	if len(mutants) < plantedMin {
		t.Fatalf("only %d mistakes were planted", len(mutants))
	}
	equivalent := equivalents(t)
	if out, code := runMutant(t, binary, -1); code != childHeld {
		t.Fatalf("without any mistake the kit already says: %s", out)
	}
	results := make([]string, len(mutants)) // "" is caught
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, m := range mutants {
		group.Go(func() error {
			if out, code := runMutant(t, binary, m.Number); code == childHeld {
				results[i] = m.String()
			} else if os.Getenv("LIFEBOAT_SHOW") != "" {
				t.Logf("caught: %s\n        by %s", m, firstLine(out))
			}
			return nil
		})
	}
	_ = group.Wait()
	survived, excused := 0, map[string]bool{}
	for i, r := range results {
		switch identity := mutants[i].Identity(); {
		case r == "":
		case equivalent[identity] != "":
			excused[identity] = true
		default:
			survived++
			t.Errorf("survived: %s", r)
		}
	}
	for identity := range equivalent {
		if !excused[identity] {
			t.Errorf("testdata/equivalent.txt excuses a mistake that is found, or that there is none of any more: %s", identity)
		}
	}
	t.Logf("%d mistakes planted, %d found, %d make no difference, %d survived", len(mutants), len(mutants)-survived-len(excused), len(excused), survived)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// planted compiles the kit with every mistake in it, each behind its number.
func planted(t *testing.T) (binary string, mutants []mutate.Mutant) {
	t.Helper()
	dir, root := t.TempDir(), filepath.Join("..", "..")
	root, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	put := func(path string, text []byte) {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, path)] = to
	}
	for _, folder := range sortedKeys(mutated) {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no source in %s: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			path := folder + "/" + filepath.Base(file)
			copied, found, err := mutate.Plant(path, text, len(mutants), mutated[folder])
			if err != nil {
				t.Fatal(err)
			}
			put(path, copied)
			mutants = append(mutants, found...)
		}
		put(folder+"/mutants_planted.go", mutate.Support(filepath.Base(folder)))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(dir, "mutants.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", path, "-o", binary, "./drill/conformance")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("compile the kit with mistakes: %v\n%s", err, out)
	}
	return binary, mutants
}

// childMax is how long one mistake may take; the kit itself needs a second.
const childMax = time.Minute

// runMutant runs the kit with one mistake. A child that crashes or does not end has noticed it too.
func runMutant(t *testing.T, binary string, number int) (out string, code int) {
	ctx, cancel := context.WithTimeout(t.Context(), childMax)
	defer cancel()
	c := exec.CommandContext(ctx, binary)
	c.Env = append(os.Environ(), childVariable+"="+strings.Join(fixtures, " "), fmt.Sprintf("%s=%d", mutate.Variable, number))
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return string(text), childHeld
	case errors.As(err, &exit):
		return string(text), exit.ExitCode()
	}
	return err.Error(), 1
}

// equivalents reads the mistakes that make no difference, each with the reason.
func equivalents(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/equivalent.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	lines := slices.DeleteFunc(bytes.Split(text, []byte("\n")), func(line []byte) bool { return len(line) == 0 || line[0] == '#' })
	for _, line := range lines {
		identity, reason, ok := strings.Cut(string(line), " ## ")
		if !ok || strings.TrimSpace(reason) == "" {
			t.Fatalf("testdata/equivalent.txt: %q gives no reason", line)
		}
		found[identity] = reason
	}
	return found
}
