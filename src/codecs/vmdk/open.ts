/** From a file to a disk: which layout it is, its extents one behind the other, and the layer below. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { concatenated, type Disk, holesAsZeros, overlay } from '../../io/disk.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import {
  contentId,
  type Descriptor,
  fieldOf,
  hexId,
  looksLikeDescriptor,
  maximumDescriptorBytes,
  parseDescriptor,
} from './descriptor.ts';
import { openExtents } from './extent-lines.ts';
import { cowdMagic, hostedMagic, parseHeader, type SparseHeader, sectorBytes } from './layout.ts';
import { openParent } from './parent.ts';
import { readEmbedded } from './read-descriptor.ts';
import { isSeSparse } from './se-sparse.ts';
import { openSparseExtent } from './sparse-extent.ts';
import { openStream } from './stream-walk.ts';

/** One layer, its parent not yet looked at. */
interface Layer {
  readonly disk: Disk;
  readonly descriptor: Descriptor;
  readonly header: SparseHeader | undefined;
  readonly files: readonly string[];
  readonly findings: Finding[];
  /** Whether the extents may say `hole`. */
  readonly sparse: boolean;
}

export async function openVmdk(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const head = await readBytes(source, 0, Math.min(sectorBytes, source.size), context.signal);
  const magic = head.subarray(0, 4).toString('latin1');
  if (magic === cowdMagic || (head.length === sectorBytes && isSeSparse(head))) {
    throw new AppError(
      'unsupported',
      `this is one extent of a snapshot (${magic === cowdMagic ? 'vmfsSparse' : 'seSparse'}), not a whole disk`,
      { where: source.name, hint: 'open the .vmdk file that names it (the one without -delta or -sesparse)' },
    );
  }
  const layer =
    magic === hostedMagic ? await openHosted(source, head, context) : await openText(source, head, context);
  try {
    checkEncryption(layer.descriptor, source.name);
    const below = await openParent(layer, source, context);
    return assemble(source, layer, below);
  } catch (error) {
    await layer.disk.close(); // what lies beside the image; the image itself stays the caller's
    throw error;
  }
}

async function openHosted(source: ByteSource, head: Buffer, context: OpenContext): Promise<Layer> {
  const header = parseHeader(head, source.name);
  const text = await readEmbedded(source, header, context);
  if (text === undefined) {
    throw new AppError('unsupported', 'this VMDK has no descriptor: it is one extent of a split disk', {
      where: source.name,
      hint: 'open the .vmdk file that names its extents (the one without -s001 and the like)',
    });
  }
  const descriptor = parseDescriptor(text, source.name);
  // [VDF] allows a header that only carries the descriptor of a disk whose extents are other files.
  if (header.capacitySectors === 0 && descriptor.extents.some((line) => line.sectors > 0)) {
    return describedLayer(source, descriptor, context);
  }
  if (descriptor.extents.length > 1) {
    throw new AppError(
      'unsupported',
      `VMDK with an embedded descriptor of ${descriptor.extents.length} extents`,
      { where: source.name },
    );
  }
  const findings: Finding[] = [];
  const named = descriptor.extents[0]?.sectors ?? header.capacitySectors;
  if (named !== header.capacitySectors) {
    findings.push({
      rule: 'vmdk.sizes-differ',
      severity: 'warning',
      message: `the descriptor says ${named} sectors, the header ${header.capacitySectors}; the header counts`,
      evidence: source.name,
    });
  }
  if (header.unclean) {
    findings.push({
      rule: 'vmdk.unclean-shutdown',
      severity: 'warning',
      message: 'the disk was not closed properly by its last user',
      evidence: source.name,
      remedy: 'start and shut down the machine once, or check the guest filesystems after the conversion',
    });
  }
  const disk = await hostedDisk(source, header, findings, context);
  return { disk, descriptor, header, files: [source.name], findings, sparse: true };
}

