/**
 * The text descriptor: [VDF] "The Descriptor File". Products differ in line ends, indents, spaces around `=`,
 * order and missing fields; all of that is tolerated, an extent line that can't be understood is not.
 */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';

/** Real ones have a few hundred bytes; an 8 TiB disk split at 2 GiB about 200 KiB. */
export const maximumDescriptorBytes = MiB;

export type Access = 'RW' | 'RDONLY' | 'NOACCESS';
export interface ExtentLine {
  readonly access: Access;
  readonly sectors: number;
  /** In capitals: FLAT, SPARSE, ZERO, VMFS … */
  readonly type: string;
  readonly file: string | undefined;
  readonly offsetSectors: number;
}

export interface Descriptor {
  /** Keys in lower case, as products differ; the first of several counts. */
  readonly fields: ReadonlyMap<string, string>;
  readonly extents: readonly ExtentLine[];
}

export function looksLikeDescriptor(head: Uint8Array): boolean {
  return /^(?:\xef\xbb\xbf)?\s*#\s*disk\s+descriptorfile/i.test(Buffer.from(head).toString('latin1'));
}

/** @throws AppError `corrupt` where an extent line is not understood. */
export function parseDescriptor(bytes: Uint8Array, where: string): Descriptor {
  const fields = new Map<string, string>();
  const extents: ExtentLine[] = [];
  const lines = decodeText(bytes).split(/\r\n|\n|\r/);
  for (const [index, text] of lines.entries()) {
    const line = text.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (/^(RW|RDONLY|NOACCESS)\s/i.test(line)) {
      extents.push(parseExtent(line, `${where}, line ${index + 1}`));
      continue;
    }
    const match = /^([^=\s]+)\s*=\s*(.*)$/.exec(line);
    if (match === null) continue; // old products leave stray words; none of them carries a meaning
    const key = match[1]!.toLowerCase();
    if (!fields.has(key)) fields.set(key, unquoted(match[2]!));
  }
  return { fields, extents };
}

/** `createType` and the like: without quotes, empty when missing. */
export const fieldOf = (descriptor: Descriptor, key: string): string =>
  descriptor.fields.get(key.toLowerCase()) ?? '';

/** The content id, 32 bits in hex; absent when missing or not a number. */
export function contentId(descriptor: Descriptor, key: 'CID' | 'parentCID'): number | undefined {
  const text = fieldOf(descriptor, key).replace(/^0x/i, '');
  return /^[0-9a-f]{1,8}$/i.test(text) ? Number.parseInt(text, 16) : undefined;
}

/** parentCID of a disk without a parent. */
export const noParent = 0xffffffff;
export const hexId = (id: number): string => id.toString(16).padStart(8, '0');

function decodeText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0); // embedded ones are padded with zeros
  const body = end < 0 ? bytes : bytes.subarray(0, end);
  const named = /^[ \t]*encoding[ \t]*=[ \t]*"?([\w.:-]+)/im.exec(Buffer.from(body).toString('latin1'))?.[1];
  if (named !== undefined && isWestern(named)) return westernText(body);
  for (const label of named === undefined ? ['utf-8'] : [named, 'utf-8']) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(body);
    } catch {
      // unknown name of an encoding, or not written in the one that it names: try the next
    }
  }
  return westernText(body);
}

const isWestern = (label: string): boolean => /^(windows-1252|cp-?1252|iso-8859-1|latin-?1)$/i.test(label);

/** windows-1252, 0x80 to 0x9f. Node 20's own decoder takes it for ISO 8859-1. */
const westernHigh = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
function westernText(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('latin1');
  return text.replace(/[\x80-\x9f]/g, (c) => westernHigh[c.charCodeAt(0) - 0x80]!);
}

function unquoted(value: string): string {
  const match = /^"([^"]*)"/.exec(value);
  return (match === null ? value : match[1]!).trim();
}

function parseExtent(line: string, where: string): ExtentLine {
  const match = /^(RW|RDONLY|NOACCESS)\s+(\d+)\s+([A-Za-z]\w*)(?:\s+"([^"]*)")?(?:\s+(\d+))?(?:\s|$)/i.exec(
    line,
  );
  const bad = (message: string) => new AppError('corrupt', `extent line: ${message}`, { where });
  if (match === null) throw bad(`"${line.slice(0, 100)}" is not understood`);
  const type = match[3]!.toUpperCase();
  const sectors = Number(match[2]);
  const offsetSectors = Number(match[5] ?? 0);
  // Both bounded so that neither, nor a sum of two, can pass 2^53 bytes.
  if (!(sectors <= 2 ** 43) || !(offsetSectors <= 2 ** 43)) throw bad('a number larger than any disk');
  if (type !== 'ZERO' && (match[4] ?? '') === '') throw bad('no file is named');
  return { access: match[1]!.toUpperCase() as Access, sectors, type, file: match[4], offsetSectors };
}

export interface DescriptorPlan {
  readonly createType: string;
  readonly contentId: number;
  readonly extentLines: readonly string[];
  readonly adapterType: string;
  readonly hwVersion: number;
  readonly capacitySectors: number;
  /** By which VirtualBox knows the disk, and this state of its contents. Other products pass over them. */
  readonly uuids?: { readonly image: string; readonly modification: string };
}

const noUuid = '00000000-0000-0000-0000-000000000000';

export function descriptorText(plan: DescriptorPlan): Buffer {
  const { cylinders, heads, sectors } = geometry(plan.capacitySectors, plan.adapterType);
  const lines = [
    '# Disk DescriptorFile',
    'version=1',
    'encoding="UTF-8"',
    `CID=${hexId(plan.contentId)}`,
    `parentCID=${hexId(noParent)}`,
    `createType="${plan.createType}"`,
    '',
    '# Extent description',
    ...plan.extentLines,
    '',
    '# The Disk Data Base',
    '#DDB',
    '',
    `ddb.virtualHWVersion = "${plan.hwVersion}"`,
    `ddb.geometry.cylinders = "${cylinders}"`,
    `ddb.geometry.heads = "${heads}"`,
    `ddb.geometry.sectors = "${sectors}"`,
    `ddb.adapterType = "${plan.adapterType}"`,
    ...(plan.uuids === undefined ? [] : uuidLines(plan.uuids)),
    '',
  ];
  return Buffer.from(lines.join('\n'), 'utf8');
}

const uuidLines = ({ image, modification }: NonNullable<DescriptorPlan['uuids']>): string[] => [
  `ddb.uuid.image="${image}"`,
  `ddb.uuid.parent="${noUuid}"`,
  `ddb.uuid.modification="${modification}"`,
  `ddb.uuid.parentmodification="${noUuid}"`,
];

/** What VMware's products write: ATA-like for IDE, the BIOS translation of BusLogic and LSI adapters for SCSI. */
export function geometry(capacitySectors: number, adapterType: string) {
  const scsi = adapterType !== 'ide';
  const gibSectors = 2 ** 21;
  const [heads, sectors] = !scsi
    ? [16, 63]
    : capacitySectors < gibSectors
      ? [64, 32]
      : capacitySectors < 2 * gibSectors
        ? [128, 32]
        : [255, 63];
  const most = scsi ? 65535 : 16383;
  const cylinders = Math.min(most, Math.max(1, Math.floor(capacitySectors / (heads! * sectors!))));
  return { cylinders, heads: heads!, sectors: sectors! };
}
