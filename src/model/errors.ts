/**
 * The one error class. The kind is stable and small: faces, exit codes and tests depend on it, never on a
 * message. A message says what was found, what was expected and where; it does not repeat its cause.
 */
export type ErrorKind =
  | 'unsupported'
  | 'corrupt'
  | 'auth'
  | 'unreachable'
  | 'not-found'
  | 'conflict'
  | 'no-space'
  | 'io'
  | 'cancelled'
  | 'usage'
  | 'blocked'
  | 'bug';

export interface ErrorDetail {
  /** Where it happened: a file, an offset in it, a step. */
  readonly where?: string;
  /** What the user can do next. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class AppError extends Error {
  readonly kind: ErrorKind;
  readonly where: string | undefined;
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'AppError';
    this.kind = kind;
    this.where = detail.where;
    this.hint = detail.hint;
  }
}

/** An error as plain data, fit for state, a journal or `--json`. */
export interface Failure {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly where?: string;
  readonly hint?: string;
}

/** Any thrown thing as an AppError; what is not ours is told apart by its system code, else it is a bug. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (!(error instanceof Error))
    return new AppError('bug', `something other than an error was thrown: ${String(error)}`);
  if (error.name === 'AbortError') return new AppError('cancelled', 'cancelled', { cause: error });
  const { code, path } = error as NodeJS.ErrnoException;
  const where = path === undefined ? {} : { where: path };
  switch (code) {
    case 'ENOENT':
      return new AppError('not-found', 'no such file or folder', { ...where, cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new AppError('auth', code === 'EROFS' ? 'the filesystem is read-only' : 'permission denied', {
        ...where,
        cause: error,
        hint: 'check who owns it and its mode, or choose another place',
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new AppError('no-space', 'no space left', {
        ...where,
        cause: error,
        hint: 'free some space or choose another folder, then run it again',
      });
    case 'EFBIG':
      return new AppError('no-space', 'the file is larger than the filesystem allows', {
        ...where,
        cause: error,
      });
    case 'ENOTDIR':
      return new AppError('not-found', 'a part of this path is a file, not a folder', {
        ...where,
        cause: error,
      });
    case 'ENAMETOOLONG':
      return new AppError('usage', 'the name is too long for this filesystem', {
        ...where,
        cause: error,
        hint: 'choose a shorter one',
      });
    case 'EEXIST':
      return new AppError('conflict', 'it exists already', { ...where, cause: error });
    case undefined:
      return new AppError('bug', error.message, { cause: error });
    default:
      return new AppError('io', `${error.message}`, { ...where, cause: error });
  }
}

export function toFailure(error: unknown): Failure {
  const { kind, message, where, hint } = toAppError(error);
  return {
    kind,
    message,
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** A failure as an error again, for those who throw. */
export function failureError({ kind, message, where, hint }: Failure): AppError {
  return new AppError(kind, message, {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** One line for a terminal: message, place and hint. */
export function describeFailure(failure: Failure): string {
  const place = failure.where === undefined ? '' : ` (${failure.where})`;
  const hint = failure.hint === undefined ? '' : `; ${failure.hint}`;
  return `${failure.message}${place}${hint}`;
}
