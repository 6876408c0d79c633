/** Who the server is: vouched for by an authority, the one of a given fingerprint, or accepted by the user now. */
import {
  certificateOther,
  certificateQuestion,
  certificateRefused,
  normalFingerprint,
  normalThumbprint,
} from './certificate.ts';
import { handshake, serverName, type TlsOptions, type TlsTarget } from './connect.ts';
import type { KnownCertificates } from './known-certificates.ts';

export interface TrustOptions extends TlsOptions {
  /** The only certificate that will do, however it is written. */
  readonly fingerprint?: string | undefined;
  /** SHA-1 of the only one that will do: what a server that is trusted says of another. */
  readonly thumbprint?: string | undefined;
  readonly known: KnownCertificates;
  confirm(question: string): Promise<boolean>;
}

/**
 * Connects once to look. The fingerprint that every connection has to show, or undefined where the authorities decide.
 * @throws AppError `auth` when it was not accepted, `unreachable`, `usage`, `cancelled`.
 */
export async function settleTrust(target: TlsTarget, options: TrustOptions): Promise<string | undefined> {
  const server = serverName(target);
  const given = options.fingerprint === undefined ? undefined : normalFingerprint(options.fingerprint);
  const pinned = given ?? (await options.known.find(server));
  const { socket, shown } = await handshake(target, options);
  socket.destroy();
  const { certificate, doubt } = shown;
  if (options.thumbprint) {
    if (certificate.thumbprint === normalThumbprint(options.thumbprint)) return certificate.fingerprint;
    throw certificateOther(server, certificate);
  }
  // One that was remembered gives way to an authority's word: a server that got a proper certificate is no alarm.
  if (given === undefined && doubt === undefined) return undefined;
  // Every connection is checked against it again, the first that carries anything too.
  if (pinned !== undefined) return pinned;
  const why = doubt ?? 'unknown';
  if (!(await options.confirm(certificateQuestion(server, certificate, why))))
    throw certificateRefused(server, certificate, why);
  await options.known.add(server, certificate.fingerprint);
  return certificate.fingerprint;
}
