package task

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"

	"lifeboat"
	"lifeboat/durable"
	"lifeboat/plan"
)

// plansMax are the saved plans that are kept; of more, the oldest go. A plan that was applied goes at once: it holds the
// values of variables in the clear.
const plansMax = 32

// A change is a terraform step, ready to be planned or applied.
type change struct {
	plan.Terraform
	Hash    string        `json:"hash,omitempty"` // of the saved plan that is to be applied
	Timeout plan.Duration `json:"timeout,omitempty"`
}

func (c *Crew) planning(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	step, dir, err := c.readChange(t)
	if err == nil && step.Hash != "" {
		err = errors.New("a plan that is to be made has no hash yet")
	}
	if err != nil {
		return Work{}, err
	}
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt {
		saved, err := c.plan(ctx, key, step, dir)
		if err != nil {
			return refusedBy("the plan was not made", key, err)
		}
		r := performed(key, saved.why, saved.changes)
		r.Facts = map[string]string{"hash": saved.hash, "changes": strconv.FormatBool(saved.differs)}
		return r
	}}, nil
}

func (c *Crew) applying(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	step, dir, err := c.readChange(t)
	if err != nil {
		return Work{}, err
	}
	if content, err := hex.DecodeString(step.Hash); err != nil || len(content) != sha256.Size {
		return Work{}, errors.New("no plan was approved: the step has no hash")
	}
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt {
		return c.apply(ctx, key, step, dir)
	}}, nil
}

func (c *Crew) readChange(t lifeboat.Task) (step change, dir string, err error) {
	if err := readSpec(t.Spec, &step); err != nil {
		return step, "", err
	}
	dir, err = c.inside(step.Dir)
	return step, dir, err
}

// A savedPlan is what Terraform means to do.
type savedPlan struct {
	hash    string
	differs bool
	why     string
	changes string // for people to read
}

func (c *Crew) plan(ctx context.Context, key lifeboat.Key, step change, dir string) (savedPlan, error) {
	tf, err := c.terraform(dir, io.Discard)
	if err != nil {
		return savedPlan{}, err
	}
	if err := tf.Init(ctx); err != nil {
		return savedPlan{}, err
	}
	fresh := filepath.Join(c.plans(), "new-"+digest(lifeboat.Task{Kind: string(key)})[:16])
	defer os.Remove(fresh)
	options := []tfexec.PlanOption{tfexec.Out(fresh)}
	for _, name := range slices.Sorted(maps.Keys(step.Var)) {
		options = append(options, tfexec.Var(name+"="+step.Var[name]))
	}
	differs, err := tf.Plan(ctx, options...)
	if err != nil {
		return savedPlan{}, err
	}
	text, err := tf.ShowPlanFileRaw(ctx, fresh)
	if err != nil {
		return savedPlan{}, err
	}
	hash, err := c.keep(fresh)
	if err != nil {
		return savedPlan{}, fmt.Errorf("keep the plan: %w", err)
	}
	why := "nothing would change"
	if differs {
		why = "the plan is made and waits for a yes"
	}
	return savedPlan{hash, differs, why, text}, nil
}

// apply applies the very file whose hash was approved, and no other.
func (c *Crew) apply(ctx context.Context, key lifeboat.Key, step change, dir string) lifeboat.Receipt {
	file := filepath.Join(c.plans(), step.Hash)
	switch hash, err := hashFile(file); {
	case errors.Is(err, fs.ErrNotExist):
		return notPerformed(key, "the approved plan is not here any more; nothing was changed, and a new plan wants a new yes")
	case err != nil:
		return notPerformed(key, "the approved plan cannot be read; nothing was changed")
	case hash != step.Hash:
		return notPerformed(key, "the saved plan is not the one that was approved; nothing was changed")
	}
	var said capture
	tf, err := c.terraform(dir, &said)
	if err != nil {
		return refusedBy("nothing was changed", key, err)
	}
	if err := tf.Apply(ctx, tfexec.DirOrPlan(file)); err != nil {
		if strings.Contains(err.Error(), "plan is stale") {
			_ = os.Remove(file) // it can never be applied any more
			const overtaken = "what it would change has changed since the plan was made; nothing was done, and a new plan wants a new yes"
			return refusedBy(overtaken, key, err)
		}
		r := refusedBy("it was not carried through; a part of it may be done, which Terraform's state tells", key, err)
		r.Output = said.String() + "\n" + r.Output
		return r
	}
	_ = os.Remove(file) // what was applied cannot be applied again; that it stays does no harm
	return performed(key, "the approved plan was applied", said.String())
}

