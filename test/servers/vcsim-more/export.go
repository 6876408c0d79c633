package simulator

// ExportVm, ExportSnapshot, and an ESXi host beside its vCenter that serves what they name and a datastore's files by
// ticket. Written from the vSphere Web Services API reference (VirtualMachine, VirtualMachineSnapshot, HttpNfcLease,
// SessionManager) and VMware's "Virtual Disk Format 5.0" for the stream.
//
// VCSIM_HOST=1 (vCenter only): a second server with a certificate of its own plays the host.

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const exportPrefix = "/nfc-export/"

var (
	exportMutex sync.Mutex
	// Path of a URL → the descriptor's file.
	exported = map[string]exportedDisk{}
	// Id → the one request that it is good for.
	fileTickets = map[string]string{}
	// Where the host is; empty without one.
	exportHost, exportHostThumbprint string
)

type exportedDisk struct {
	lease    types.ManagedObjectReference
	file     string
	capacity int64
	// A lease ends with the session that took it.
	alive func() bool
}

func init() {
	RegisterEndpoint(func(s *Service, r *Registry) {
		s.HandleFunc(exportPrefix, serveExport)
		exportHost = ""
		if os.Getenv("VCSIM_HOST") == "1" && r.IsVPX() {
			startHost(s)
		}
	})
}

// startHost listens beside the vCenter.
func startHost(s *Service) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7),
		Subject:      pkix.Name{CommonName: "an ESXi host"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	})
	if err != nil {
		log.Fatal(err)
	}
	sum := sha1.Sum(der)
	hex := make([]string, len(sum))
	for i, b := range sum {
		hex[i] = fmt.Sprintf("%02X", b)
	}
	exportHost, exportHostThumbprint = listener.Addr().(*net.TCPAddr).String(), strings.Join(hex, ":")

	mux := http.NewServeMux()
	mux.HandleFunc(exportPrefix, serveExport)
	mux.HandleFunc(folderPrefix, func(w http.ResponseWriter, r *http.Request) {
		if !useTicket(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		q := r.URL.Query()
		if q.Get("dcPath") != "" {
			http.NotFound(w, r) // a host has no datacenter of vCenter's name
			return
		}
		file, err := datastoreFile(q.Get("dsName"), strings.TrimPrefix(r.URL.Path, folderPrefix))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		http.ServeFile(w, r, file)
	})
	go func() { _ = http.Serve(listener, mux) }()
}

// useTicket: a ticket is good for one request, the one that it was acquired for.
func useTicket(r *http.Request) bool {
	cookie, err := r.Cookie("vmware_cgi_ticket")
	if err != nil {
		return false
	}
	exportMutex.Lock()
	defer exportMutex.Unlock()
	wanted, ok := fileTickets[cookie.Value]
	delete(fileTickets, cookie.Value)
	return ok && wanted == r.Method+" "+requestOf(r.URL)
}

func requestOf(u *url.URL) string {
	return u.Path + "?" + u.Query().Encode()
}

// AcquireGenericServiceTicket takes the place of the one in session_manager.go, whose tickets nobody asks for.
func (s *SessionManager) AcquireGenericServiceTicket(req *types.AcquireGenericServiceTicket) soap.HasFault {
	body := new(methods.AcquireGenericServiceTicketBody)
	spec, ok := req.Spec.(*types.SessionManagerHttpServiceRequestSpec)
	if exportHost == "" || !ok {
		body.Fault_ = Fault("", new(types.NotSupported))
		return body
	}
	u, err := url.Parse(spec.Url)
	if err != nil || !strings.HasPrefix(spec.Method, "http") {
		body.Fault_ = Fault("", &types.InvalidArgument{InvalidProperty: "spec"})
		return body
	}
	id := uuid.New().String()
	exportMutex.Lock()
	fileTickets[id] = strings.ToUpper(spec.Method[4:]) + " " + requestOf(u)
	exportMutex.Unlock()
	body.Res = &types.AcquireGenericServiceTicketResponse{
		Returnval: types.SessionManagerGenericServiceTicket{
			Id:            id,
			HostName:      exportHost,
			SslThumbprint: exportHostThumbprint,
		},
	}
	return body
}

// ExportVm: the machine has to be off.
func (vm *VirtualMachine) ExportVm(ctx *Context, req *types.ExportVm) soap.HasFault {
	body := new(methods.ExportVmBody)
	if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		body.Fault_ = Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOff,
			ExistingState:  vm.Runtime.PowerState,
		})
		return body
	}
	lease, fault := exportLease(ctx, vm.Self, vm.Config.Hardware.Device)
	if fault != nil {
		body.Fault_ = Fault("", fault)
		return body
	}
	body.Res = &types.ExportVmResponse{Returnval: lease}
	return body
}

