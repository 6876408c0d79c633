/** What the host has for a new machine. */
export const hostScript = `# vmferry-hyperv: host
param($a)
$h = Get-VMHost
@{ name = [string]$h.Name; machinePath = [string]$h.VirtualMachinePath; diskPath = [string]$h.VirtualHardDiskPath
  processors = [long]$h.LogicalProcessorCount; memory = [long]$h.MemoryCapacity
  switches = @(foreach ($s in @(Get-VMSwitch)) { @{ name = [string]$s.Name; type = [string]$s.SwitchType } })
  names = @(foreach ($v in @(Get-VM)) { [string]$v.Name })
  drives = @(foreach ($d in [System.IO.DriveInfo]::GetDrives()) {
    if ($d.IsReady) { @{ root = [string]$d.Name; free = [long]$d.AvailableFreeSpace; system = [string]$d.DriveFormat } } }) }`;
