package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"lifeboat"
	"lifeboat/plan"
	"lifeboat/prose"
)

// graceTime is what a command has to put things right after it was told to stop.
const graceTime = 5 * time.Second

func (c *Crew) command(key lifeboat.Key, t lifeboat.Task) (work, error) {
	var step struct {
		plan.Exec
		Timeout plan.Duration `json:"timeout"`
	}
	if err := readSpec(t.Spec, &step); err != nil {
		return work{}, err
	}
	i := slices.IndexFunc(c.Plan.Commands, func(listed plan.Command) bool { return listed.Name == step.Command })
	switch {
	case i < 0:
		return work{}, fmt.Errorf("the plan lists no command %q", step.Command)
	case !slices.Contains(c.Allowed, step.Command):
		return work{}, fmt.Errorf("the daemon was not started with leave to run %q", step.Command)
	case len(c.Plan.Commands[i].Run) == 0 || !filepath.IsAbs(c.Plan.Commands[i].Run[0]):
		return work{}, fmt.Errorf("the command %q does not name its program by its full path", step.Command)
	}
	listed := c.Plan.Commands[i]
	dir, err := c.inside(listed.Dir)
	if err != nil {
		return work{}, err
	}
	args := append(slices.Clone(listed.Run[1:]), step.Args...)
	return work{limit: time.Duration(step.Timeout), do: func(ctx context.Context) lifeboat.Receipt {
		return c.run(ctx, key, exec.CommandContext(ctx, listed.Run[0], args...), dir)
	}}, nil
}

// run runs a command to its end, or to the end of ctx with everything that it started.
func (c *Crew) run(ctx context.Context, key lifeboat.Key, command *exec.Cmd, dir string) lifeboat.Receipt {
	var said capture
	command.Dir, command.Env = dir, minimal(key)
	command.Stdout, command.Stderr = &said, &said
	command.WaitDelay = graceTime
	asGroup(command)
	started := c.Clock.Now()
	if err := command.Start(); err != nil {
		return notPerformed(key, "the program cannot be started: %v", bare(err))
	}
	err := command.Wait()
	took := prose.Span(c.Clock.Now().Sub(started))
	if ctx.Err() != nil {
		killGroup(command)
	}
	var r lifeboat.Receipt
	switch {
	case command.ProcessState != nil && command.ProcessState.Success() && ctx.Err() == nil:
		r = performed(key, "it ended well after "+took, "")
	case ctx.Err() != nil:
		r = notPerformed(key, "it was not done after %s and was stopped; what it had done by then stands", took)
	default:
		r = notPerformed(key, "it failed after %s: %v", took, bare(err))
	}
	r.Output = said.String()
	return r
}

// minimal is all of the environment that a command sees: none of lifeboat's own secrets.
func minimal(key lifeboat.Key) []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8",
		"LIFEBOAT_KEY=" + string(key)}
}

// bare is an error without the path that the operating system puts before it.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
