/** The header cluster of a qcow2 image: read, checked, derived. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { formatBytes } from '../../model/units.ts';
import {
  compatible,
  compressionTypeAt,
  extensionType,
  headerV2,
  headerV3,
  incompatible,
  magic,
  maximumBackingName,
  maximumClusterBits,
  maximumL1Bytes,
  maximumSnapshots,
  minimumClusterBits,
} from './layout.ts';

export interface Header {
  readonly version: 2 | 3;
  /** Virtual size, bytes. */
  readonly size: number;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  readonly extendedL2: boolean;
  readonly compressionType: 'zlib' | 'zstd';
  readonly dirty: boolean;
  readonly lazyRefcounts: boolean;
  readonly refcountBits: number;
  readonly l1TableOffset: number;
  /** Entries that the virtual size needs; the table may have more. */
  readonly l1Entries: number;
  readonly snapshots: { readonly count: number; readonly offset: number };
  readonly backing?: { readonly name: string; readonly format?: string };
  readonly externalDataFile?: string;
  /** Where the LUKS header of an encrypted image lies, bytes. */
  readonly luks?: { readonly offset: number; readonly bytes: number };
}

type Fields = ReturnType<typeof headerV3.decode>;

const checkHint =
  'the image is damaged or cut short; fetch it again, or run "qemu-img check" on a copy of it';

/** @throws AppError `corrupt`, or `unsupported` for a feature that is not known here. */
export async function readHeader(source: ByteSource, signal: AbortSignal | undefined): Promise<Header> {
  const where = source.name;
  const corrupt = (message: string) => new AppError('corrupt', message, { where, hint: checkHint });
  if (source.size < headerV2.bytes) throw corrupt(`qcow2 header: the file has only ${source.size} bytes`);
  const first = await readBytes(source, 0, Math.min(source.size, headerV3.bytes), signal);
  if (first.readUInt32BE(0) !== magic) throw corrupt('no qcow2 magic at the start');
  const fields = decodeFields(first, where);
  const { clusterBits } = fields;
  if (clusterBits < minimumClusterBits)
    throw corrupt(`clusters of 2^${clusterBits} bytes; at least 2^9 expected`);
  if (clusterBits > maximumClusterBits) {
    throw new AppError('unsupported', `clusters of 2^${clusterBits} bytes; at most 2^21 are supported`, {
      where,
    });
  }
  const clusterBytes = 2 ** clusterBits;
  const cluster = await readBytes(source, 0, Math.min(source.size, clusterBytes), signal);
  if (fields.headerLength > cluster.length || fields.headerLength % 8 !== 0) {
    throw corrupt(
      `qcow2 header length is ${fields.headerLength}, in a first cluster of ${cluster.length} bytes`,
    );
  }
  const extensions = readExtensions(cluster, fields, corrupt);
  checkFeatures(fields, extensions.featureNames, where);
  const luks = readEncryption(fields, extensions.encryptionHeader, where);
  if (fields.refcountOrder > 6)
    throw corrupt(`refcount order is ${fields.refcountOrder}; at most 6 expected`);
  if (fields.nbSnapshots > maximumSnapshots) throw corrupt(`${fields.nbSnapshots} snapshots in the header`);

  const extendedL2 = has(fields, incompatible.extendedL2);
  if (extendedL2 && clusterBits < 14)
    throw corrupt(`extended L2 entries with clusters of ${clusterBytes} bytes`);
  const backing = readBacking(cluster, fields, extensions.backingFormat, corrupt);
  return {
    version: fields.version === 2 ? 2 : 3,
    size: fields.size,
    clusterBits,
    clusterBytes,
    extendedL2,
    compressionType: readCompressionType(cluster, fields, where),
    dirty: has(fields, incompatible.dirty),
    lazyRefcounts: (fields.compatibleFeatures & compatible.lazyRefcounts) !== 0n,
    refcountBits: 2 ** fields.refcountOrder,
    l1TableOffset: fields.l1TableOffset,
    l1Entries: checkL1(source, fields, extendedL2, corrupt),
    snapshots: { count: fields.nbSnapshots, offset: fields.snapshotsOffset },
    ...(backing === undefined ? {} : { backing }),
    ...(luks === undefined ? {} : { luks }),
    ...readExternalDataFile(fields, extensions.externalDataFile, where),
  };
}

