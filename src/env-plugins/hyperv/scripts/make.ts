/** A folder that was not there before: whatever is in it is ours. */
export const folderScript = `# vmferry-hyperv: folder
param($a)
if (Test-Path -LiteralPath $a.folder) { throw 'vmferry/conflict: this folder is there already' }
[void][System.IO.Directory]::CreateDirectory($a.folder)
@{ folder = [string]$a.folder }`;

/**
 * All in one call, so that a connection that breaks leaves no half machine: what fails is taken back there. The notes
 * end with the name of the run, by which alone a machine is known for ours.
 */
export const makeScript = `# vmferry-hyperv: make
param($a)
if (@(Get-VM | Where-Object { $_.Name -eq $a.name }).Count -gt 0) {
  throw 'vmferry/conflict: there is a machine of this name already' }
$vm = $null; $moved = @()
try {
  foreach ($f in $a.files) { Move-Item -LiteralPath $f.part -Destination $f.path; $moved += $f }
  $vm = New-VM -Name $a.name -NoVHD -Generation $a.generation -MemoryStartupBytes $a.memory -Path $a.base
  Set-VM -VM $vm -Notes $a.notes
  if ((Get-Command Set-VM).Parameters.ContainsKey('AutomaticCheckpointsEnabled')) {
    Set-VM -VM $vm -AutomaticCheckpointsEnabled $false }
  Set-VMMemory -VM $vm -DynamicMemoryEnabled $false
  Set-VMProcessor -VM $vm -Count $a.processors
  Get-VMNetworkAdapter -VM $vm | Remove-VMNetworkAdapter
  Get-VMDvdDrive -VM $vm | Remove-VMDvdDrive
  if (@($a.disks | Where-Object { $_.bus -eq 'SCSI' }).Count -gt 0 -and @(Get-VMScsiController -VM $vm).Count -eq 0) {
    Add-VMScsiController -VM $vm }
  $first = $null
  foreach ($d in $a.disks) {
    $drive = Add-VMHardDiskDrive -VM $vm -ControllerType $d.bus -ControllerNumber $d.controller -ControllerLocation $d.unit -Path $d.path -Passthru
    if ($null -eq $first) { $first = $drive }
  }
  foreach ($d in $a.dvds) {
    Add-VMDvdDrive -VM $vm -ControllerNumber $d.controller -ControllerLocation $d.unit }
  foreach ($n in $a.adapters) {
    $with = @{ VM = $vm; Name = $n.name }
    if ($n.network) { $with.SwitchName = $n.network }
    if ($n.mac) { $with.StaticMacAddress = $n.mac }
    Add-VMNetworkAdapter @with
  }
  if ($a.generation -eq 2) {
    $with = @{ VM = $vm; EnableSecureBoot = $a.secureBoot }
    if ($a.secureBootTemplate -and (Get-Command Set-VMFirmware).Parameters.ContainsKey('SecureBootTemplate')) {
      $with.SecureBootTemplate = $a.secureBootTemplate }
    if ($null -ne $first) { $with.FirstBootDevice = $first }
    Set-VMFirmware @with
  }
  @{ id = [string]$vm.Id }
} catch {
  $why = $_
  if ($null -ne $vm) { Remove-VM -VM $vm -Force -ErrorAction SilentlyContinue }
  foreach ($f in $moved) { Move-Item -LiteralPath $f.path -Destination $f.part -ErrorAction SilentlyContinue }
  throw $why
}`;

/** Safe to be run twice, and when nothing was made. The folder goes only when nobody put anything else into it. */
export const undoScript = `# vmferry-hyperv: undo
param($a)
foreach ($vm in @(Get-VM | Where-Object { $_.Name -eq $a.name -and ([string]$_.Notes).EndsWith($a.mark, [System.StringComparison]::Ordinal) })) { Remove-VM -VM $vm -Force }
foreach ($f in $a.files) {
  foreach ($p in @($f.part, $f.path)) {
    if (Test-Path -LiteralPath $p -PathType Leaf) { Remove-Item -LiteralPath $p -Force } } }
if (Test-Path -LiteralPath $a.folder) {
  $left = @(Get-ChildItem -LiteralPath $a.folder -Recurse -Force | Where-Object { -not $_.PSIsContainer })
  if ($left.Count -eq 0) { Remove-Item -LiteralPath $a.folder -Recurse -Force } }
@{ done = $true }`;

export const startScript = `# vmferry-hyperv: start
param($a)
$vm = @(Get-VM | Where-Object { [string]$_.Id -eq $a.id })[0]
if ($null -eq $vm) { throw 'vmferry/not-found: there is no such machine' }
if ([string]$vm.State -ne 'Running') { Start-VM -VM $vm }
@{ state = [string]@(Get-VM | Where-Object { $_.Id -eq $vm.Id })[0].State }`;
