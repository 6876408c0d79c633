/** What a Windows runs at its first start, in PowerShell 2: bounded in starts and in time, and then gone. */
import type { WindowsContext } from './context.ts';
import { nameOf } from './driver-sets.ts';
import type { WindowsTask } from './first-boot.ts';

export const serviceName = 'vmferry-first-boot';
const maxStarts = 3;
const taskSeconds = 900;
const system32 = '%SystemRoot%\\System32';

/** The script is read and run as a command: no policy about files of scripts is asked then. */
export const runnerCommand = `${system32}\\cmd.exe /c start "" /b ${system32}\\WindowsPowerShell\\v1.0\\powershell.exe -NoProfile -NonInteractive -Command "Invoke-Expression ([IO.File]::ReadAllText('%SystemRoot%\\vmferry\\run.ps1'))"`;

export const runner = `# Tasks that were asked for when this machine was carried here: each until it has ended well, at ${maxStarts} starts at
# most, for ${taskSeconds} seconds at most; then the service that starts this is removed.
$ErrorActionPreference = 'Stop'
$top = Join-Path $env:SystemRoot 'vmferry'
$files = Join-Path $top 'files'
$log = Join-Path $top 'first-boot.log'
function Say($text) { Add-Content -Path $log -Value ((Get-Date -Format 'yyyy-MM-dd HH:mm:ss') + ' ' + $text) }
function Remove-Hook { & "$env:SystemRoot\\System32\\sc.exe" delete ${serviceName} | Out-Null }

# A start that can't be counted is none: without the count this would go on for ever.
$counter = Join-Path $top 'starts'
$starts = 0
if (Test-Path $counter) {
  $text = [IO.File]::ReadAllText($counter).Trim()
  if ($text -match '^\\d+$') { $starts = [int]$text } else { $starts = ${maxStarts} }
}
$starts++
[IO.File]::WriteAllText($counter, "$starts")
if ($starts -gt ${maxStarts}) { Remove-Hook; exit }
Say "start $starts of at most ${maxStarts}"

$head = "\`$ErrorActionPreference = 'Stop'; \`$files = '$files'; function Install-Package(\`$name) { " +
  "\`$p = Start-Process msiexec.exe -ArgumentList ('/i', (Join-Path \`$files \`$name), '/qn', '/norestart') -Wait -PassThru; " +
  "if (\`$p.ExitCode -eq 3010 -or \`$p.ExitCode -eq 1641) { 0 } else { \`$p.ExitCode } }; "
$failed = 0
foreach ($task in (Get-ChildItem (Join-Path $top 'tasks') -Filter *.ps1 | Sort-Object Name)) {
  $done = Join-Path $top ('done-' + $task.Name)
  if (Test-Path $done) { continue }
  Say ($task.Name + ' begins')
  $code = -1
  try {
    $command = $head + "Invoke-Expression ([IO.File]::ReadAllText('" + $task.FullName + "'))"
    $encoded = [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($command))
    $shell = Join-Path $PSHOME 'powershell.exe'
    $p = New-Object Diagnostics.Process
    $p.StartInfo = New-Object Diagnostics.ProcessStartInfo $shell, "-NoProfile -NonInteractive -OutputFormat Text -EncodedCommand $encoded"
    $p.StartInfo.UseShellExecute = $false
    $p.StartInfo.CreateNoWindow = $true
    [void]$p.Start()
    if ($p.WaitForExit(${taskSeconds}000)) { $code = $p.ExitCode }
    else {
      Say ($task.Name + ': its time is over')
      & "$env:SystemRoot\\System32\\taskkill.exe" /f /t /pid $p.Id | Out-Null
    }
  } catch { Say ($task.Name + ': ' + $_) }
  if ($code -eq 0) { Set-Content -Path $done -Value ''; Say ($task.Name + ' is done') }
  else { $failed = 1; Say ($task.Name + " has failed with $code") }
}
if ($failed -eq 0) { Say 'all is done'; Remove-Hook }
elseif ($starts -ge ${maxStarts}) { Say 'gave up'; Remove-Hook }
else { Say 'what has failed is tried again at the next start' }
`;

/** One driver that fails must not keep the others away: each is tried, and none starts the machine again. */
export const driversTask: WindowsTask = {
  name: '10-drivers',
  what: "the destination's drivers are installed",
  script: `$bad = 0
foreach ($inf in (Get-ChildItem "$env:SystemRoot\\Drivers\\VirtIO" -Recurse -Filter *.inf)) {
  & "$env:SystemRoot\\System32\\pnputil.exe" -i -a $inf.FullName | Out-Null
  # 259: there is no such device. 3010: done after a restart.
  if (@(0, 259, 3010) -notcontains $LASTEXITCODE) {
    $bad = 1
    Add-Content (Join-Path $env:SystemRoot 'vmferry\\first-boot.log') ($inf.Name + ': pnputil ended with ' + $LASTEXITCODE)
  }
}
exit $bad
`,
};

/** Off VMware its installer refuses; Windows Installer is told to leave that check out. */
export const removalTask: WindowsTask = {
  name: '30-remove-vmware',
  what: 'VMware Tools are removed',
  script: `$bad = 0
$lists = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall', 'HKLM:\\SOFTWARE\\Wow6432Node\\Microsoft\\Windows\\CurrentVersion\\Uninstall'
foreach ($key in (Get-ChildItem $lists -ErrorAction SilentlyContinue)) {
  if ($key.GetValue('DisplayName') -ne 'VMware Tools' -or $key.PSChildName -notmatch '^\\{[0-9A-Fa-f-]+\\}$') { continue }
  $p = Start-Process msiexec.exe -ArgumentList '/x', $key.PSChildName, '/qn', '/norestart', 'REBOOT=ReallySuppress' -Wait -PassThru
  if (@(0, 1605, 1641, 3010) -notcontains $p.ExitCode) { $bad = $p.ExitCode }
}
exit $bad
`,
};

const agents: Readonly<Record<string, RegExp>> = {
  amd64: /^qemu-ga-(?:x86_64|x64)\.msi$/i,
  x86: /^qemu-ga-(?:i386|x86)\.msi$/i,
  arm64: /^qemu-ga-(?:aarch64|arm64)\.msi$/i,
};

/** virtio-win has the QEMU guest agent; undefined where there is none. */
export function agentTask({ drivers, target, release }: WindowsContext): WindowsTask | undefined {
  const isQemu = ['qemu', 'proxmox', 'openstack'].includes(target.product);
  const found = drivers?.files.find(({ path }) => agents[release.architecture]!.test(nameOf(path)));
  if (!isQemu || found === undefined) return undefined;
  return {
    name: '20-agent',
    what: 'the QEMU guest agent is installed',
    script: "exit (Install-Package 'agent.msi')\n",
    files: [{ name: 'agent.msi', upload: found.upload }],
  };
}
