package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	hostCores   = 32
	hostThreads = 64
	hostMemory  = 256 << 30
)

// measure makes the figures of hosts, clusters and root pools hold together, as those of a vCenter do.
// The simulator's own do not: a host is too small for a node, a cluster has one core of each host and
// tells effective memory in bytes, and each pool is as large as one small host.
func measure(registry *simulator.Registry) {
	for _, kind := range []string{"ComputeResource", "ClusterComputeResource"} {
		for _, item := range registry.All(kind) {
			switch compute := item.(type) {
			case *mo.ComputeResource:
				measureCompute(registry, compute)
			case *simulator.ClusterComputeResource:
				measureCompute(registry, &compute.ComputeResource)
			}
		}
	}
}

func measureCompute(registry *simulator.Registry, compute *mo.ComputeResource) {
	summary := compute.Summary.GetComputeResourceSummary()
	summary.TotalCpu, summary.TotalMemory = 0, 0
	for _, reference := range compute.Host {
		host, ok := registry.Get(reference).(*simulator.HostSystem)
		if !ok {
			continue
		}
		measureHost(host)
		summary.TotalCpu += host.Summary.Hardware.CpuMhz * hostCores
		summary.TotalMemory += hostMemory
	}
	summary.EffectiveCpu = summary.TotalCpu
	summary.EffectiveMemory = summary.TotalMemory >> 20
	if compute.ResourcePool == nil {
		return
	}
	if pool, ok := registry.Get(*compute.ResourcePool).(*simulator.ResourcePool); ok {
		pool.Runtime.Cpu = unused(int64(summary.EffectiveCpu))
		pool.Runtime.Memory = unused(summary.TotalMemory)
	}
}

func measureHost(host *simulator.HostSystem) {
	host.Summary.Hardware.NumCpuCores = hostCores
	host.Summary.Hardware.NumCpuThreads = hostThreads
	host.Summary.Hardware.MemorySize = hostMemory
	host.Hardware.CpuInfo.NumCpuCores = hostCores
	host.Hardware.CpuInfo.NumCpuThreads = hostThreads
	host.Hardware.MemorySize = hostMemory
}

// unused is a resource of which nothing is used or reserved.
func unused(all int64) types.ResourcePoolResourceUsage {
	return types.ResourcePoolResourceUsage{UnreservedForPool: all, UnreservedForVm: all, MaxUsage: all}
}
