/** Faults of WS-Management in our words: told by code and subcode, for the text is in the host's language. */
import { AppError, type ErrorKind } from '../../model/errors.ts';
import { attribute, child, textOf, type XmlElement } from '../xml.ts';

export interface Fault {
  /** WSManFault's, an HRESULT or a code of Windows; 0 where there is none. */
  readonly code: number;
  /** Without its prefix, such as `AccessDenied`. */
  readonly subcode: string;
  readonly reason: string;
}

/** [MS-WSMV] 3.1.4.14: nothing came within OperationTimeout; the command goes on, ask again. */
export const operationTimedOut = 2_150_858_793;

export function readFault(fault: XmlElement): Fault {
  const code = child(fault, 'Code');
  const subcode = code === undefined ? undefined : child(code, 'Subcode');
  const reason = child(fault, 'Reason');
  const detail = child(fault, 'Detail');
  const wsman = detail === undefined ? undefined : child(detail, 'WSManFault');
  const number = wsman === undefined ? '' : (attribute(wsman, 'Code') ?? '');
  return {
    code: /^\d{1,10}$/.test(number) ? Number(number) : 0,
    subcode: ((subcode === undefined ? undefined : textOf(subcode, 'Value')) ?? '').replace(/^.*:/, ''),
    reason: plain((reason === undefined ? undefined : textOf(reason, 'Text')) ?? ''),
  };
}

/** Somebody else's words: one line, no control characters, an end. */
const plain = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, '?')
    .trim()
    .slice(0, 500);

type Words = readonly [kind: ErrorKind, words: string, hint?: string];

const denied: Words = [
  'auth',
  'the user may not open a shell there',
  'log in as an administrator, or as a member of "Remote Management Users" and of "Hyper-V Administrators"',
];
const quota: Words = [
  'conflict',
  'the host takes no further shell of this user',
  'wait for others to end, or raise winrm/config/winrs MaxShellsPerUser there',
];

const bySubcode: Readonly<Record<string, Words>> = {
  AccessDenied: denied,
  QuotaLimit: quota,
  TimedOut: ['unreachable', 'the host did not do it in time'],
  InvalidSelectors: ['conflict', 'the shell is gone: the host ended it'],
  EncodingLimit: [
    'unsupported',
    'the message is longer than the host takes',
    'raise winrm/config MaxEnvelopeSizekb there',
  ],
  ActionNotSupported: ['unsupported', 'the host does not know this request'],
  DestinationUnreachable: [
    'unsupported',
    'the host has no remote shell',
    'turn it on there: winrm set winrm/config/winrs @{AllowRemoteShellAccess="true"}',
  ],
  SchemaValidationError: ['unsupported', 'the host does not take the request as it is written'],
};

const byCode: Readonly<Record<number, Words>> = {
  5: denied,
  [operationTimedOut]: bySubcode.TimedOut!,
  // ERROR_WINRS_SHELL_NOT_FOUND
  2150858843: bySubcode.InvalidSelectors!,
  // ERROR_WSMAN_QUOTA_MAX_SHELLS, _MAX_OPERATIONS
  2150859173: quota,
  2150859174: quota,
};

export function faultError({ code, subcode, reason }: Fault, step: string, where: string): AppError {
  const [kind, words, hint] = byCode[code] ?? bySubcode[subcode] ?? (['io', 'the host refuses it'] as Words);
  const number = code === 0 ? subcode || 'without a code' : `0x${code.toString(16)}`;
  const told = reason === '' ? number : `${number}: ${reason}`;
  return new AppError(kind, `${step}: ${words} (${told})`, {
    where,
    ...(hint === undefined ? {} : { hint }),
  });
}
