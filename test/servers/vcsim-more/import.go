package simulator

// ImportVApp as servers do it: devices are told by their controller and place, what is sent to their URLs is kept as
// the disk's file on the datastore, and a lease that is aborted takes its machine along. Written from the vSphere Web
// Services API reference (ResourcePool, HttpNfcLease).
//
// VCSIM_IMPORT_REFUSES=1: the second disk of an import is answered with a failure.

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const importPrefix = "/nfc-import/"

var (
	// Path of a URL → importedDisk.
	importedDisks sync.Map
	// Lease → the machine that ends with it.
	importedMachines sync.Map
)

type importedDisk struct {
	lease types.ManagedObjectReference
	file  string
}

func init() {
	RegisterEndpoint(func(s *Service, r *Registry) {
		s.HandleFunc(importPrefix, serveImport)
	})
}

// ImportVApp takes the place of the one in resource_pool.go.
func (p *ResourcePool) ImportVApp(ctx *Context, req *types.ImportVApp) soap.HasFault {
	answer := p.formerImportVApp(ctx, req)
	body, ok := answer.(*methods.ImportVAppBody)
	if !ok || body.Res == nil {
		return answer
	}
	found, ok := nfcLease.Load(body.Res.Returnval)
	if !ok {
		return answer
	}
	lease := found.(*HttpNfcLease)
	lease.Info.LeaseTimeout = 300
	lease.Info.DeviceUrl = nil
	vm := ctx.Map.Get(lease.Info.Entity).(*VirtualMachine)
	importedMachines.Store(lease.Self, vm.Self)
	devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
	for i, device := range devices.SelectByType((*types.VirtualDisk)(nil)) {
		disk := device.(*types.VirtualDisk)
		backing := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo)
		controller, ok := devices.FindByKey(disk.ControllerKey).(types.BaseVirtualController)
		if !ok || disk.UnitNumber == nil {
			continue
		}
		var place object.DatastorePath
		place.FromString(backing.GetVirtualDeviceFileBackingInfo().FileName)
		file, err := datastoreFile(place.Datastore, place.Path)
		if err != nil {
			continue
		}
		name := fmt.Sprintf("%s%d:%d", devices.TypeName(devices.FindByKey(disk.ControllerKey)),
			controller.GetVirtualController().BusNumber, *disk.UnitNumber)
		path := fmt.Sprintf("%s%s/disk-%d.vmdk", importPrefix, lease.Self.Value, i)
		importedDisks.Store(path, importedDisk{lease.Self, file})
		lease.Info.DeviceUrl = append(lease.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key:       fmt.Sprintf("/%s/%s", vm.Self.Value, name),
			ImportKey: fmt.Sprintf("/%s/%s", vm.Name, name),
			Url:       "https://*" + path,
			Disk:      types.NewBool(true),
		})
	}
	return answer
}

// serveImport keeps the stream as it came; one that is cut leaves an empty file.
func serveImport(w http.ResponseWriter, r *http.Request) {
	found, ok := importedDisks.Load(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	disk := found.(importedDisk)
	if _, ok := nfcLease.Load(disk.lease); !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-vnd.vmware-streamVmdk" {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	if os.Getenv("VCSIM_IMPORT_REFUSES") == "1" && r.URL.Path[len(r.URL.Path)-6] == '1' {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	f, err := os.Create(disk.file)
	if err == nil {
		_, err = io.Copy(f, r.Body)
		if err != nil {
			_ = f.Truncate(0)
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	if err != nil {
		log.Printf("import of %s: %s", disk.file, err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// HttpNfcLeaseComplete takes the place of the one in http_nfc_lease.go: the machine stays.
func (l *HttpNfcLease) HttpNfcLeaseComplete(ctx *Context, req *types.HttpNfcLeaseComplete) soap.HasFault {
	importedMachines.Delete(req.This)
	return l.formerHttpNfcLeaseComplete(ctx, req)
}

// HttpNfcLeaseAbort takes the place of the one in http_nfc_lease.go.
func (l *HttpNfcLease) HttpNfcLeaseAbort(ctx *Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	answer := l.formerHttpNfcLeaseAbort(ctx, req)
	if machine, ok := importedMachines.LoadAndDelete(req.This); ok {
		if vm, ok := ctx.Map.Get(machine.(types.ManagedObjectReference)).(*VirtualMachine); ok {
			vm.DestroyTask(ctx, &types.Destroy_Task{This: vm.Self})
		}
	}
	return answer
}
