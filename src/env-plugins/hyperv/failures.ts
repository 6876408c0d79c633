/** What PowerShell says went wrong, in our words. */
import { printable } from '../../io/ssh/failures.ts';
import { AppError, type ErrorKind } from '../../model/errors.ts';

export interface ScriptError {
  readonly message: string;
  /** PowerShell's FullyQualifiedErrorId. */
  readonly id: string;
  /** The name of an ErrorCategory. */
  readonly category: string;
  /** An HRESULT. */
  readonly code: number;
}

const own: readonly ErrorKind[] = ['conflict', 'unsupported', 'not-found'];

/** ERROR_DISK_FULL and ERROR_HANDLE_DISK_FULL, as HRESULTs. */
const full = [0x80070070, 0x80070027];

const byCategory: Readonly<Record<string, ErrorKind>> = {
  ObjectNotFound: 'not-found',
  PermissionDenied: 'auth',
  SecurityError: 'auth',
  AuthenticationError: 'auth',
  ResourceExists: 'conflict',
  ResourceBusy: 'conflict',
  NotImplemented: 'unsupported',
};

const hints: Partial<Record<ErrorKind, string>> = {
  auth: 'log in there as an administrator, or as a member of "Hyper-V Administrators"',
  'no-space': 'free some space there, or choose another folder',
};

export function failureOf(error: ScriptError, step: string, where: string): AppError {
  const message = printable(error.message);
  const [, said, words] = /^vmferry\/([a-z-]+): (.*)$/.exec(message) ?? [];
  const kind = own.find((one) => one === said);
  if (kind !== undefined) return new AppError(kind, words!, { where });
  if (error.id.startsWith('CommandNotFoundException')) {
    return new AppError('unsupported', `${step}: a command is missing there: ${message}`, {
      where,
      hint: 'Hyper-V with its PowerShell module is needed: Install-WindowsFeature Hyper-V-PowerShell',
    });
  }
  const found = full.includes(error.code >>> 0) ? 'no-space' : (byCategory[error.category] ?? 'io');
  const hint = hints[found];
  return new AppError(found, `${step}: ${message || 'it failed without a word'}`, {
    where,
    ...(hint === undefined ? {} : { hint }),
  });
}
