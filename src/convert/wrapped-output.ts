/** A disk written compressed as a whole, as its name says: `disk.raw.gz`, `.zst`, `.xz`. */
import { compressedRoom, zstdCompress } from '../codecs/compression.ts';
import type { ByteSink } from '../io/byte-source.ts';
import { type EncodedFile, pour } from '../io/encoded-file.ts';
import { packedSink } from '../io/wrappers/packed-sink.ts';
import { canPack, type PackedWrapper, packerFor } from '../io/wrappers/packers.ts';
import { splitWrapperName } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';

export interface OutputName {
  /** What the encoder is told: the name without the wrapper's extension. */
  readonly inner: string;
  readonly wrapper?: PackedWrapper;
  /** The file's name at the destination. */
  wrapped(file: string): string;
}

/** @throws AppError `usage` for a wrapper that can only be read. */
export function outputName(name: string): OutputName {
  const { inner, wrapper } = splitWrapperName(name);
  if (wrapper === undefined) return { inner: name, wrapped: (file) => file };
  if (!canPack(wrapper)) {
    throw new AppError('usage', `${wrapper} can be read but not written`, {
      hint: 'choose .gz, .zst or .xz',
    });
  }
  const extension = name.slice(inner.length);
  return { inner, wrapper, wrapped: (file) => file + extension };
}

/** What is compressed is written from its start to its end, into one file: not every layout can be. */
export function wrapperFindings(name: string, files: readonly EncodedFile[]): Finding[] {
  const { wrapper } = outputName(name);
  if (wrapper === undefined || (files.length === 1 && !files[0]!.late)) return [];
  return [
    {
      rule: 'disk.not-packable',
      severity: 'blocker',
      message:
        files.length > 1
          ? `a disk of ${files.length} files can't be packed with ${wrapper}`
          : `this format goes back to its beginning at the end, which ${wrapper} can't`,
      evidence: name,
      remedy:
        'choose raw, a VHD with subformat=fixed, or a VMDK with subformat=streamOptimized; or leave the packing out',
    },
  ];
}

/** `pour`, with the compression in front of the destination's sink. @returns the size of what was written there. */
export async function pourWrapped(
  file: EncodedFile,
  sink: ByteSink,
  { wrapper }: OutputName,
  signal: AbortSignal,
): Promise<number> {
  if (wrapper === undefined) return pour(file, sink, signal);
  let written = 0;
  const inner: ByteSink = {
    ...sink,
    finish(size, modifiedAt) {
      written = size;
      return sink.finish(size, modifiedAt);
    },
  };
  const zstd = (block: Buffer) => zstdCompress(block, Buffer.allocUnsafe(compressedRoom(block.length)), 0);
  await pour(file, packedSink(inner, await packerFor(wrapper, zstd)), signal);
  return written;
}
