/** From bytes to text, by the name that a file gives its own encoding. */
import { AppError } from '../../model/errors.ts';

export interface TextEncoding {
  readonly text: string;
  /** Other bytes of the same file. */
  decode(bytes: Uint8Array): string;
}

/** @throws AppError `corrupt` for what is no text, `unsupported` for an encoding nobody knows. */
export function decodeText(bytes: Uint8Array, where: string): TextEncoding {
  if (bytes.includes(0)) throw new AppError('corrupt', 'this is no text: it holds zero bytes', { where });
  const bom = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  const body = bom ? bytes.subarray(3) : bytes;
  const named = /^[ \t]*\.encoding[ \t]*=[ \t]*"?([\w.:-]+)/im.exec(
    Buffer.from(body).toString('latin1'),
  )?.[1];
  const decode = decoderOf(bom ? 'utf-8' : named, body, where);
  return { text: decode(body), decode };
}

/** Without a name (VMware Server, old Workstation) it is UTF-8 where it can be, else western. */
function decoderOf(named: string | undefined, body: Uint8Array, where: string): TextEncoding['decode'] {
  // Also what says that it is UTF-8 and is not, after an editor that knew nothing of it.
  if (named === undefined || /^utf-?8$/i.test(named)) return isUtf8(body) ? decoder('utf-8')! : westernText;
  if (/^(windows-1252|cp-?1252|iso-8859-1|latin-?1|us-ascii|ascii)$/i.test(named)) return westernText;
  const found = decoder(labels[named.toLowerCase()] ?? named);
  // In UTF-16 the name itself could not be read as it was.
  if (found?.(Buffer.from(named)) === named) return found;
  // Nothing but ASCII is the same in all of them.
  if (body.every((byte) => byte < 0x80)) return westernText;
  throw new AppError('unsupported', `the file is written in "${named}", which is not known here`, {
    where,
    hint: 'save it as UTF-8, and let its line .encoding say so',
  });
}

/** Names of ICU that the web does not have. */
const labels: Readonly<Record<string, string>> = {
  'ibm-943_p15a-2003': 'shift_jis',
  'windows-31j': 'shift_jis',
  'windows-932': 'shift_jis',
  cp932: 'shift_jis',
  'windows-936': 'gbk',
  'windows-936-2000': 'gbk',
  cp936: 'gbk',
  'windows-949': 'euc-kr',
  'windows-949-2000': 'euc-kr',
  cp949: 'euc-kr',
  'windows-950': 'big5',
  'windows-950-2000': 'big5',
  cp950: 'big5',
};

function decoder(label: string): TextEncoding['decode'] | undefined {
  try {
    const made = new TextDecoder(label);
    return (bytes) => made.decode(bytes);
  } catch {
    return undefined; // there is none of this name
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** windows-1252, 0x80 to 0x9f. Node 20's own decoder takes it for ISO 8859-1. */
const westernHigh = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';
const westernText = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (c) => westernHigh[c.charCodeAt(0) - 0x80]!);
