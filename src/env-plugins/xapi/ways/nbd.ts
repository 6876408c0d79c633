/**
 * A disk over NBD with TLS, at random: the servers that VDI.get_nbd_info names, each with its certificate. What the disk
 * consists of is told by the server where it can (base:allocation), else by the head of a VHD of it.
 */
import { X509Certificate } from 'node:crypto';
import type { ByteSource } from '../../../io/byte-source.ts';
import { type NbdDisk, openNbd } from '../../../io/nbd/client.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { countIn, isRecord, textIn, type XenRecord } from '../../../packages/xva/records.ts';
import type { XapiSession } from '../session.ts';
import { largestVhdBytes, type StreamedDisk, vhdMap } from './streams.ts';
import { vhdExtents } from './vhd-stream.ts';

/** A server behind a firewall does not answer, and there are other ways. */
const reachMs = 10_000;
const mostServers = 16;

/** @throws AppError `unsupported` where none is offered. */
export async function nbdDisk(
  session: XapiSession,
  disk: StreamedDisk,
  signal: AbortSignal,
): Promise<ByteSource> {
  const servers = await serversOf(session, disk, signal);
  let failure = new AppError('unsupported', 'no network of the pool is made for NBD', {
    where: disk.name,
    hint: 'give a network the purpose "nbd" there',
  });
  for (const server of servers) {
    try {
      return await sourceOf(session, disk, await opened(server, signal), signal);
    } catch (error) {
      if (signal.aborted) throw withoutExport(error, disk.name);
      failure = withoutExport(error, disk.name);
    }
  }
  throw failure;
}

async function serversOf(session: XapiSession, { vdi, step, name }: StreamedDisk, signal: AbortSignal) {
  const answer = await session.call('VDI.get_nbd_info', [vdi], { step, signal });
  if (!Array.isArray(answer))
    throw new AppError('corrupt', `${step}: the NBD servers are no list`, { where: name });
  return answer.filter(isRecord).slice(0, mostServers);
}

async function opened(server: XenRecord, signal: AbortSignal): Promise<NbdDisk> {
  const [host, port] = [textIn(server, 'address'), countIn(server, 'port')];
  const [name, cert] = [textIn(server, 'exportname'), textIn(server, 'cert')];
  if (
    host === undefined ||
    port === undefined ||
    port < 1 ||
    port > 65_535 ||
    name === undefined ||
    cert === undefined
  )
    throw new AppError('corrupt', 'an NBD server without address, port, name or certificate');
  let fingerprint: string;
  try {
    fingerprint = new X509Certificate(cert).fingerprint256;
  } catch (error) {
    throw new AppError('corrupt', 'the certificate of an NBD server can not be read', { cause: error });
  }
  // The server of the API is trusted, and it says which certificate this one has.
  return openNbd({ host, port, name, tls: { fingerprint }, signal, timeoutMs: reachMs });
}

async function sourceOf(
  session: XapiSession,
  disk: StreamedDisk,
  nbd: NbdDisk,
  signal: AbortSignal,
): Promise<ByteSource> {
  const { name, size } = disk;
  try {
    if (nbd.size !== size)
      throw new AppError('corrupt', `NBD: ${nbd.size} bytes, the disk has ${size}`, { where: name });
    const told = nbd.contexts.includes('base:allocation') || size > largestVhdBytes;
    // Without it all is read: right, and slow.
    const map = told ? undefined : await vhdMap(session, disk, signal).catch(() => undefined);
    const clean = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw withoutExport(error, name);
      }
    };
    return {
      name,
      size,
      access: 'random',
      read: (target, offset, abort) => clean(nbd.read(target, offset, abort)),
      extents: async (from, to, abort) =>
        map === undefined ? clean(nbd.extents(from, to, abort)) : vhdExtents(map, from, to),
      close: () => clean(nbd.close()),
    };
  } catch (error) {
    await nbd.close().catch(() => undefined);
    throw error;
  }
}

/** The name of an export holds the session. */
function withoutExport(thrown: unknown, where: string): AppError {
  const { kind, message, hint } = toAppError(thrown);
  const words = message.replace(/session_id=[^\s&"]*/g, 'session_id=…');
  return new AppError(kind, words, { where, ...(hint === undefined ? {} : { hint }) });
}
