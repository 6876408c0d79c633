/** A point in time of a machine that runs. Its type is set for the moment where the machine's own would save memory. */
export const checkpointScript = `# vmferry-hyperv: checkpoint
param($a)
$vm = @(Get-VM | Where-Object { [string]$_.Id -eq $a.id })[0]
if ($null -eq $vm) { throw 'vmferry/not-found: there is no such machine' }
$type = [string]$vm.CheckpointType
if ($type -eq 'Disabled') { throw 'vmferry/unsupported: checkpoints are turned off for this machine' }
$changed = $false
try {
  if ($type -eq 'Standard') { Set-VM -VM $vm -CheckpointType Production; $changed = $true }
  $s = Checkpoint-VM -VM $vm -SnapshotName $a.name -Passthru
} finally { if ($changed) { Set-VM -VM $vm -CheckpointType Standard } }
@{ id = [string]$s.Id; state = [string]$s.State }`;

/** Only one of exactly this name and machine. Its disks are merged by the host, while the machine runs on. */
export const removeCheckpointScript = `# vmferry-hyperv: remove-checkpoint
param($a)
$vm = @(Get-VM | Where-Object { [string]$_.Id -eq $a.id })[0]
if ($null -eq $vm) { throw 'vmferry/not-found: there is no such machine' }
$mine = @(Get-VMSnapshot -VM $vm | Where-Object { $_.Name -ceq $a.name })
foreach ($s in $mine) { Remove-VMSnapshot -VMSnapshot $s -Confirm:$false }
@{ removed = [long]$mine.Count }`;
