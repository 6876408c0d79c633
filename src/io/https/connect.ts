/** One TLS connection at a time: reached, encrypted, and its server known, before a byte is sent. */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { AppError } from '../../model/errors.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';
import { certificateChanged, describePeer, type ServerCertificate } from './certificate.ts';

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
}

export const serverName = ({ host, port }: TlsTarget): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host.toLowerCase()}:${port}`;

export interface TlsOptions {
  readonly context: SecureContext;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What a server showed, and why the authorities don't vouch for it; undefined when they do. */
export interface Shown {
  readonly certificate: ServerCertificate;
  readonly doubt: string | undefined;
}

/** The handshake alone. Nothing was sent yet, and whether the server may be trusted is still to be judged. */
export async function handshake(
  target: TlsTarget,
  options: TlsOptions,
): Promise<{ socket: TLSSocket; shown: Shown }> {
  const { host, port } = target;
  const socket = connect({
    host,
    port,
    secureContext: options.context,
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
  // A host that is gone is noticed within 30 s, also where nobody knows how long it may be silent.
  socket.setKeepAlive(true, 20_000);
  try {
    await established(socket, 'secureConnect', target, options);
    return { socket, shown: shownBy(socket, host) };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Without TLS: for a protocol that encrypts on its own. @throws AppError `unreachable`, `cancelled`. */
export async function connectPlain(target: TlsTarget, options: Omit<TlsOptions, 'context'>): Promise<Socket> {
  const socket = connectTcp(target);
  try {
    await established(socket, 'connect', target, options);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** @throws AppError `auth` when the server is not the one that was accepted. */
export async function connectTrusted(
  target: TlsTarget,
  pinned: string | undefined,
  options: TlsOptions,
): Promise<TLSSocket> {
  const { socket, shown } = await handshake(target, options);
  const where = serverName(target);
  if (pinned === undefined ? shown.doubt === undefined : shown.certificate.fingerprint === pinned)
    return socket;
  socket.destroy();
  if (pinned !== undefined) throw certificateChanged(where, shown.certificate, pinned);
  throw new AppError('auth', `certificate: it can't be checked any more (${shown.doubt})`, { where });
}

function shownBy(socket: TLSSocket, host: string): Shown {
  const peer = socket.getPeerCertificate(true);
  if (peer.fingerprint256 === undefined) {
    throw new AppError('auth', 'certificate: the server shows none', { where: host });
  }
  const doubt = socket.authorized ? undefined : reasonOf(socket.authorizationError);
  return { certificate: describePeer(peer), doubt };
}

const reasons: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not known here',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
};

/** Typed as an error, and in truth OpenSSL's name of one. */
function reasonOf(error: unknown): string {
  const code = typeof error === 'string' ? error : ((error as { code?: string } | null)?.code ?? 'unknown');
  return reasons[code] ?? code;
}

function established(
  socket: Socket,
  event: 'connect' | 'secureConnect',
  target: TlsTarget,
  { timeoutMs, signal }: Omit<TlsOptions, 'context'>,
): Promise<void> {
  const where = serverName(target);
  return new Promise<void>((resolve, reject) => {
    let reached = false;
    const timer = setTimeout(
      () => end(unreachable(reached ? 'TLS: the server does not answer' : 'no answer', where)),
      timeoutMs,
    );
    const unwatch = onAbort(signal, () => end(cancelledBy(signal)));
    const end = (error?: Error) => {
      clearTimeout(timer);
      unwatch();
      if (error === undefined) resolve();
      else reject(error);
    };
    if (signal?.aborted) end(cancelledBy(signal));
    socket.once('connect', () => {
      reached = true;
    });
    socket.once(event, () => end());
    socket.on('error', (error) => end(connectFailure(error, reached, where)));
    socket.once('close', () => end(unreachable('TLS: the server closed the connection', where)));
  });
}

const unreachable = (message: string, where: string, cause?: unknown): AppError =>
  new AppError('unreachable', message, {
    where,
    hint: 'check the name, the port, and that no firewall is between',
    ...(cause === undefined ? {} : { cause }),
  });

function connectFailure(error: NodeJS.ErrnoException, reached: boolean, where: string): AppError {
  if (reached && /protocol|version|cipher|handshake|key too small|small|legacy/i.test(error.message)) {
    return new AppError('unreachable', `TLS: no common version or cipher with the server`, {
      where,
      hint: 'if it is from before 2015, say yes to "Old TLS"',
      cause: error,
    });
  }
  const words: Record<string, string> = {
    ENOTFOUND: 'its name is not known',
    EAI_AGAIN: 'its name can not be looked up at the moment',
    ECONNREFUSED: 'the connection is refused: nothing listens on this port',
    ECONNRESET: 'the connection was reset',
    EHOSTUNREACH: 'no route to it',
    ENETUNREACH: 'no network to it',
    ETIMEDOUT: 'no answer',
  };
  const text = words[error.code ?? ''] ?? `the connection failed: ${error.code ?? 'not TLS'}`;
  return unreachable(reached ? `TLS: ${text}` : text, where, error);
}