// terraform prepares the program. What it downloads is kept apart from the plan directory; its credentials come from the
// environment, of which it does not see what the plan itself refers to.
func (c *Crew) terraform(dir string, output io.Writer) (*tfexec.Terraform, error) {
	program, err := exec.LookPath(cmp.Or(c.Terraform, "terraform"))
	if err != nil {
		return nil, errors.New("the program terraform is not installed here")
	}
	tf, err := tfexec.NewTerraform(dir, program)
	if err != nil {
		return nil, errors.New("terraform cannot be run there")
	}
	sum := sha256.Sum256([]byte(dir))
	kept, err := filepath.Abs(filepath.Join(c.DataDir, "terraform", "work-"+hex.EncodeToString(sum[:8])))
	if err != nil {
		return nil, err
	}
	env, ours := map[string]string{}, references(c.Plan)
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if !ours[name] && !strings.HasPrefix(name, "LIFEBOAT_") {
			env[name] = value
		}
	}
	env["TF_DATA_DIR"] = kept
	if err := tf.SetEnv(tfexec.CleanEnv(env)); err != nil {
		return nil, err
	}
	tf.SetStdout(output)
	return tf, os.MkdirAll(c.plans(), 0o700)
}

func (c *Crew) plans() string {
	dir, err := filepath.Abs(filepath.Join(c.DataDir, "terraform", "plans"))
	if err != nil {
		return filepath.Join(c.DataDir, "terraform", "plans") // without a working directory nothing else works either
	}
	return dir
}

// keep gives a plan the name of its hash, durably, because a person may take days to approve it.
func (c *Crew) keep(fresh string) (hash string, err error) {
	content, err := os.ReadFile(fresh)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	hash = hex.EncodeToString(sum[:])
	if err := durable.Write(filepath.Join(c.plans(), hash), content); err != nil {
		return "", err
	}
	return hash, c.tidy(hash)
}

// tidy removes the oldest plans beyond plansMax.
func (c *Crew) tidy(newest string) error {
	entries, err := os.ReadDir(c.plans())
	if err != nil {
		return err
	}
	age := map[string]time.Time{}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && len(e.Name()) == 2*sha256.Size && e.Name() != newest {
			age[e.Name()] = info.ModTime()
		}
	}
	oldest := slices.SortedFunc(maps.Keys(age), func(a, b string) int { return age[a].Compare(age[b]) })
	for _, name := range oldest[:max(0, len(oldest)-plansMax+1)] {
		_ = os.Remove(filepath.Join(c.plans(), name)) // it is tried again with the next plan
	}
	return nil
}

func hashFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// refusedBy tells what Terraform did not do: its own first line of error in the sentence, all that it said in the output.
func refusedBy(what string, key lifeboat.Key, err error) lifeboat.Receipt {
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		return notPerformed(key, "%s: it took too long and was stopped", what)
	}
	reason, _, _ := strings.Cut(text, "\n")
	for line := range strings.Lines(text) {
		if _, told, found := strings.Cut(line, "Error: "); found {
			reason = strings.TrimSpace(told)
			break
		}
	}
	r := notPerformed(key, "%s: %s", what, reason)
	r.Output = text
	return r
}
