/** Which system is inside: what the tools in the guest have told, else what its template was made for. Pure. */
import type { GuestSystem } from '../../model/machine.ts';
import { mapIn, refIn, textIn, type XenRecord, type XenWorld } from './records.ts';

export function guestSystem(vm: XenRecord, world: XenWorld): GuestSystem | undefined {
  const metrics = world.record('VM_guest_metrics', refIn(vm, 'guest_metrics') ?? '');
  const told = mapIn(metrics, 'os_version');
  // Windows tools tell `Microsoft Windows Server 2022|C:\Windows|\Device\…`.
  const fromTools = textIn(told, 'name')?.split('|')[0];
  const name = fromTools ?? textIn(mapIn(vm, 'other_config'), 'base_template_name');
  if (name === undefined || name === '') return undefined;
  const words = `${name} ${textIn(told, 'distro') ?? ''}`.toLowerCase();
  const version = [textIn(told, 'major'), textIn(told, 'minor')]
    .filter((part) => part !== undefined)
    .join('.');
  const hostname = textIn(mapIn(metrics, 'other'), 'data-hostname') ?? textIn(told, 'hostname');
  return {
    name: name.slice(0, 200),
    family: familyOf(words),
    ...(version === '' ? {} : { version }),
    ...(hostname === undefined ? {} : { hostname }),
  };
}

function familyOf(words: string): GuestSystem['family'] {
  if (/windows/.test(words)) return 'windows';
  if (/bsd/.test(words)) return 'bsd';
  const linux =
    /linux|debian|ubuntu|centos|fedora|rocky|alma|red ?hat|rhel|suse|sles|oracle|alpine|coreos|gentoo/;
  return linux.test(words) ? 'linux' : 'other';
}
