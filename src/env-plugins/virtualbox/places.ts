/** Where the files are that a machine names. */
import { posix } from 'node:path';
import type { Host, HostFile } from '../../io/host/host.ts';
import type { Finding } from '../../model/finding.ts';
import { mayBePassedOver } from '../host-folders.ts';

export interface Located {
  readonly path: string;
  readonly size?: number;
  /** It is not where the machine says. */
  readonly moved?: string;
}

/** What each name leads to; `folder` is that of the .vbox. */
export async function locateFiles(
  host: Host,
  folder: string,
  names: Iterable<string>,
  signal: AbortSignal,
): Promise<Map<string, Located>> {
  const beside = new Map<string, HostFile>();
  for (const place of [folder, posix.join(folder, 'Snapshots')]) {
    for (const file of await filesIn(host, place, signal)) beside.set(file.path, file);
  }
  const found = new Map<string, Located>();
  for (const name of new Set(names)) {
    const candidates = candidatesOf(name, folder);
    let place: Located = { path: candidates[0]! };
    for (const [i, path] of candidates.entries()) {
      const file = beside.get(path) ?? (await statOrNothing(host, path, signal));
      if (file === undefined || file.kind === 'folder') continue;
      place = { path, size: file.allocatedBytes ?? file.size, ...(i > 0 ? { moved: name } : {}) };
      break;
    }
    found.set(name, place);
  }
  return found;
}

/**
 * Where a file of this name may be, the likeliest first. A machine that was copied from elsewhere still names disks as
 * on that host (`C:\VMs\a.vdi`): then the one beside the .vbox is meant, or in its folder of snapshots.
 */
export function candidatesOf(name: string, folder: string): string[] {
  // No file has a zero byte in its name: what is left is not there.
  const plain = name.replaceAll('\0', '\ufffd');
  const slashed = plain.replaceAll('\\', '/');
  const base = posix.basename(slashed);
  return [
    ...new Set([
      posix.resolve(folder, plain),
      ...(/^[a-z]:\//i.test(slashed) ? [] : [posix.resolve(folder, slashed)]),
      posix.join(folder, base),
      posix.join(folder, 'Snapshots', base),
    ]),
  ];
}

async function filesIn(host: Host, folder: string, signal: AbortSignal): Promise<HostFile[]> {
  return host.files.list(folder, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
}

async function statOrNothing(host: Host, path: string, signal: AbortSignal): Promise<HostFile | undefined> {
  return host.files.stat(path, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return undefined;
  });
}

export const elsewhere = (files: ReadonlyMap<string, Located>): Finding[] =>
  [...files].flatMap(([name, { moved, path }]) =>
    moved === undefined || !/^(\/|[a-z]:|\\\\)/i.test(name)
      ? []
      : [
          {
            rule: 'virtualbox.disk-moved',
            severity: 'note' as const,
            message: `it names the disk "${name}", which is not there: ${path} is taken`,
            evidence: path,
          },
        ],
  );
