/** dpkg's status and apk's installed: paragraphs of `Key: value` lines. Read piece by piece, they may be large. */
import { given, plainText } from '../../text.ts';
import { type Reader, readerOf } from '../reader.ts';
import { maxPackages, type PackageEntry } from './package-entry.ts';

const pieceBytes = 1024 * 1024;
/** Of a line, as much as is looked at; descriptions and lists of files may be longer. */
const maxLineBytes = 4096;

async function* lines(reader: Reader): AsyncGenerator<string> {
  let rest = '';
  for (let at = 0; at < reader.size; at += pieceBytes) {
    const bytes = await reader.read(at, Math.min(pieceBytes, reader.size - at));
    const parts = (rest + bytes.toString('latin1')).split('\n');
    rest = parts.pop()!.slice(0, maxLineBytes);
    yield* parts;
  }
  if (rest !== '') yield rest;
}

type Fields = ReadonlyMap<string, string>;

async function stanzas(
  bytes: Buffer | Reader,
  wanted: readonly string[],
  entry: (fields: Fields) => PackageEntry | undefined,
): Promise<PackageEntry[]> {
  const found: PackageEntry[] = [];
  let fields = new Map<string, string>();
  const end = () => {
    const made = fields.size === 0 ? undefined : entry(fields);
    if (made !== undefined) found.push(made);
    fields = new Map();
  };
  for await (const line of lines(readerOf(bytes))) {
    if (line === '' || line === '\r') {
      end();
      if (found.length >= maxPackages) return found;
      continue;
    }
    const colon = line.indexOf(':');
    const key = line.slice(0, colon);
    if (colon > 0 && wanted.includes(key)) fields.set(key, plainText(line.slice(colon + 1, maxLineBytes)));
  }
  end();
  return found;
}

/** /var/lib/dpkg/status: what is installed, or half of it; not what was removed. */
export function readDpkgStatus(bytes: Buffer | Reader): Promise<PackageEntry[]> {
  return stanzas(bytes, ['Package', 'Status', 'Version', 'Architecture'], (fields) => {
    const [name, version] = [fields.get('Package'), fields.get('Version')];
    const state = fields.get('Status')?.split(' ').at(-1) ?? 'installed';
    if (!name || !version || state === 'not-installed' || state === 'config-files') return undefined;
    return { name, version, ...given('architecture', fields.get('Architecture')) };
  });
}

/** /lib/apk/db/installed of Alpine. */
export function readApkInstalled(bytes: Buffer | Reader): Promise<PackageEntry[]> {
  return stanzas(bytes, ['P', 'V', 'A'], (fields) => {
    const [name, version] = [fields.get('P'), fields.get('V')];
    return name && version ? { name, version, ...given('architecture', fields.get('A')) } : undefined;
  });
}

/** By the names of the folders in /var/lib/pacman/local: `name-version-release`. */
export function pacmanPackages(folders: readonly string[]): PackageEntry[] {
  return folders.slice(0, maxPackages).flatMap((folder) => {
    const match = /^(.+)-([^-]+-[^-]+)$/.exec(folder);
    return match === null ? [] : [{ name: plainText(match[1]!), version: plainText(match[2]!) }];
  });
}
