/**
 * One call for all machines, or for one: every value is made a string, a number or a boolean there, as an enumeration
 * would be printed as its number. A machine that can't be told is one with an `error`, and hides no other.
 */
export const listScript = `# vmferry-hyperv: list
param($a)
function Chain([string]$path) {
  $chain = @(); $seen = @{}
  while ($path -and $chain.Count -lt 64 -and -not $seen.ContainsKey($path)) {
    $seen[$path] = $true
    try {
      $v = Get-VHD -Path $path
      $chain += @{ path = [string]$v.Path; format = [string]$v.VhdFormat; type = [string]$v.VhdType
        size = [long]$v.Size; fileSize = [long]$v.FileSize; sector = [long]$v.LogicalSectorSize }
      $path = [string]$v.ParentPath
    } catch { $chain += @{ path = $path; error = [string]$_.Exception.Message }; break }
  }
  $chain
}
function Disks($drives) {
  foreach ($d in $drives) {
    $number = $null; if ($null -ne $d.DiskNumber) { $number = [long]$d.DiskNumber }
    @{ path = [string]$d.Path; bus = [string]$d.ControllerType; controller = [long]$d.ControllerNumber
      unit = [long]$d.ControllerLocation; diskNumber = $number; shared = [bool]$d.SupportPersistentReservations
      chain = @(if ($d.Path -and $null -eq $number) { Chain $d.Path }) }
  }
}
function Machine($vm) {
  $m = @{ id = [string]$vm.Id; name = [string]$vm.Name; state = [string]$vm.State
    generation = [long]$vm.Generation; version = [string]$vm.Version; processors = [long]$vm.ProcessorCount
    memory = [long]$vm.MemoryStartup; dynamicMemory = [bool]$vm.DynamicMemoryEnabled
    memoryMinimum = [long]$vm.MemoryMinimum; memoryMaximum = [long]$vm.MemoryMaximum; notes = [string]$vm.Notes
    path = [string]$vm.Path; clustered = [bool]$vm.IsClustered; replication = [string]$vm.ReplicationState
    replicationMode = [string]$vm.ReplicationMode; checkpointType = [string]$vm.CheckpointType
    parentCheckpoint = [string]$vm.ParentSnapshotId }
  if ($vm.Generation -eq 2) {
    $f = Get-VMFirmware -VM $vm
    $m.secureBoot = [string]$f.SecureBoot; $m.secureBootTemplate = [string]$f.SecureBootTemplate
    $first = @($f.BootOrder | Where-Object { [string]$_.BootType -eq 'Drive' -and $_.Device.Path })
    if ($first.Count -gt 0) { $m.bootPath = [string]$first[0].Device.Path }
    if (Get-Command Get-VMSecurity -ErrorAction SilentlyContinue) {
      $s = Get-VMSecurity -VM $vm; $m.tpm = [bool]$s.TpmEnabled; $m.shielded = [bool]$s.Shielded
    }
  }
  $m.disks = @(Disks (Get-VMHardDiskDrive -VM $vm))
  $m.dvds = @(foreach ($d in @(Get-VMDvdDrive -VM $vm)) { @{ bus = [string]$d.ControllerType; path = [string]$d.Path } })
  $m.adapters = @(foreach ($n in @(Get-VMNetworkAdapter -VM $vm)) {
    @{ mac = [string]$n.MacAddress; dynamicMac = [bool]$n.DynamicMacAddressEnabled; network = [string]$n.SwitchName
      legacy = [bool]$n.IsLegacy; vlan = [long]$n.VlanSetting.AccessVlanId } })
  $m.checkpoints = @(foreach ($s in @(Get-VMSnapshot -VM $vm)) {
    @{ id = [string]$s.Id; name = [string]$s.Name; created = $s.CreationTime.ToUniversalTime().ToString('o')
      type = [string]$s.SnapshotType; state = [string]$s.State
      disks = @(if ($a.checkpointDisks) { Disks (Get-VMHardDiskDrive -VMSnapshot $s) }) } })
  $m
}
$all = @(Get-VM | Where-Object { -not $a.id -or [string]$_.Id -eq $a.id })
$machines = @(foreach ($vm in $all) {
  try { Machine $vm } catch {
    @{ id = [string]$vm.Id; name = [string]$vm.Name; state = [string]$vm.State; error = [string]$_.Exception.Message }
  }
})
@{ machines = $machines }`;
