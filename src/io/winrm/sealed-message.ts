/**
 * A message sealed by NTLM as a body of HTTP. [MS-WSMV] 2.2.9.1.1: two parts, of which the first tells what the second
 * holds: the length of the signature, the signature, and as many sealed bytes as the first part says.
 */
import { AppError } from '../../model/errors.ts';
import { type Sealing, signatureBytes } from '../ntlm/sealing.ts';

const protocol = 'application/HTTP-SPNEGO-session-encrypted';
const boundary = 'Encrypted Boundary';

export const sealedType = `multipart/encrypted;protocol="${protocol}";boundary="${boundary}"`;

export const isSealed = (contentType: string): boolean => /^multipart\/encrypted\b/i.test(contentType);

export function writeSealed(sealing: Sealing, plain: Uint8Array): Buffer {
  const { signature, message } = sealing.seal(plain);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(signature.length);
  const head = [
    `--${boundary}`,
    `\tContent-Type: ${protocol}`,
    `\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=${plain.length}`,
    `--${boundary}`,
    '\tContent-Type: application/octet-stream',
    '',
  ].join('\r\n');
  return Buffer.concat([Buffer.from(head), length, signature, message, Buffer.from(`--${boundary}--\r\n`)]);
}

/** Products differ in spaces. Anchored: the bytes after it are the sealed ones. */
const heads = new RegExp(
  [
    `^--\\s*${boundary}\\r\\n`,
    `\\s*Content-Type:\\s*${protocol}\\r\\n`,
    '\\s*OriginalContent:\\s*type=application/soap\\+xml;\\s*charset=utf-8;\\s*Length=(\\d{1,9})\\r\\n',
    `--\\s*${boundary}\\r\\n`,
    '\\s*Content-Type:\\s*application/octet-stream\\r\\n',
  ].join(''),
  'i',
);
const ending = new RegExp(`^(\\r\\n)?--\\s*${boundary}--(\\r\\n)?$`);

/** @throws AppError `corrupt`, `unsupported`. */
export function readSealed(sealing: Sealing, contentType: string, body: Buffer): Buffer {
  const wrong = (what: string) => new AppError('corrupt', `the sealed answer is not understood: ${what}`);
  if (!isSealed(contentType) || !contentType.includes(protocol)) {
    throw new AppError('unsupported', 'the answer is sealed in another way than by NTLM', {
      hint: 'Kerberos and CredSSP are not spoken from here',
    });
  }
  // One character is one byte.
  const head = heads.exec(body.toString('latin1', 0, 1000));
  if (head === null) throw wrong('its two parts are not as they are laid out');
  const start = head[0].length;
  const length = Number(head[1]);
  const told = body.length >= start + 4 ? body.readUInt32LE(start) : -1;
  if (told !== signatureBytes)
    throw wrong(`a signature of ${told} bytes where ${signatureBytes} were expected`);
  const from = start + 4 + signatureBytes;
  if (from + length > body.length) throw wrong(`${length} bytes are said to be there, and it is shorter`);
  if (
    !ending.test(body.toString('latin1', from + length, from + length + 100)) ||
    body.length > from + length + 100
  )
    throw wrong(`more bytes than the ${length} that are said to be there`);
  return sealing.unseal({
    signature: body.subarray(start + 4, from),
    message: body.subarray(from, from + length),
  });
}
