/**
 * What every command line to the far end is: it takes a script and its arguments from standard input, both as base64, so
 * that no code page, no shell and no limit of a command line touches them, and gives one answer back the same way.
 *
 * PowerShell hands redirected standard input to `$input` and reads it for that itself: `[Console]::In` would race it.
 */
export const answerVersion = 1;
export const answerStart = '<vmferry-answer ';
export const answerEnd = ' vmferry-answer>';

export const prelude = String.raw`
$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; $WarningPreference = 'SilentlyContinue'
$told = ((@($input) -join '') -replace '\s', '').Split('.')
$utf8 = New-Object System.Text.UTF8Encoding $false
try {
  $script = [scriptblock]::Create($utf8.GetString([Convert]::FromBase64String($told[0])))
  $values = ConvertFrom-Json -InputObject $utf8.GetString([Convert]::FromBase64String($told[1]))
  $answer = @{ version = ${answerVersion}; result = @(& $script $values)[-1] }
} catch {
  $e = $_
  $answer = @{ version = ${answerVersion}; error = @{
    message = [string]$e.Exception.Message; id = [string]$e.FullyQualifiedErrorId
    category = [string]$e.CategoryInfo.Category; code = [long]$e.Exception.HResult } }
}
$json = ConvertTo-Json -InputObject $answer -Depth 12 -Compress
[Console]::Out.WriteLine('')
[Console]::Out.WriteLine('${answerStart}' + [Convert]::ToBase64String($utf8.GetBytes($json)) + '${answerEnd}')
`.trim();
