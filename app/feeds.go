package app

import (
	"fmt"
	"slices"

	"lifeboat/plan"
	"lifeboat/secret"
)

// feedKeys reads the keys that feeds refer to. A command tells one only where it is allowed to run.
func (d *Daemon) feedKeys() *secret.Vault {
	return &secret.Vault{Dir: d.PlanDir, Command: func(name string) ([]string, error) {
		i := slices.IndexFunc(d.DaemonOptions.Plan.Commands, func(c plan.Command) bool { return c.Name == name })
		switch {
		case i < 0 || len(d.DaemonOptions.Plan.Commands[i].Run) == 0:
			return nil, fmt.Errorf("the plan lists no command %q", name)
		case !slices.Contains(d.AllowExec, name):
			return nil, fmt.Errorf("the command %s of exec:%s is not allowed here: start with --allow-exec %s", name, name, name)
		}
		return d.DaemonOptions.Plan.Commands[i].Run, nil
	}}
}
