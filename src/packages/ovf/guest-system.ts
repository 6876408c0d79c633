/**
 * The guest's operating system in OVF's words: a number of CIM_OperatingSystem.OSType, VMware's `vmw:osType`
 * (the guest id without `Guest` being optional), VirtualBox's `vbox:OSType`, and a description.
 */

import { attribute, textOf, type XmlElement } from '../../io/xml.ts';
import type { GuestSystem } from '../../model/machine.ts';

/** OSType numbers that name a 64-bit x86 system. */
const bits64 = new Set([
  70, 71, 74, 77, 80, 81, 83, 85, 90, 92, 94, 96, 98, 100, 101, 102, 103, 107, 109, 112, 114, 115, 118, 120,
  121,
]);
const linux = new Set([
  36, 79, 80, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 106, 107, 108,
  109,
]);
const windows = new Set([
  15, 16, 17, 18, 19, 58, 63, 67, 69, 70, 71, 72, 73, 74, 75, 76, 77, 103, 105, 111, 112, 113, 114, 115, 116,
  117, 118, 119, 120, 121,
]);
const bsd = new Set([41, 42, 43, 65, 78]);

export function readGuestSystem(section: XmlElement): GuestSystem | undefined {
  const id = Number(attribute(section, 'id') ?? Number.NaN);
  const vmware = section.attributes.find((a) => a.local === 'osType')?.value;
  const vbox = textOf(section, 'OSType');
  const description = textOf(section, 'Description');
  const name = description ?? vbox ?? vmware;
  if (name === undefined && !linux.has(id) && !windows.has(id) && !bsd.has(id)) return undefined;
  const words = [description, vbox, vmware].join(' ').toLowerCase();
  const family = familyOf(words, id);
  const version = attribute(section, 'version');
  const architecture = architectureOf(words, id);
  return {
    name: name ?? { linux: 'Linux', windows: 'Windows', bsd: 'BSD', other: 'other' }[family],
    family,
    ...(version === undefined || version === '' ? {} : { version }),
    ...(architecture === undefined ? {} : { architecture }),
  };
}

function familyOf(words: string, id: number): GuestSystem['family'] {
  if (/windows|\bwin(?:net|xp|vista|longhorn|2k)|\bwin\d/.test(words) || windows.has(id)) return 'windows';
  if (/bsd|darwin|mac ?os/.test(words) || bsd.has(id)) return 'bsd';
  const isLinux =
    /linux|debian|ubuntu|fedora|centos|rhel|red ?hat|suse|sles|oracle|rocky|alma|arch|gentoo|photon|asianux|coreos|mandriva/;
  if (isLinux.test(words) || linux.has(id)) return 'linux';
  return 'other';
}

function architectureOf(words: string, id: number): string | undefined {
  if (/aarch64|arm[-_ ]?64/.test(words)) return 'aarch64';
  if (/(?:^|[^0-9])64|x64|amd64/.test(words) || bits64.has(id)) return 'x86_64';
  if (/32[- ]?bit/.test(words)) return 'i686';
  return undefined;
}

/** How a system is written: OSType number, VMware's guest id, and the description. */
export function writeGuestSystem(system: GuestSystem | undefined): {
  id: number;
  vmware: string;
  description: string;
} {
  if (system === undefined) return { id: 102, vmware: 'otherGuest64', description: 'Other (64-bit)' };
  const is64 = system.architecture !== 'i686';
  const pick = ([id32, vmware32]: [number, string], [id64, vmware64]: [number, string]) => ({
    id: is64 ? id64 : id32,
    vmware: is64 ? vmware64 : vmware32,
    description: system.name,
  });
  const name = system.name.toLowerCase();
  if (system.family === 'windows') return { ...windowsId(name, is64), description: system.name };
  if (system.family === 'bsd') return pick([42, 'freebsdGuest'], [78, 'freebsd64Guest']);
  if (system.family === 'other') return pick([1, 'otherGuest'], [102, 'otherGuest64']);
  if (name.includes('ubuntu')) return pick([93, 'ubuntuGuest'], [94, 'ubuntu64Guest']);
  if (name.includes('debian')) return pick([95, 'debian10Guest'], [96, 'debian10_64Guest']);
  if (/red ?hat|rhel/.test(name)) return pick([79, 'rhel6Guest'], [80, 'rhel7_64Guest']);
  if (/centos|rocky|alma/.test(name)) return pick([106, 'centosGuest'], [107, 'centos7_64Guest']);
  if (name.includes('oracle')) return pick([108, 'oracleLinuxGuest'], [109, 'oracleLinux7_64Guest']);
  if (name.includes('suse')) return pick([84, 'sles11Guest'], [85, 'sles12_64Guest']);
  return pick([36, 'otherLinuxGuest'], [101, 'otherLinux64Guest']);
}

/** The guest ids are those of vmx-10, which know nothing younger than Windows 8 and Server 2012. */
function windowsId(name: string, is64: boolean): { id: number; vmware: string } {
  if (/server|20(?:0[38]|1[269]|2[0-9])/.test(name)) {
    if (name.includes('2003'))
      return is64 ? { id: 70, vmware: 'winNetStandard64Guest' } : { id: 69, vmware: 'winNetStandardGuest' };
    if (name.includes('2008') && !name.includes('r2'))
      return is64 ? { id: 77, vmware: 'winLonghorn64Guest' } : { id: 76, vmware: 'winLonghornGuest' };
    if (name.includes('2008')) return { id: 103, vmware: 'windows7Server64Guest' };
    return { id: 112, vmware: 'windows8Server64Guest' };
  }
  if (/\bxp\b/.test(name))
    return is64 ? { id: 71, vmware: 'winXPPro64Guest' } : { id: 67, vmware: 'winXPProGuest' };
  if (name.includes('vista'))
    return is64 ? { id: 74, vmware: 'winVista64Guest' } : { id: 73, vmware: 'winVistaGuest' };
  if (/windows 7/.test(name)) return { id: 105, vmware: is64 ? 'windows7_64Guest' : 'windows7Guest' };
  return is64 ? { id: 114, vmware: 'windows8_64Guest' } : { id: 113, vmware: 'windows8Guest' };
}
