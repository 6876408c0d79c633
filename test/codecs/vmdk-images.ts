/** VMDK images in memory: made by our encoder or by hand, opened through a context that knows only their names. */
import type { OpenContext, OpenImage } from '../../src/codecs/codec.ts';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { type ByteSource, memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { pour } from '../../src/io/encoded-file.ts';
import { AppError } from '../../src/model/errors.ts';
import { type Options, resolveOptions } from '../../src/model/options.ts';

export type Files = Map<string, Buffer>;

/** All files of the image in memory, the first one being `name`. */
export async function encoded(
  content: Uint8Array | Disk,
  options: Options = {},
  name = 'a.vmdk',
): Promise<Files> {
  const disk = content instanceof Uint8Array ? sourceDisk(memorySource(content)) : content;
  const encoder = vmdkCodec.encoder!;
  const files: Files = new Map();
  for (const file of await encoder.encode(disk, name, resolveOptions(encoder.options, options))) {
    let bytes = Buffer.alloc(0);
    const grow = (size: number) => {
      if (size > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]);
    };
    await pour(file, {
      name: file.name,
      access: file.late ? 'random' : 'forward',
      async write(chunk, offset) {
        grow(offset + chunk.length);
        bytes.set(chunk, offset);
      },
      finish: async (size) => grow(size),
      abort: async () => undefined,
    });
    files.set(file.name, bytes);
  }
  return files;
}

/** The bytes with zeros up to the next whole sector. */
export function wholeSectors(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(-content.length & 511)]);
}

export interface OpenedFiles {
  /** Names asked of `context.sibling` and `context.parent`. */
  readonly asked: string[];
  readonly context: OpenContext;
}

export function contextOf(files: Files): OpenedFiles {
  const asked: string[] = [];
  const find = (name: string) => {
    asked.push(name);
    const bytes = files.get(name);
    if (bytes === undefined) throw new AppError('not-found', `no file ${name}`);
    return memorySource(bytes, name);
  };
  const context: OpenContext = {
    sibling: async (name) => find(name),
    parent: async (name) => vmdkCodec.open(find(name), context),
  };
  return { asked, context };
}

export function openFiles(files: Files, name = [...files.keys()][0]!): Promise<OpenImage> {
  return vmdkCodec.open(memorySource(files.get(name)!, name), contextOf(files).context);
}

/** The same bytes, each of which can be read once, ascending. */
export function forwardSource(bytes: Buffer, name = 'stream.vmdk'): ByteSource {
  const inner = memorySource(bytes, name);
  let position = 0;
  return {
    name,
    size: bytes.length,
    access: 'forward',
    async read(target, offset, signal) {
      if (offset < position) throw new AppError('bug', `read at ${offset} after ${position}`);
      await inner.read(target, offset, signal);
      position = offset + target.length;
    },
    close: () => inner.close(),
  };
}

/** A source that counts its reads. */
export function countingSource(bytes: Buffer, name = 'counted.vmdk') {
  const inner = memorySource(bytes, name);
  const counts = { reads: 0, bytes: 0 };
  const source: ByteSource = {
    ...inner,
    async read(target, offset, signal) {
      counts.reads++;
      counts.bytes += target.length;
      await inner.read(target, offset, signal);
    },
  };
  return { source, counts };
}
