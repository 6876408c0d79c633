/** What is needed of a driver's .inf: its class and version. */
import { AppError } from '../../../model/errors.ts';

export interface InfVersion {
  readonly classGuid: string;
  /** Milliseconds since 1970. */
  readonly date: number;
  /** Four numbers of 16 bits. */
  readonly version: readonly number[];
  readonly provider?: string;
}

/** "INF Version Section" of Microsoft's documentation. @throws AppError `corrupt`. */
export function infVersion(bytes: Buffer, where: string): InfVersion {
  const isWide = bytes[0] === 0xff && bytes[1] === 0xfe;
  const text = isWide ? bytes.toString('utf16le', 2) : bytes.toString('latin1');
  const section = /^[ \t]*\[Version\][^\n]*\n((?:(?![ \t]*\[)[^\n]*(?:\n|$))*)/im.exec(text)?.[1] ?? '';
  const value = (name: string) =>
    new RegExp(`^[ \\t]*${name}[ \\t]*=[ \\t]*([^;\\r\\n]*)`, 'im').exec(section)?.[1]?.trim();
  const classGuid = /^\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}$/i.exec(value('ClassGuid') ?? '')?.[0];
  const driver = /^(\d\d?)\/(\d\d?)\/(\d{4})\s*,\s*(\d+(?:\.\d+){0,3})$/.exec(value('DriverVer') ?? '');
  const version = (driver?.[4] ?? '').split('.').map(Number);
  if (classGuid === undefined || driver === null || version.some((number) => number > 0xffff))
    throw new AppError(
      'corrupt',
      'the section [Version] has no ClassGuid and DriverVer as they are in drivers',
      {
        where,
      },
    );
  const date = Date.UTC(Number(driver[3]), Number(driver[1]) - 1, Number(driver[2]));
  return { classGuid: classGuid.toLowerCase(), date, version: [...version, 0, 0, 0].slice(0, 4) };
}

/** As Windows keeps it in a DriverPackages key: class, time as FILETIME, and the version's numbers backwards. */
export function versionBlob({ classGuid, date, version }: InfVersion): Buffer {
  const blob = Buffer.alloc(48);
  blob.writeUInt32LE(0x9ff00, 0);
  const [a, b, c, ...rest] = classGuid.replace(/[{}]/g, '').split('-');
  blob.writeUInt32LE(Number.parseInt(a!, 16), 8);
  blob.writeUInt16LE(Number.parseInt(b!, 16), 12);
  blob.writeUInt16LE(Number.parseInt(c!, 16), 14);
  Buffer.from(rest.join(''), 'hex').copy(blob, 16);
  // Of 100 ns since 1601.
  blob.writeBigUInt64LE((BigInt(date) + 11_644_473_600_000n) * 10_000n, 24);
  for (const [i, number] of version.toReversed().entries()) blob.writeUInt16LE(number, 32 + 2 * i);
  return blob;
}
