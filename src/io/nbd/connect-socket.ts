/** A connection to an NBD server before and after TLS. */
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { AppError, toAppError } from '../../model/errors.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';
import { systemAuthorities } from '../https/authorities.ts';
import { normalFingerprint } from '../https/certificate.ts';
import type { NbdAddress } from './address.ts';

/** How the server proves who it is. Without both, an authority of this computer has to vouch for it. */
export interface NbdTls {
  /** PEM: the only authorities, or the server's own certificate. */
  readonly ca?: string;
  /** SHA-256 of the only certificate to accept; nothing else is looked at then. */
  readonly fingerprint?: string;
  /** The name in the certificate, where it is another than the host's. */
  readonly serverName?: string;
}

interface Waiting {
  readonly where: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws AppError `unreachable`, `not-found` (no socket), `auth` (of the socket), `cancelled`. */
export async function connectSocket(address: NbdAddress, waiting: Waiting): Promise<Socket> {
  const socket = connect(
    address.path === undefined ? { host: address.host, port: address.port } : { path: address.path },
  );
  await opened(socket, 'connect', waiting);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 15_000);
  return socket;
}

/** @throws AppError `auth` when the server is another, `unreachable`, `usage` (the fingerprint), `cancelled`. */
export async function startTls(
  plain: Duplex,
  host: string | undefined,
  tls: NbdTls,
  waiting: Waiting,
): Promise<TLSSocket> {
  const pinned = tls.fingerprint === undefined ? undefined : normalFingerprint(tls.fingerprint);
  const ca = tls.ca ?? (await systemAuthorities());
  const name = tls.serverName ?? host;
  const socket = connectTls({
    socket: plain,
    secureContext: createSecureContext({ minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }),
    rejectUnauthorized: false,
    ...(name === undefined ? {} : { host: name }),
    ...(name !== undefined && isIP(name) === 0 ? { servername: name } : {}),
  });
  await opened(socket, 'secureConnect', waiting);
  const shown = socket.getPeerCertificate().fingerprint256;
  const good = pinned === undefined ? socket.authorized : shown === pinned;
  if (good) return socket;
  socket.destroy();
  const { where } = waiting;
  if (pinned !== undefined) {
    throw new AppError(
      'auth',
      `certificate: the server shows ${shown ?? 'none'}, but ${pinned} is to be accepted`,
      {
        where,
        hint: 'somebody may be in between, or the server got a new one: ask its administrator',
      },
    );
  }
  throw new AppError('auth', `certificate: it can't be checked (${String(socket.authorizationError)})`, {
    where,
    hint: 'give the authority that signed it, or its fingerprint',
  });
}

function opened(socket: Duplex, event: string, { where, timeoutMs, signal }: Waiting): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const end = (error?: AppError) => {
      clearTimeout(timer);
      unwatch();
      socket.off(event, onOpen).off('error', onError).off('close', onClose);
      if (error === undefined) return resolve();
      // What it says from now on is nobody's.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onOpen = () => end();
    const onError = (error: NodeJS.ErrnoException) => end(failure(error, where));
    const onClose = () =>
      end(new AppError('unreachable', 'NBD: the server closed the connection', { where }));
    const late = () =>
      end(new AppError('unreachable', 'NBD: no answer', { where, hint: 'check host, port and firewalls' }));
    const timer = setTimeout(late, timeoutMs);
    const unwatch = onAbort(signal, () => end(cancelledBy(signal)));
    socket.on(event, onOpen).on('error', onError).on('close', onClose);
    if (signal?.aborted) end(cancelledBy(signal));
  });
}

function failure(error: NodeJS.ErrnoException, where: string): AppError {
  if (error.code === 'ENOENT')
    return new AppError('not-found', 'NBD: there is no such socket', { where, cause: error });
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const { message, hint } = toAppError(error);
    return new AppError('auth', `NBD: ${message}`, {
      where,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const words =
    error.code === 'ECONNREFUSED'
      ? 'nothing listens there'
      : `the connection failed (${error.code ?? error.message})`;
  return new AppError('unreachable', `NBD: ${words}`, {
    where,
    hint: 'check the server, the name, the port, and that no firewall is between',
    cause: error,
  });
}
