/** All disk formats. To add one: a folder beside this file, and a line here. */
import type { ByteSource } from '../io/byte-source.ts';
import { AppError } from '../model/errors.ts';
import type { Codec } from './codec.ts';
import { cowCodec } from './cow/index.ts';
import { dmgCodec } from './dmg/index.ts';
import { parallelsCodec } from './parallels/index.ts';
import { qcowCodec } from './qcow/index.ts';
import { qcow2Codec } from './qcow2/index.ts';
import { qedCodec } from './qed/index.ts';
import { rawCodec } from './raw/index.ts';
import { vdiCodec } from './vdi/index.ts';
import { vhdCodec } from './vhd/index.ts';
import { vhdxCodec } from './vhdx/index.ts';
import { vmdkCodec } from './vmdk/index.ts';

export const codecs: readonly Codec[] = [
  qcow2Codec,
  vmdkCodec,
  vhdCodec,
  vhdxCodec,
  vdiCodec,
  parallelsCodec,
  cowCodec,
  qedCodec,
  qcowCodec,
  dmgCodec,
  rawCodec,
];

/** @throws AppError `unsupported` listing what there is. */
export function codecById(id: string): Codec {
  const codec = codecs.find((c) => c.id === id);
  if (codec !== undefined) return codec;
  throw new AppError('unsupported', `"${id}" is not a disk format known here`, {
    hint: `known are: ${codecs.map((c) => c.id).join(', ')}`,
  });
}

/** The format that is given for a file of this extension (no dot), among those that can be written. */
export function codecForExtension(extension: string): Codec | undefined {
  return codecs.find((c) => c.encoder !== undefined && c.extensions.includes(extension.toLowerCase()));
}

export interface ProbeResult {
  readonly codec: Codec;
  /** A signature was seen; otherwise it is raw because nothing else is known. */
  readonly sure: boolean;
}

/**
 * The format of a source by its marks, never by its name.
 * @throws AppError `unsupported` when two formats claim it.
 */
export async function probeFormat(source: ByteSource, signal?: AbortSignal): Promise<ProbeResult> {
  const answers = await Promise.all(
    codecs.map(async (codec) => ({ codec, probe: await codec.probe(source, signal) })),
  );
  const sure = answers.filter((a) => a.probe === 'yes');
  if (sure.length > 1) {
    throw new AppError(
      'unsupported',
      `the marks of several formats: ${sure.map((a) => a.codec.id).join(', ')}`,
      {
        where: source.name,
        hint: 'say which one it is with --from',
      },
    );
  }
  const codec = (sure[0] ?? answers.find((a) => a.probe === 'maybe'))?.codec;
  if (codec === undefined)
    throw new AppError('unsupported', 'no disk format that is known here', { where: source.name });
  return { codec, sure: sure.length === 1 };
}
