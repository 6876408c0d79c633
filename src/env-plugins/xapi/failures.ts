/** What the server says when it does not do something, in our words: XenAPI reference, "Error handling". */
import { AppError, type ErrorKind } from '../../model/errors.ts';

/** An answer that is an error: its code, and what it is about. */
export class XapiFailure extends AppError {
  readonly code: string;
  readonly details: readonly string[];

  constructor(code: string, details: readonly string[], step: string, where: string) {
    const [kind, words, hint] = known[code] ?? (['io', undefined, undefined] as const);
    const about = details.filter((detail) => !detail.startsWith('OpaqueRef:')).map(plain);
    const tail = about.length === 0 || secretive.has(code) ? '' : `: ${about.slice(0, 4).join(', ')}`;
    super(kind, `${step}: ${words ?? 'the server refuses it'} (${plain(code)}${tail})`, {
      where,
      ...(hint === undefined ? {} : { hint }),
    });
    this.code = code;
    this.details = details;
  }
}

/** Their details may hold the session or the user's name. */
const secretive = new Set(['SESSION_INVALID', 'SESSION_AUTHENTICATION_FAILED', 'HOST_IS_SLAVE']);

/** The server's words are others': no control characters, no length without end. */
export const plain = (text: string): string => text.replace(/[\0-\x1f\x7f-\x9f]/g, '?').slice(0, 200);

const known: Readonly<Record<string, readonly [ErrorKind, string, string?]>> = {
  SESSION_INVALID: ['auth', 'the session has ended'],
  SESSION_AUTHENTICATION_FAILED: [
    'auth',
    'the server does not accept this user and password',
    'check both; after several failures a host may wait before it answers again',
  ],
  RBAC_PERMISSION_DENIED: [
    'auth',
    'this user may not do that',
    'docs/environments/xenserver.md lists the roles that are needed',
  ],
  HOST_IS_SLAVE: ['conflict', 'this host is not the master of its pool'],
  HANDLE_INVALID: ['not-found', 'it is not there any more'],
  UUID_INVALID: ['not-found', 'it is not there'],
  SR_FULL: ['no-space', 'the storage repository is full', 'free some space there or choose another one'],
  SR_BACKEND_FAILURE_44: [
    'no-space',
    'the storage repository has not enough space',
    'free some space there or choose another one',
  ],
  VDI_IN_USE: ['conflict', 'the disk is in use', 'shut the machine down, or wait for what goes on there'],
  VDI_NOT_AVAILABLE: ['conflict', 'the disk is not available just now', 'wait for what goes on there'],
  OTHER_OPERATION_IN_PROGRESS: ['conflict', 'another operation is under way there', 'wait for its end'],
  OPERATION_NOT_ALLOWED: ['conflict', 'that is not allowed just now'],
  OPERATION_BLOCKED: ['conflict', 'that was blocked by the administrator of this machine'],
  VM_BAD_POWER_STATE: ['conflict', 'the machine is in another state'],
  VM_LACKS_FEATURE: ['unsupported', 'the tools in the guest are missing', 'shut it down from the inside'],
  VM_LACKS_FEATURE_SHUTDOWN: [
    'unsupported',
    'the tools in the guest are missing',
    'shut it down from the inside',
  ],
  MESSAGE_METHOD_UNKNOWN: ['unsupported', 'this server does not know that call'],
  SR_OPERATION_NOT_SUPPORTED: ['unsupported', 'the storage repository can not do that'],
  SR_NOT_ATTACHED: ['conflict', 'the storage repository is attached to no host that is up'],
  TASK_CANCELLED: ['cancelled', 'it was cancelled at the server'],
  HOST_STILL_BOOTING: ['unreachable', 'the host is still starting', 'wait, then try again'],
  VDI_NO_CBT_METADATA: ['unsupported', 'changes are not tracked for this disk'],
  LICENCE_RESTRICTION: ['unsupported', 'the licence of this pool does not allow that'],
  LICENSE_RESTRICTION: ['unsupported', 'the licence of this pool does not allow that'],
};
