/** Static addresses: Windows keeps them with the network card that is left behind, so they are set on the new one. */
import type { Finding } from '../../../model/finding.ts';
import type { GuestInterface } from '../../../model/guest-report.ts';
import type { WindowsContext } from './context.ts';
import type { WindowsTask } from './first-boot.ts';

const macAddress = /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i;
const address = /^[0-9a-f:.]+$/i;

/** By MAC where an interface says it, or where there is only one of both. */
export function addressTask({ system, nics, target }: WindowsContext): {
  task?: WindowsTask;
  findings: Finding[];
} {
  const fixed = (system.interfaces ?? []).filter(
    ({ method, addresses }) => method === 'static' && addresses.length > 0,
  );
  if (fixed.length === 0) return { findings: [] };
  const lines: string[] = [];
  const unknown: string[] = [];
  for (const one of fixed) {
    const old = one.mac?.toLowerCase().replaceAll('-', ':');
    const only = fixed.length === 1 && nics.length === 1;
    const at = only ? 0 : nics.findIndex(({ mac }) => mac !== undefined && mac.toLowerCase() === old);
    const mac = target.nics[at]?.mac ?? nics[at]?.mac;
    if (at < 0 || mac === undefined || !macAddress.test(mac)) unknown.push(one.name);
    else lines.push(...commands(one, mac.toUpperCase().replaceAll('-', ':')));
  }
  const findings = unknown.length === 0 ? [] : [notKnown(unknown)];
  if (lines.length === 0) return { findings };
  return {
    findings,
    task: {
      name: '20-addresses',
      what: `the addresses ${fixed.flatMap(({ addresses }) => addresses).join(', ')} are set on the new network card`,
      script: `${preamble}${lines.join('\n')}\nexit $bad\n`,
    },
  };
}

/** The card appears when its driver is installed; so long is waited. */
const preamble = `$bad = 0
function Name-Of($mac) {
  for ($i = 0; $i -lt 60; $i++) {
    $card = Get-WmiObject Win32_NetworkAdapter -Filter "MACAddress='$mac' AND NetConnectionID IS NOT NULL" | Select-Object -First 1
    if ($card) { return $card.NetConnectionID }
    Start-Sleep -Seconds 2
  }
  throw "no network card has the address $mac"
}
function Run {
  & "$env:SystemRoot\\System32\\netsh.exe" $args | Out-Null
  if ($LASTEXITCODE -ne 0) { $script:bad = 1 }
}
`;

function commands({ addresses, gateway, dns = [] }: GuestInterface, mac: string): string[] {
  const lines = [`$name = Name-Of '${mac}'`];
  const good = (text: string) => address.test(text);
  let first = true;
  for (const [ip = '', prefix = ''] of addresses.map((text) => text.split('/', 2))) {
    if (!good(ip) || !/^\d{1,3}$/.test(prefix)) continue;
    if (ip.includes(':')) {
      lines.push(`Run interface ipv6 add address "interface=$name" address=${ip}/${prefix}`);
      continue;
    }
    const mask = maskOf(Number(prefix));
    const by =
      first && gateway !== undefined && good(gateway) && !gateway.includes(':') ? ` gateway=${gateway}` : '';
    const verb = first ? 'set address "name=$name" source=static' : 'add address "name=$name"';
    lines.push(`Run interface ipv4 ${verb} address=${ip} mask=${mask}${by}`);
    first = false;
  }
  for (const [i, server] of dns.filter((text) => good(text) && !text.includes(':')).entries())
    lines.push(
      i === 0
        ? `Run interface ipv4 set dnsservers "name=$name" source=static address=${server} validate=no`
        : `Run interface ipv4 add dnsservers "name=$name" address=${server} index=${i + 1} validate=no`,
    );
  return lines;
}

function maskOf(prefix: number): string {
  const bits = prefix <= 0 ? 0 : (0xffffffff << (32 - Math.min(prefix, 32))) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

const notKnown = (names: readonly string[]): Finding => ({
  rule: 'guest.windows-addresses',
  severity: 'warning',
  message: `the static addresses of ${names.join(', ')} stay behind: which network card had them is not known`,
  remedy: 'set them in the guest after its first start',
});
