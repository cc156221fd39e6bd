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

func (c *Crew) command(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	var step struct {
		plan.Exec
		Timeout plan.Duration `json:"timeout"`
	}
	if err := readSpec(t.Spec, &step); err != nil {
		return Work{}, err
	}
	run, dir, err := c.listed(step.Command)
	if err != nil {
		return Work{}, err
	}
	args := append(slices.Clone(run[1:]), step.Args...)
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt {
		return c.run(ctx, key, exec.CommandContext(ctx, run[0], args...), dir)
	}}, nil
}

// listed finds a command of the plan that may run on this machine.
func (c *Crew) listed(name string) (run []string, dir string, err error) {
	i := slices.IndexFunc(c.Plan.Commands, func(listed plan.Command) bool { return listed.Name == name })
	switch {
	case i < 0:
		return nil, "", fmt.Errorf("the plan lists no command %q", name)
	case !slices.Contains(c.Allowed, name):
		return nil, "", fmt.Errorf("the daemon was not started with leave to run %q", name)
	case len(c.Plan.Commands[i].Run) == 0 || !filepath.IsAbs(c.Plan.Commands[i].Run[0]):
		return nil, "", fmt.Errorf("the command %q does not name its program by its full path", name)
	}
	dir, err = c.inside(c.Plan.Commands[i].Dir)
	return c.Plan.Commands[i].Run, dir, err
}

// Companion prepares a command of the plan that runs beside lifeboat, not started yet, and what stops it and all that it
// started at once. It is told to stop when ctx ends, and sees as little of the environment as a step's command.
func (c *Crew) Companion(ctx context.Context, name string) (command *exec.Cmd, kill func(), err error) {
	run, dir, err := c.listed(name)
	if err != nil {
		return nil, nil, err
	}
	command = exec.CommandContext(ctx, run[0], run[1:]...)
	command.Dir, command.Env, command.WaitDelay = dir, minimal(""), graceTime
	asGroup(command)
	return command, func() {
		if command.Process != nil {
			killGroup(command)
		}
	}, nil
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
	all := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8"}
	if key != "" {
		all = append(all, "LIFEBOAT_KEY="+string(key))
	}
	return all
}

// bare is an error without the path that the operating system puts before it.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