// ExportSnapshot gives the disks as they were; the machine may run.
func (v *VirtualMachineSnapshot) ExportSnapshot(ctx *Context, req *types.ExportSnapshot) soap.HasFault {
	body := new(methods.ExportSnapshotBody)
	lease, fault := exportLease(ctx, v.Vm, v.Config.Hardware.Device)
	if fault != nil {
		body.Fault_ = Fault("", fault)
		return body
	}
	body.Res = &types.ExportSnapshotResponse{Returnval: lease}
	return body
}

func exportLease(
	ctx *Context, entity types.ManagedObjectReference, all []types.BaseVirtualDevice,
) (types.ManagedObjectReference, types.BaseMethodFault) {
	none := types.ManagedObjectReference{}
	devices := object.VirtualDeviceList(all)
	lease := NewHttpNfcLease(ctx, entity)
	lease.Info.Lease = lease.Self
	lease.Info.LeaseTimeout = 300
	sessions, session := ctx.svc.sm, ctx.Session.Key
	alive := func() bool {
		_, ok := sessions.getSession(session)
		return ok
	}
	host, thumbprint := "*", ""
	if exportHost != "" {
		host, thumbprint = exportHost, exportHostThumbprint
	}
	for i, device := range devices.SelectByType((*types.VirtualDisk)(nil)) {
		disk := device.(*types.VirtualDisk)
		backing, ok := disk.Backing.(types.BaseVirtualDeviceFileBackingInfo)
		controller := devices.FindByKey(disk.ControllerKey)
		if !ok || controller == nil || disk.UnitNumber == nil {
			continue
		}
		place, fault := parseDatastorePath(backing.GetVirtualDeviceFileBackingInfo().FileName)
		if fault != nil {
			return none, fault
		}
		file, err := datastoreFile(place.Datastore, place.Path)
		if err != nil {
			return none, &types.FileNotFound{FileFault: types.FileFault{File: place.String()}}
		}
		name := fmt.Sprintf("disk-%d.vmdk", i)
		at := exportPrefix + url.PathEscape(lease.Self.Value) + "/" + name
		kind := strings.TrimPrefix(fmt.Sprintf("%T", controller), "*types.")
		bus := controller.(types.BaseVirtualController).GetVirtualController().BusNumber
		yes := true
		lease.Info.DeviceUrl = append(lease.Info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{
			Key:           fmt.Sprintf("/%s/%s%d:%d", entity.Value, kind, bus, *disk.UnitNumber),
			Url:           "https://" + host + at,
			SslThumbprint: thumbprint,
			Disk:          &yes,
			TargetId:      name,
		})
		exportMutex.Lock()
		exported[exportPrefix+lease.Self.Value+"/"+name] =
			exportedDisk{lease: lease.Self, file: file, capacity: disk.CapacityInKB * 1024, alive: alive}
		exportMutex.Unlock()
	}
	return lease.Self, nil
}

// datastoreFile: the simulator's datastores are folders.
func datastoreFile(datastore string, name string) (string, error) {
	for _, entity := range Map.All("Datastore") {
		ds := entity.(*Datastore)
		if ds.Name == datastore {
			return path.Join(ds.Info.GetDatastoreInfo().Url, path.Clean("/"+name)), nil
		}
	}
	return "", os.ErrNotExist
}

