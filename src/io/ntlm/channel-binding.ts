/** Which TLS connection a login is for: `tls-server-end-point` of RFC 5929, 4.1. */
import { createHash } from 'node:crypto';

/** Of signature algorithms, DER without tag and length; MD5 and SHA-1 count as SHA-256. */
const hashes: Readonly<Record<string, string>> = {
  '2a864886f70d010104': 'sha256', // md5WithRSAEncryption
  '2a864886f70d010105': 'sha256', // sha1WithRSAEncryption
  '2a864886f70d01010b': 'sha256', // sha256WithRSAEncryption
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
  '2a8648ce3d0401': 'sha256', // ecdsa-with-SHA1
  '2a8648ce3d040302': 'sha256',
  '2a8648ce3d040303': 'sha384',
  '2a8648ce3d040304': 'sha512',
};
const rsaPss = '2a864886f70d01010a';
const pssHashes: readonly (readonly [oid: string, hash: string])[] = [
  ['0609608648016503040202', 'sha384'],
  ['0609608648016503040203', 'sha512'],
];

/** Of the server's certificate in DER. Undefined where its signature has no hash of its own: then there is none. */
export function endPointBinding(certificate: Uint8Array): Buffer | undefined {
  const algorithm = signatureAlgorithm(Buffer.from(certificate));
  if (algorithm === undefined) return undefined;
  const hash = hashOf(algorithm);
  if (hash === undefined) return undefined;
  return Buffer.concat([Buffer.from('tls-server-end-point:'), createHash(hash).update(certificate).digest()]);
}

function hashOf(algorithm: Buffer): string | undefined {
  const oid = content(algorithm, 0);
  if (oid === undefined) return undefined;
  const name = oid.toString('hex');
  if (name !== rsaPss) return hashes[name];
  const all = algorithm.toString('hex');
  return pssHashes.find(([one]) => all.includes(one))?.[1] ?? 'sha256';
}

/** Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }: the second's content. */
function signatureAlgorithm(der: Buffer): Buffer | undefined {
  const certificate = content(der, 0);
  const signed = certificate === undefined ? undefined : content(certificate, 0);
  if (certificate === undefined || signed === undefined) return undefined;
  return content(certificate, signed.byteOffset - certificate.byteOffset + signed.length);
}

/** Of the DER element at `at`. OpenSSL took it for well-formed; what is not ends here. */
function content(der: Buffer, at: number): Buffer | undefined {
  const first = der[at + 1];
  if (first === undefined) return undefined;
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (more > 4 || at + 2 + more > der.length) return undefined;
  const length = more === 0 ? first : der.readUIntBE(at + 2, more);
  const start = at + 2 + more;
  return start + length > der.length ? undefined : der.subarray(start, start + length);
}
