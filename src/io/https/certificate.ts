/** A server's certificate as people compare it, and as a fingerprint that is remembered. */
import type { PeerCertificate } from 'node:tls';
import { AppError } from '../../model/errors.ts';

export interface ServerCertificate {
  /** SHA-256 over the certificate, `AA:BB:…`. */
  readonly fingerprint: string;
  /** SHA-1 over it: what vSphere calls its thumbprint. */
  readonly thumbprint: string;
  readonly subject: string;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
}

export function describePeer(peer: PeerCertificate): ServerCertificate {
  return {
    fingerprint: peer.fingerprint256,
    thumbprint: peer.fingerprint,
    subject: nameOf(peer.subject),
    issuer: nameOf(peer.issuer),
    validFrom: peer.valid_from,
    validTo: peer.valid_to,
  };
}

function nameOf(name: PeerCertificate['subject'] | undefined): string {
  const parts = [name?.CN, name?.O].flat().filter((part) => part !== undefined && part !== '');
  return parts.length === 0 ? 'nobody' : plain(parts.join(', '));
}

/** A certificate's words are others': no control characters, no length without end. */
const plain = (text: string): string => text.replace(/[\0-\x1f\x7f-\x9f]/g, '?').slice(0, 200);

/**
 * A SHA-256 fingerprint however it is written: with colons, spaces, `SHA256:`, in any case.
 * @throws AppError `usage`.
 */
export function normalFingerprint(text: string): string {
  const hex = text
    .trim()
    .replace(/^sha-?256[\s:=]*/i, '')
    .replace(/[\s:]/g, '')
    .toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(hex)) {
    throw new AppError('usage', `"${plain(text)}" is not a SHA-256 fingerprint`, {
      hint: 'it has 64 hexadecimal digits, as "openssl x509 -fingerprint -sha256" prints them',
    });
  }
  return hex.match(/../g)!.join(':');
}

/** `AA:BB:…`, however it is written. */
export const normalThumbprint = (text: string): string =>
  (text.replace(/[^0-9A-Fa-f]/g, '').match(/../g) ?? []).join(':').toUpperCase();

export function certificateQuestion(server: string, shown: ServerCertificate, why: string): string {
  return (
    `The certificate of ${server} can't be checked (${plain(why)}). It is for ${shown.subject}, issued by ` +
    `${shown.issuer}, valid from ${shown.validFrom} to ${shown.validTo}; its SHA-256 fingerprint is ` +
    `${shown.fingerprint}. Is that right, and is it to be remembered?`
  );
}

export function certificateRefused(server: string, shown: ServerCertificate, why: string): AppError {
  return new AppError('auth', `certificate: it can't be checked (${plain(why)}) and was not accepted`, {
    where: server,
    hint:
      `compare its SHA-256 fingerprint ${shown.fingerprint} with the one on the server, then accept it where you ` +
      'can be asked, or put it into the field "Fingerprint"',
  });
}

export function certificateChanged(server: string, shown: ServerCertificate, pinned: string): AppError {
  return new AppError(
    'auth',
    `certificate: the server shows ${shown.fingerprint}, but ${pinned} is the one that was accepted`,
    {
      where: server,
      hint: 'somebody may be in between, or the server got a new one; if its administrator confirms it, put the new fingerprint into the field "Fingerprint"',
    },
  );
}

export const certificateOther = (server: string, { fingerprint }: ServerCertificate): AppError =>
  new AppError(
    'auth',
    `certificate: the host shows ${fingerprint}, which is not the one that vCenter knows it by`,
    {
      where: server,
      hint: 'somebody may be in between, or it got a new one: reconnect the host in vCenter',
    },
  );
