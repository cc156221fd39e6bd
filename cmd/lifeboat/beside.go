package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lifeboat"
)

// makeBeside makes the directory of a report before the work is done, not after it. It must not lie in a plan's: every
// file there is read as part of the plan, so that the next check would find a report's keys in it and take its digests
// for private keys.
func makeBeside(out string, plans ...string) error {
	for _, plan := range plans {
		inside, err := liesIn(plan, out)
		if err != nil {
			return notWritten(out, err)
		}
		if inside {
			return &lifeboat.Problem{Reason: "usage", What: fmt.Sprintf("the report cannot go to %s, which lies in the plan directory %s: what is there is read as part of the plan", out, plan),
				Money: "nothing was written", Next: "name a directory beside the plan with --out"}
		}
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return notWritten(out, err)
	}
	return nil
}

// liesIn reports that a path is a directory or lies in it, and would be read with it: hidden folders are not.
func liesIn(dir, path string) (bool, error) {
	root, err := withoutLinks(dir)
	if err != nil {
		return false, err
	}
	target, err := withoutLinks(path)
	if err != nil {
		return false, err
	}
	below, err := filepath.Rel(root, target)
	if err != nil { // on another drive
		return false, nil
	}
	first, _, _ := strings.Cut(below, string(filepath.Separator))
	return below == "." || first != ".." && !strings.HasPrefix(first, "."), nil
}

// withoutLinks is a path without links, as far as it exists.
func withoutLinks(path string) (string, error) {
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := whole; ; at = filepath.Dir(at) {
		if found, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(found, rest), nil
		}
		if at == filepath.Dir(at) {
			return whole, nil
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}
