/**
 * A disk over NBD with TLS, at random: the servers that VDI.get_nbd_info names, each with its certificate. What the disk
 * consists of is told by the server where it can (base:allocation), else by the head of a VHD of it.
 */
import { X509Certificate } from 'node:crypto';
import type { ByteSource } from '../../../io/byte-source.ts';
import { type NbdDisk, openNbd } from '../../../io/nbd/client.ts';
import { reopening, Tries } from '../../../io/retrying.ts';
import { AppError, toAppError } from '../../../model/errors.ts';
import { countIn, isRecord, textIn, type XenRecord } from '../../../packages/xva/records.ts';
import type { XapiSession } from '../session.ts';
import { largestVhdBytes, type StreamedDisk, vhdMap } from './streams.ts';
import { vhdExtents } from './vhd-stream.ts';

/** A server behind a firewall does not answer, and there are other ways. */
const reachMs = 10_000;
const mostServers = 16;

/**
 * When its connection is lost, any of the servers will do; what is told of them may hold another session then.
 * @throws AppError `unsupported` where none is offered.
 */
export async function nbdDisk(
  session: XapiSession,
  disk: StreamedDisk,
  signal: AbortSignal,
): Promise<ByteSource> {
  let told = false;
  const tries = new Tries({ step: `reading ${disk.name}`, tell: disk.client.tell });
  const source = await reopening(
    tries,
    async (until = signal) => {
      const nbd = await reached(session, disk, until);
      told = nbd.contexts.includes('base:allocation');
      return cleaned(nbd, disk);
    },
    signal,
  );
  if (told) return source;
  // Without it all is read: right, and slow.
  const map =
    disk.size > largestVhdBytes ? undefined : await vhdMap(session, disk, signal).catch(() => undefined);
  return map === undefined ? source : { ...source, extents: async (from, to) => vhdExtents(map, from, to) };
}

async function reached(session: XapiSession, disk: StreamedDisk, signal: AbortSignal): Promise<NbdDisk> {
  const servers = await serversOf(session, disk, signal);
  let failure = new AppError('unsupported', 'no network of the pool is made for NBD', {
    where: disk.name,
    hint: 'give a network the purpose "nbd" there',
  });
  for (const server of servers) {
    try {
      const nbd = await opened(server, signal);
      if (nbd.size === disk.size) return nbd;
      await nbd.close().catch(() => undefined);
      throw new AppError('corrupt', `NBD: ${nbd.size} bytes, the disk has ${disk.size}`, {
        where: disk.name,
      });
    } catch (error) {
      failure = withoutExport(error, disk.name);
      if (signal.aborted) break;
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

function cleaned(nbd: NbdDisk, { name, size }: StreamedDisk): ByteSource {
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
    extents: (from, to, abort) => clean(nbd.extents(from, to, abort)),
    close: () => clean(nbd.close()),
  };
}

/** The name of an export holds the session. */
function withoutExport(thrown: unknown, where: string): AppError {
  const { kind, message, hint } = toAppError(thrown);
  const words = message.replace(/session_id=[^\s&"]*/g, 'session_id=…');
  return new AppError(kind, words, { where, ...(hint === undefined ? {} : { hint }) });
}
