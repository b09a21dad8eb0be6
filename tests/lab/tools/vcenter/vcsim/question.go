package main

import (
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	answerVM = "AnswerVM"
	// holdsDrive is the setting of a VM whose guest holds its CD-ROM drive.
	holdsDrive = "lab.guest-holds-drive"
	// byForce is the answer that takes the drive from the guest.
	byForce = "0"
)

// questions are those that VMs wait to be answered, each with who waits for its answer.
type questions struct {
	lock sync.Mutex
	open map[types.ManagedObjectReference]chan string
}

// asking is a VM whose guest holds the drive that is to be emptied, or that waits for an answer.
type asking struct {
	standIn
	vm        *simulator.VirtualMachine
	questions *questions
}

func (q *questions) ask(vm types.ManagedObjectReference) chan string {
	q.lock.Lock()
	defer q.lock.Unlock()
	if q.open == nil {
		q.open = make(map[types.ManagedObjectReference]chan string)
	}
	answer := make(chan string, 1)
	q.open[vm] = answer
	return answer
}

// answer says whether there was a question.
func (q *questions) answer(vm types.ManagedObjectReference, choice string) bool {
	q.lock.Lock()
	defer q.lock.Unlock()
	waiting, ok := q.open[vm]
	if ok {
		delete(q.open, vm)
		waiting <- choice
	}
	return ok
}

// isHeld tells whether a change takes a medium out of a drive that the guest holds.
func isHeld(vm *simulator.VirtualMachine, body *types.ReconfigVM_Task) bool {
	if vm.Config == nil || vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOn {
		return false
	}
	held := false
	for _, option := range vm.Config.ExtraConfig {
		value := option.GetOptionValue()
		held = held || value.Key == holdsDrive && value.Value == "TRUE"
	}
	for _, change := range body.Spec.DeviceChange {
		spec := change.GetVirtualDeviceConfigSpec()
		_, isDrive := spec.Device.(*types.VirtualCdrom)
		if held && isDrive && spec.Operation == types.VirtualDeviceConfigSpecOperationEdit {
			return true
		}
	}
	return false
}

// ReconfigVMTask asks first, as a vCenter does. Any answer but one leaves the VM as it is.
func (a *asking) ReconfigVMTask(ctx *simulator.Context, request *types.ReconfigVM_Task) soap.HasFault {
	a.leave(ctx)
	run := func(task *simulator.Task) (types.AnyType, types.BaseMethodFault) {
		answer := a.questions.ask(a.Self)
		set := func(question types.AnyType) {
			change := types.PropertyChange{Name: "runtime.question", Val: question}
			ctx.Map.AtomicUpdate(ctx, a.vm, []types.PropertyChange{change})
		}
		set(lockedDrive())
		choice := <-answer
		set(nil)
		if choice != byForce {
			return nil, new(types.GenericVmConfigFault)
		}
		ctx.WithLock(a.vm, func() { a.vm.ReconfigVMTask(ctx, request) })
		return nil, nil
	}
	// While it waits, the VM can be read, and the answer can come: the lock that a task holds is another one.
	waits := types.ManagedObjectReference{Type: a.Self.Type, Value: a.Self.Value + "-asks"}
	task := simulator.CreateTask(waits, "reconfigure", run).Run(ctx)
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: task}}
}

// AnswerVM ends the wait of the call that asked.
func (a *asking) AnswerVM(ctx *simulator.Context, request *types.AnswerVM) soap.HasFault {
	a.leave(ctx)
	body := &methods.AnswerVMBody{}
	if a.questions.answer(a.Self, request.AnswerChoice) {
		body.Res = new(types.AnswerVMResponse)
	} else {
		body.Fault_ = simulator.Fault("", &types.InvalidArgument{InvalidProperty: "questionId"})
	}
	return body
}

func lockedDrive() types.VirtualMachineQuestionInfo {
	choice := func(key, label string) types.BaseElementDescription {
		return &types.ElementDescription{
			Description: types.Description{Label: label, Summary: label}, Key: key,
		}
	}
	const text = "The guest operating system has locked the CD-ROM door. Disconnect anyway and override the lock?"
	return types.VirtualMachineQuestionInfo{
		Id:   "1",
		Text: text,
		Choice: types.ChoiceOption{
			ChoiceInfo:   []types.BaseElementDescription{choice(byForce, "Yes"), choice("1", "No")},
			DefaultIndex: 1,
		},
		Message: []types.VirtualMachineMessage{{Id: "msg.cdromdisconnect.locked", Text: text}},
	}
}
