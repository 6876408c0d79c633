package simulator

// Changed-block tracking as the API reference has it: QueryChangedDiskAreas, and a change id in each disk's backing of
// a snapshot. What changed is told by the content of the flat file at each snapshot, in blocks of 64 KiB.
//
// As on a real host it takes effect with the first snapshot after changeTrackingEnabled was set, a disk can be left out
// by its own flag (scsi0:0.ctkEnabled), an id of a time before it was turned off and on is refused, and an answer tells
// of a few areas only: the rest is asked for from where it ended. Unlike there a snapshot does not freeze the files.

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	trackedBlock = 64 * 1024
	// A real answer has some thousand at most.
	areasPerAnswer = 4
)

// The content of a disk at a snapshot.
type trackedContent struct {
	file  string
	epoch string
	size  int64
	// 0 is a block of zeros.
	blocks []uint64
}

// Of one machine since tracking took effect.
type trackedMachine struct {
	// By the name of the disk's file.
	epochs map[string]string
	next   int
}

type changeTracker struct {
	m        sync.Mutex
	machines map[types.ManagedObjectReference]*trackedMachine
	// By change id, and by snapshot and key.
	marks map[string]*trackedContent
	held  map[string]*trackedContent
}

var tracker = &changeTracker{
	machines: make(map[types.ManagedObjectReference]*trackedMachine),
	marks:    make(map[string]*trackedContent),
	held:     make(map[string]*trackedContent),
}

func init() {
	RegisterEndpoint(func(_ *Service, r *Registry) { r.AddHandler(tracker) })
}

func (c *changeTracker) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "ChangeTracker", Value: "ChangeTracker"}
}

func (c *changeTracker) UpdateObject(mo.Reference, []types.PropertyChange) {}

func (c *changeTracker) RemoveObject(types.ManagedObjectReference) {}

func heldKey(snapshot types.ManagedObjectReference, key int32) string {
	return fmt.Sprintf("%s %d", snapshot.Value, key)
}

// A snapshot that is made has the machine's settings: they become its own, with the change ids.
func (c *changeTracker) PutObject(item mo.Reference) {
	snapshot, ok := item.(*VirtualMachineSnapshot)
	if !ok {
		return
	}
	c.m.Lock()
	defer c.m.Unlock()
	vm := Map.Get(snapshot.Vm).(*VirtualMachine)
	enabled := vm.Config.ChangeTrackingEnabled != nil && *vm.Config.ChangeTrackingEnabled
	if !enabled {
		delete(c.machines, vm.Self)
		return
	}
	machine, active := c.machines[vm.Self]
	if !active {
		c.machines[vm.Self] = &trackedMachine{epochs: make(map[string]string)}
		return
	}
	machine.next++
	devices := append(object.VirtualDeviceList{}, vm.Config.Hardware.Device...)
	for i, device := range devices {
		disk, isDisk := device.(*types.VirtualDisk)
		if !isDisk {
			continue
		}
		backing, isFlat := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
		if !isFlat || leftOut(vm, disk) {
			continue
		}
		epoch, known := machine.epochs[backing.FileName]
		if !known {
			epoch = changeEpoch()
			machine.epochs[backing.FileName] = epoch
		}
		content, err := readContent(vm, backing.FileName)
		if err != nil {
			continue
		}
		content.epoch = epoch
		ownBacking := *backing
		ownBacking.ChangeId = fmt.Sprintf("%s/%d", epoch, machine.next)
		own := *disk
		own.Backing = &ownBacking
		devices[i] = &own
		c.marks[ownBacking.ChangeId] = content
		c.held[heldKey(snapshot.Self, disk.Key)] = content
	}
	snapshot.Config.Hardware.Device = devices
}

// `52 3c 51 bc … d2-c8 7e …`
func changeEpoch() string {
	id := uuid.New()
	part := func(bytes []byte) string { return strings.TrimSpace(fmt.Sprintf("% x", bytes)) }
	return part(id[:8]) + "-" + part(id[8:])
}

// By the disk's own flag; the last word counts.
func leftOut(vm *VirtualMachine, disk *types.VirtualDisk) bool {
	unit := int32(0)
	if disk.UnitNumber != nil {
		unit = *disk.UnitNumber
	}
	name := fmt.Sprintf("scsi0:%d.ctkEnabled", unit)
	out := false
	for _, option := range vm.Config.ExtraConfig {
		value := option.GetOptionValue()
		if value.Key == name {
			out = strings.EqualFold(fmt.Sprint(value.Value), "false")
		}
	}
	return out
}