async function hostedDisk(
  source: ByteSource,
  header: SparseHeader,
  findings: Finding[],
  context: OpenContext,
): Promise<Disk> {
  if (header.capacitySectors === 0) return concatenated([]);
  const disk =
    source.access === 'forward'
      ? openStream(source, header)
      : await openSparseExtent(source, header, findings, context.signal);
  return { ...disk, close: async () => undefined }; // the source belongs to the image
}

async function openText(source: ByteSource, head: Buffer, context: OpenContext): Promise<Layer> {
  if (!looksLikeDescriptor(head)) {
    throw new AppError('corrupt', 'neither a VMDK header nor a descriptor', { where: source.name });
  }
  if (source.size > maximumDescriptorBytes) {
    throw new AppError(
      'corrupt',
      `VMDK descriptor of ${source.size} bytes, at most ${maximumDescriptorBytes}`,
      { where: source.name },
    );
  }
  const rest = await readBytes(source, head.length, source.size - head.length, context.signal);
  return describedLayer(source, parseDescriptor(Buffer.concat([head, rest]), source.name), context);
}

async function describedLayer(
  source: ByteSource,
  descriptor: Descriptor,
  context: OpenContext,
): Promise<Layer> {
  if (descriptor.extents.length === 0) {
    throw new AppError('corrupt', 'VMDK descriptor without an extent line', { where: source.name });
  }
  const opened = await openExtents(source.name, descriptor, context);
  return { ...opened, descriptor, header: undefined, files: [source.name, ...opened.files] };
}

/** Encrypted by Workstation (in the descriptor) or by an ESXi I/O filter. */
function checkEncryption(descriptor: Descriptor, where: string): void {
  const keys = [...descriptor.fields.keys()];
  if (
    keys.some((key) => key.startsWith('encryption.')) ||
    /crypt/i.test(fieldOf(descriptor, 'ddb.iofilters'))
  ) {
    throw new AppError('unsupported', 'this VMDK is encrypted', {
      where,
      hint: "remove the encryption in the machine's settings there first",
    });
  }
}

function assemble(source: ByteSource, layer: Layer, parent: OpenImage | undefined): OpenImage {
  const { disk: bottom } = layer;
  const chain: Disk = parent === undefined ? bottom : overlay(bottom, parent);
  const range = { name: source.name, size: bottom.size };
  let closed: Promise<unknown> | undefined;
  return {
    size: bottom.size,
    sectorSize: sectorBytes,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      checkRange(range, offset, target.length);
      await chain.read(target, offset, signal);
    },
    async extents(from, to, signal) {
      checkRange(range, from, to - from);
      const found = await chain.extents(from, to, signal);
      return parent === undefined && layer.sparse ? holesAsZeros(found, from) : found;
    },
    async close() {
      closed ??= Promise.all([chain.close(), source.close()]);
      await closed;
    },
    info: imageInfo(layer, parent),
  };
}

function imageInfo(layer: Layer, parent: OpenImage | undefined): ImageInfo {
  const { descriptor, header } = layer;
  const cid = contentId(descriptor, 'CID');
  const optional = (name: string, key: string) => {
    const value = fieldOf(descriptor, key);
    return value === '' ? {} : { [name]: value };
  };
  const createType = fieldOf(descriptor, 'createType');
  return {
    format: 'vmdk',
    ...(createType === '' ? {} : { variant: createType }),
    details: {
      ...(cid === undefined ? {} : { CID: hexId(cid) }),
      ...optional('parentCID', 'parentCID'),
      ...optional('adapterType', 'ddb.adapterType'),
      ...optional('virtualHWVersion', 'ddb.virtualHWVersion'),
      ...optional('uuid', 'ddb.uuid'),
      ...optional('encoding', 'encoding'),
      extents: Math.max(1, descriptor.extents.length),
      ...(header === undefined
        ? {}
        : { version: header.version, grainBytes: header.grainBytes, compressed: header.compressed }),
    },
    virtualSizeBytes: layer.disk.size,
    files: layer.files,
    ...(parent === undefined ? {} : { parent: parent.info }),
    findings: layer.findings,
  };
}
