package main

import (
	"context"

	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// polled reads all tasks that still run with one call.
type polled struct {
	work    *work
	running []reference
}

func (p *polled) gather(ctx context.Context) error {
	p.running = append(p.running, p.work.takeStarted()...)
	if len(p.running) == 0 {
		return nil
	}
	var tasks []mo.Task
	if err := property.DefaultCollector(p.work.client).Retrieve(ctx, p.running, []string{"info"}, &tasks); err != nil {
		return err
	}
	p.running = nil
	for _, task := range tasks {
		switch task.Info.State {
		case types.TaskInfoStateQueued, types.TaskInfoStateRunning:
			p.running = append(p.running, task.Self)
			continue
		}
		more, err := p.work.done(&task.Info)
		if err != nil {
			return err
		}
		p.running = append(p.running, more...)
	}
	return nil
}