var extentLine = regexp.MustCompile(`^RW \d+ \w+ "([^"/]+)"`)

// The flat file that the disk's descriptor names.
func flatFile(vm *VirtualMachine, name string) (string, error) {
	p, fault := parseDatastorePath(name)
	if fault != nil {
		return "", fmt.Errorf("%s is no path of a datastore", name)
	}
	host := Map.Get(*vm.Runtime.Host).(*HostSystem)
	store, ok := Map.FindByName(p.Datastore, host.Datastore).(*Datastore)
	if !ok {
		return "", fmt.Errorf("no datastore %s", p.Datastore)
	}
	descriptor := path.Join(store.Info.GetDatastoreInfo().Url, p.Path)
	f, err := os.Open(descriptor)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 64*1024))
	for lines.Scan() {
		if found := extentLine.FindStringSubmatch(lines.Text()); found != nil {
			return path.Join(path.Dir(descriptor), found[1]), nil
		}
	}
	return "", fmt.Errorf("%s names no extent", name)
}

func readContent(vm *VirtualMachine, name string) (*trackedContent, error) {
	flat, err := flatFile(vm, name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(flat)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := &trackedContent{file: name}
	block := make([]byte, trackedBlock)
	for {
		n, err := io.ReadFull(f, block)
		if n > 0 {
			content.size += int64(n)
			content.blocks = append(content.blocks, blockMark(block[:n]))
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return content, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func blockMark(block []byte) uint64 {
	for _, b := range block {
		if b != 0 {
			hash := fnv.New64a()
			hash.Write(block)
			return hash.Sum64() | 1
		}
	}
	return 0
}

func (vm *VirtualMachine) QueryChangedDiskAreas(req *types.QueryChangedDiskAreas) soap.HasFault {
	tracker.m.Lock()
	defer tracker.m.Unlock()
	body := &methods.QueryChangedDiskAreasBody{}
	info, fault := tracker.query(vm, req)
	if fault != nil {
		body.Fault_ = Fault("A specified parameter was not correct, or a file could not be used", fault)
	} else {
		body.Res = &types.QueryChangedDiskAreasResponse{Returnval: *info}
	}
	return body
}

func (c *changeTracker) query(
	vm *VirtualMachine, req *types.QueryChangedDiskAreas,
) (*types.DiskChangeInfo, types.BaseMethodFault) {
	disk, ok := object.VirtualDeviceList(vm.Config.Hardware.Device).FindByKey(req.DeviceKey).(*types.VirtualDisk)
	if !ok {
		return nil, &types.InvalidArgument{InvalidProperty: "deviceKey"}
	}
	file := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).FileName
	var now *trackedContent
	if req.Snapshot != nil {
		now = c.held[heldKey(*req.Snapshot, req.DeviceKey)]
	} else if machine, active := c.machines[vm.Self]; active &&
		vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff && !leftOut(vm, disk) {
		if content, err := readContent(vm, file); err == nil {
			content.epoch = machine.epochs[file]
			now = content
		}
	}
	if now == nil {
		return nil, &types.FileFault{File: file}
	}
	if req.StartOffset < 0 || req.StartOffset >= now.size {
		return nil, &types.InvalidArgument{InvalidProperty: "startOffset"}
	}
	since := &trackedContent{blocks: make([]uint64, len(now.blocks))}
	if req.ChangeId != "*" {
		mark, known := c.marks[req.ChangeId]
		if !known || mark.epoch != now.epoch || mark.file != now.file || mark.size != now.size {
			return nil, &types.InvalidArgument{InvalidProperty: "changeId"}
		}
		since = mark
	}
	return changedAreas(since, now, req.StartOffset), nil
}

func changedAreas(since *trackedContent, now *trackedContent, from int64) *types.DiskChangeInfo {
	info := &types.DiskChangeInfo{StartOffset: from}
	end := from
	for end < now.size {
		i := end / trackedBlock
		stop := (i + 1) * trackedBlock
		if stop > now.size {
			stop = now.size
		}
		if now.blocks[i] != since.blocks[i] {
			last := len(info.ChangedArea) - 1
			if last >= 0 && info.ChangedArea[last].Start+info.ChangedArea[last].Length == end {
				info.ChangedArea[last].Length += stop - end
			} else if len(info.ChangedArea) == areasPerAnswer {
				break
			} else {
				info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: end, Length: stop - end})
			}
		}
		end = stop
	}
	info.Length = end - from
	return info
}
