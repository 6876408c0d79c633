/** /etc/crypttab (crypttab(5)): which encrypted volume is opened under which name. */
import { plainText } from '../../text.ts';
import { linesOf } from '../config-file.ts';

export interface CryptEntry {
  /** Below /dev/mapper. */
  readonly name: string;
  /** `UUID=…`, `/dev/sda3`. */
  readonly device: string;
  /** A file of the guest with the key; absent where a passphrase is asked for. */
  readonly keyFile?: string;
  readonly options: readonly string[];
}

const maxEntries = 256;

export function parseCrypttab(content: Buffer | string): CryptEntry[] {
  const entries: CryptEntry[] = [];
  for (const line of linesOf(content)) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [name, device, key, options] = line.trim().split(/\s+/);
    if (name === undefined || device === undefined || entries.length >= maxEntries) continue;
    entries.push({
      name: plainText(name),
      device: plainText(device, 1024),
      ...(key === undefined || key === 'none' || key === '-' ? {} : { keyFile: plainText(key, 1024) }),
      options: (options ?? '')
        .split(',')
        .filter(Boolean)
        .slice(0, 100)
        .map((option) => plainText(option)),
    });
  }
  return entries;
}