const has = (fields: Fields, bit: bigint): boolean => (fields.incompatibleFeatures & bit) !== 0n;

function decodeFields(first: Buffer, where: string): Fields {
  const short = headerV2.decode(first);
  if (short.version === 2) {
    const none = { incompatibleFeatures: 0n, compatibleFeatures: 0n, autoclearFeatures: 0n };
    return { ...short, ...none, refcountOrder: 4, headerLength: headerV2.bytes };
  }
  if (short.version !== 3) {
    throw new AppError('unsupported', `qcow2 version ${short.version}; 2 and 3 are supported`, { where });
  }
  const fields = headerV3.decode(first);
  if (fields.headerLength < headerV3.bytes) {
    throw new AppError('corrupt', `qcow2 header length is ${fields.headerLength}, at least 104 expected`, {
      where,
    });
  }
  return fields;
}

interface Extensions {
  backingFormat?: string;
  externalDataFile?: string;
  encryptionHeader?: Buffer;
  featureNames: Map<number, string>;
}

function readExtensions(cluster: Buffer, fields: Fields, corrupt: (message: string) => AppError): Extensions {
  const found: Extensions = { featureNames: new Map() };
  // The backing file's name comes behind the extensions and may be where their end mark would be.
  const { backingFileOffset } = fields;
  const end = backingFileOffset > 0 ? Math.min(cluster.length, backingFileOffset) : cluster.length;
  for (let at = fields.headerLength; at + 8 <= end; ) {
    const type = cluster.readUInt32BE(at);
    const length = cluster.readUInt32BE(at + 4);
    if (type === extensionType.end) break;
    if (length > end - at - 8)
      throw corrupt(`header extension at ${at} has ${length} bytes; it ends past ${end}`);
    const data = cluster.subarray(at + 8, at + 8 + length);
    if (type === extensionType.backingFormat) found.backingFormat = data.toString('utf8');
    if (type === extensionType.externalDataFile) found.externalDataFile = data.toString('utf8');
    if (type === extensionType.encryptionHeader) found.encryptionHeader = data;
    if (type === extensionType.featureNames) readFeatureNames(data, found.featureNames);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

/** Names of incompatible features by bit: entries of a type byte, a bit byte and 46 bytes of name. */
function readFeatureNames(data: Buffer, names: Map<number, string>): void {
  for (let at = 0; at + 48 <= data.length; at += 48) {
    if (data[at] !== 0) continue;
    const name = data.toString('latin1', at + 2, at + 48).split('\0', 1)[0]!;
    names.set(data[at + 1]!, name.replace(/[^ -~]/g, '?'));
  }
}

function checkFeatures(fields: Fields, names: Map<number, string>, where: string): void {
  if (has(fields, incompatible.corrupt)) {
    throw new AppError('corrupt', 'the image is marked corrupt by the program that last wrote it', {
      where,
      hint: 'repair a copy with "qemu-img check -r all", look at what is in it, then convert the copy',
    });
  }
  const known = Object.values(incompatible).reduce((all, bit) => all | bit, 0n);
  const unknown: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((fields.incompatibleFeatures & ~known & (1n << BigInt(bit))) === 0n) continue;
    const name = names.get(bit);
    unknown.push(name === undefined ? `bit ${bit}` : `bit ${bit} (${name})`);
  }
  if (unknown.length === 0) return;
  throw new AppError(
    'unsupported',
    `the image needs features that are not known here: ${unknown.join(', ')}`,
    {
      where,
      hint: 'convert it with the qemu-img that made it: qemu-img convert -O qcow2',
    },
  );
}

/** @throws AppError `unsupported` for the old AES, which keeps few secrets and has no mark of a wrong passphrase. */
function readEncryption(fields: Fields, place: Buffer | undefined, where: string): Header['luks'] {
  const { cryptMethod } = fields;
  if (cryptMethod === 0) return undefined;
  if (cryptMethod !== 2) {
    const name = cryptMethod === 1 ? 'the AES of old qemu' : `method ${cryptMethod}`;
    throw new AppError('unsupported', `the image is encrypted (${name})`, {
      where,
      hint: 'decrypt it first: qemu-img convert with the key writes a plain copy',
    });
  }
  if (place === undefined || place.length < 16) {
    throw new AppError('corrupt', 'the image is encrypted (LUKS) and does not say where its key is', {
      where,
    });
  }
  const [offset, bytes] = [place.readBigUInt64BE(0), place.readBigUInt64BE(8)];
  if (offset > 2n ** 52n || bytes > 2n ** 52n) {
    throw new AppError('corrupt', `LUKS header of ${bytes} bytes at ${offset}`, { where });
  }
  return { offset: Number(offset), bytes: Number(bytes) };
}

function readCompressionType(cluster: Buffer, fields: Fields, where: string): 'zlib' | 'zstd' {
  const type = fields.headerLength > compressionTypeAt ? cluster[compressionTypeAt]! : 0;
  const flagged = has(fields, incompatible.compressionType);
  if (flagged !== (type !== 0)) {
    throw new AppError('corrupt', `compression type ${type}, but its feature bit says otherwise`, { where });
  }
  if (type > 1)
    throw new AppError('unsupported', `compression type ${type}; zlib and zstd are supported`, { where });
  return type === 1 ? 'zstd' : 'zlib';
}

/** The number of L1 entries needed, after checking that the table holds them and lies inside the file. */
function checkL1(
  source: ByteSource,
  fields: Fields,
  extendedL2: boolean,
  corrupt: (message: string) => AppError,
): number {
  const clusterBytes = 2 ** fields.clusterBits;
  const covered = clusterBytes * (clusterBytes / (extendedL2 ? 16 : 8));
  const needed = Math.ceil(fields.size / covered);
  if (fields.l1Size * 8 > maximumL1Bytes) throw corrupt(`L1 table of ${fields.l1Size} entries is too large`);
  if (needed > fields.l1Size) {
    throw corrupt(`L1 table of ${fields.l1Size} entries; ${formatBytes(fields.size)} need ${needed}`);
  }
  if (needed === 0) return 0;
  const { l1TableOffset } = fields;
  if (l1TableOffset === 0 || l1TableOffset % clusterBytes !== 0 || l1TableOffset + needed * 8 > source.size) {
    throw corrupt(
      `L1 table of ${needed * 8} bytes at ${l1TableOffset} is misplaced (file: ${source.size} bytes)`,
    );
  }
  return needed;
}

function readBacking(
  cluster: Buffer,
  fields: Fields,
  format: string | undefined,
  corrupt: (message: string) => AppError,
): Header['backing'] {
  const { backingFileOffset: offset, backingFileSize: length } = fields;
  if (offset === 0 || length === 0) return undefined;
  if (length > maximumBackingName || offset > cluster.length - length) {
    throw corrupt(`backing file name of ${length} bytes at ${offset} is not inside the first cluster`);
  }
  const name = cluster.toString('utf8', offset, offset + length);
  return { name, ...(format === undefined || format === '' ? {} : { format }) };
}

function readExternalDataFile(fields: Fields, name: string | undefined, where: string) {
  if (!has(fields, incompatible.externalDataFile)) return {};
  if (name === undefined || name === '') {
    throw new AppError('unsupported', 'the data is in another file that the image does not name', {
      where,
      hint: 'name it with: qemu-img amend -o data_file=<file>',
    });
  }
  return { externalDataFile: name };
}
