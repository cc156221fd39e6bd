package task

import (
	"context"
	"errors"
	"time"

	"lifeboat"
	"lifeboat/plan"
)

func (c *Crew) failover(key lifeboat.Key, t lifeboat.Task) (Work, error) {
	var step struct {
		plan.Failover
		Timeout plan.Duration `json:"timeout"`
	}
	if err := readSpec(t.Spec, &step); err != nil {
		return Work{}, err
	}
	if c.Endpoints == nil {
		return Work{}, errors.New("the plan has no dependency with endpoints")
	}
	if step.To == "" {
		step.To = "backup"
	}
	return Work{Limit: time.Duration(step.Timeout), Do: func(ctx context.Context, _ Progress) lifeboat.Receipt {
		said, facts, err := c.Endpoints.FailOver(ctx, step.Dependency, step.To)
		if err != nil {
			r := notPerformed(key, "%v", err)
			r.Facts = transient()
			return r
		}
		r := performed(key, said, "")
		r.Facts = facts
		return r
	}}, nil
}
