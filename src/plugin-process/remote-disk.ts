/** A disk of the other end: each read is a call. */
import type { OpenDisk } from '../env-plugins/plugin.ts';
import { checkedExtents, checkedFindings, checkedSize, checkedTexts } from '../env-plugins/shapes.ts';
import { type ByteSource, checkRange } from '../io/byte-source.ts';
import type { Extent } from '../io/extents.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Channel } from './channel.ts';

/** As many extents as fit a disk of some terabytes in small pieces; more is no list but a flood. */
const mostExtents = 4_000_000;

/** Calls `open` or `sibling`. @throws AppError */
export async function openRemote(
  channel: Channel,
  who: string,
  method: 'open' | 'sibling',
  params: object,
  signal?: AbortSignal,
): Promise<OpenDisk> {
  const close = async (handle: unknown) => {
    // Whoever is gone has closed it.
    await channel.call('close', { handle }).catch(() => undefined);
  };
  const value = await channel.call(method, params, {
    signal,
    late: (late) => void close((late as { handle?: unknown } | null)?.handle),
  });
  const told = (value ?? {}) as Record<string, unknown>;
  const handle = checkedSize(told.handle, 'a handle', who);
  let source: ByteSource;
  let findings: Finding[] | undefined;
  try {
    findings = told.findings === undefined ? undefined : checkedFindings(told.findings, who);
    source = remoteSource(channel, who, handle, told, () => close(handle));
  } catch (error) {
    await close(handle);
    throw error;
  }
  return {
    source,
    ...(typeof told.format === 'string' ? { format: told.format } : {}),
    ...(told.outside === true ? { outside: true } : {}),
    ...(told.gzip === true ? { gzip: true } : {}),
    ...(findings === undefined ? {} : { findings }),
    sibling: (name) => openRemote(channel, who, 'sibling', { handle, name }),
    ...(told.neighbours === true
      ? {
          neighbours: async () =>
            checkedTexts(await channel.call('neighbours', { handle }), 'neighbours', who),
        }
      : {}),
  };
}

function remoteSource(
  channel: Channel,
  who: string,
  handle: number,
  told: Record<string, unknown>,
  close: () => Promise<void>,
): ByteSource {
  let closing: Promise<void> | undefined;
  const source: ByteSource = {
    name: String(told.name),
    size: checkedSize(told.size, 'a size', who),
    access: told.access === 'forward' ? 'forward' : 'random',
    ...(typeof told.modifiedAt === 'number' ? { modifiedAt: told.modifiedAt } : {}),
    async read(target, offset, signal) {
      checkRange(source, offset, target.length);
      if (target.length === 0) return;
      let got = 0;
      const refuse = () =>
        new AppError('corrupt', `${who} gives another number of bytes than the ${target.length} asked for`, {
          where: `${source.name}, offset ${offset}`,
        });
      await channel.call(
        'read',
        { handle, offset, length: target.length },
        {
          signal,
          data(bytes) {
            if (got + bytes.length > target.length) throw refuse();
            target.set(bytes, got);
            got += bytes.length;
          },
        },
      );
      if (got !== target.length) throw refuse();
    },
    ...(told.extents === true
      ? {
          async extents(from: number, to: number, signal?: AbortSignal) {
            const found: Extent[] = [];
            await channel.call(
              'extents',
              { handle, from, to },
              {
                signal,
                event(value) {
                  if (!Array.isArray(value) || found.length + value.length > mostExtents)
                    throw new AppError('corrupt', `${who} gives too many extents, or none`);
                  for (const one of value) found.push(one as Extent);
                },
              },
            );
            return checkedExtents(found, from, to, who);
          },
        }
      : {}),
    close() {
      closing ??= close();
      return closing;
    },
  };
  return source;
}