func serveExport(w http.ResponseWriter, r *http.Request) {
	exportMutex.Lock()
	disk, ok := exported[r.URL.Path]
	exportMutex.Unlock()
	if _, live := nfcLease.Load(disk.lease); !ok || !live || !disk.alive() || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	parts, err := exportParts(disk)
	if err != nil {
		log.Printf("export of %s: %s", disk.file, err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	out := bufio.NewWriterSize(w, 1<<18)
	if err := writeStream(out, parts); err != nil {
		log.Printf("export of %s: %s", disk.file, err)
		panic(http.ErrAbortHandler) // the client has to see that it is not whole
	}
}

// exportPart is an extent; without a file it is zeros.
type exportPart struct {
	sectors int64
	file    string
}

var exportExtentLine = regexp.MustCompile(`(?m)^(?:RW|RDONLY) (\d+) (VMFS|FLAT|ZERO)(?: "([^"]+)")?`)

func exportParts(disk exportedDisk) ([]exportPart, error) {
	text, err := os.ReadFile(disk.file)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 { // a disk as the simulator makes it
		return []exportPart{{sectors: disk.capacity / 512}}, nil
	}
	var parts []exportPart
	for _, line := range exportExtentLine.FindAllStringSubmatch(string(text), -1) {
		sectors, err := strconv.ParseInt(line[1], 10, 64)
		if err != nil {
			return nil, err
		}
		part := exportPart{sectors: sectors}
		if line[2] != "ZERO" {
			part.file = path.Join(path.Dir(disk.file), line[3])
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("no flat extent in its descriptor")
	}
	return parts, nil
}

const (
	grainSectors  = 128
	tableEntries  = 512
	streamOver    = 128
	gdAtEnd       = ^uint64(0)
	markerTable   = 1
	markerDir     = 2
	markerFooter  = 3
	streamVersion = 3
)

// sectorWriter counts sectors.
type sectorWriter struct {
	out io.Writer
	at  int64
}

func (s *sectorWriter) write(b []byte) error {
	n := (len(b) + 511) / 512
	s.at += int64(n)
	_, err := s.out.Write(append(b, make([]byte, n*512-len(b))...))
	return err
}

func (s *sectorWriter) marker(value uint64, kind uint32) error {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint64(b, value)
	binary.LittleEndian.PutUint32(b[12:], kind)
	return s.write(b)
}

func streamHeader(sectors int64, directory uint64) []byte {
	b := make([]byte, 512)
	copy(b, "KDMV")
	le := binary.LittleEndian
	le.PutUint32(b[4:], streamVersion)
	le.PutUint32(b[8:], 1|1<<16|1<<17)
	le.PutUint64(b[12:], uint64(sectors))
	le.PutUint64(b[20:], grainSectors)
	le.PutUint64(b[28:], 1)
	le.PutUint64(b[36:], 20)
	le.PutUint32(b[44:], tableEntries)
	le.PutUint64(b[56:], directory)
	le.PutUint64(b[64:], streamOver)
	copy(b[73:], "\n \r\n")
	le.PutUint16(b[77:], 1)
	return b
}

func writeStream(out *bufio.Writer, parts []exportPart) error {
	var sectors int64
	var readers []io.Reader
	for _, part := range parts {
		sectors += part.sectors
		if part.file == "" {
			readers = append(readers, io.LimitReader(exportZeros{}, part.sectors*512))
			continue
		}
		f, err := os.Open(part.file)
		if err != nil {
			return err
		}
		defer f.Close()
		readers = append(readers, io.LimitReader(f, part.sectors*512))
	}
	disk := io.MultiReader(readers...)
	descriptor := fmt.Sprintf("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"+
		"createType=\"streamOptimized\"\n\nRDONLY %d SPARSE \"call-me-stream.vmdk\"\n\nddb.adapterType = \"lsilogic\"\n", sectors)
	w := &sectorWriter{out: out}
	front := make([]byte, (streamOver-1)*512)
	copy(front, descriptor)
	if err := w.write(streamHeader(sectors, gdAtEnd)); err != nil {
		return err
	}
	if err := w.write(front); err != nil {
		return err
	}
	var directory, table []byte
	used := false
	endTable := func() error {
		entry := make([]byte, 4)
		if used {
			if err := w.marker(tableEntries*4/512, markerTable); err != nil {
				return err
			}
			binary.LittleEndian.PutUint32(entry, uint32(w.at))
			if err := w.write(append(table, make([]byte, tableEntries*4-len(table))...)); err != nil {
				return err
			}
		}
		directory = append(directory, entry...)
		table, used = nil, false
		return nil
	}
	for lba := int64(0); lba < sectors; lba += grainSectors {
		grain := make([]byte, grainSectors*512)
		length := sectors - lba
		if length > grainSectors {
			length = grainSectors
		}
		if _, err := io.ReadFull(disk, grain[:length*512]); err != nil {
			return err
		}
		entry := make([]byte, 4)
		if len(bytes.Trim(grain, "\x00")) > 0 {
			binary.LittleEndian.PutUint32(entry, uint32(w.at))
			used = true
			if err := w.write(packGrain(lba, grain)); err != nil {
				return err
			}
		}
		table = append(table, entry...)
		if len(table) == tableEntries*4 {
			if err := endTable(); err != nil {
				return err
			}
		}
	}
	if len(table) > 0 {
		if err := endTable(); err != nil {
			return err
		}
	}
	if err := w.marker(uint64((len(directory)+511)/512), markerDir); err != nil {
		return err
	}
	at := uint64(w.at)
	if err := w.write(directory); err != nil {
		return err
	}
	if err := w.marker(1, markerFooter); err != nil {
		return err
	}
	if err := w.write(streamHeader(sectors, at)); err != nil {
		return err
	}
	if err := w.marker(0, 0); err != nil {
		return err
	}
	return out.Flush()
}

func packGrain(lba int64, grain []byte) []byte {
	var packed bytes.Buffer
	z, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	_, _ = z.Write(grain)
	_ = z.Close()
	b := make([]byte, 12, 12+packed.Len())
	binary.LittleEndian.PutUint64(b, uint64(lba))
	binary.LittleEndian.PutUint32(b[8:], uint32(packed.Len()))
	return append(b, packed.Bytes()...)
}

type exportZeros struct{}

func (exportZeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0
	}
	return len(p), nil
}
