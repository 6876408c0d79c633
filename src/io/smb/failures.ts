/** What libsmbclient says went wrong, which is an errno of Linux, in our words. */
import { constants } from 'node:os';
import { AppError, type ErrorKind } from '../../model/errors.ts';
import type { Answer } from './child-process.ts';

const { errno: codes } = constants;

const kinds: readonly (readonly [ErrorKind, readonly number[], string])[] = [
  ['not-found', [codes.ENOENT, codes.ENOTDIR], 'no such file, folder or share'],
  ['auth', [codes.EACCES, codes.EPERM], 'the server refuses the login, or this login may not do that'],
  ['conflict', [codes.EEXIST], 'it exists already'],
  ['conflict', [codes.EBUSY, codes.ETXTBSY], 'another program has it open'],
  ['no-space', [codes.ENOSPC, codes.EDQUOT], 'no space left'],
  [
    'unreachable',
    [
      ...[codes.ECONNREFUSED, codes.ECONNRESET, codes.ECONNABORTED, codes.ENOTCONN, codes.EPIPE],
      ...[codes.ETIMEDOUT, codes.EHOSTUNREACH, codes.ENETUNREACH, codes.EBADF, codes.ENETRESET],
    ],
    'the connection is cut, or none comes about',
  ],
];

const hints: Partial<Record<ErrorKind, string>> = {
  auth: 'check user (DOMAIN\\user), password and rights; shares such as C$ are for administrators only',
  unreachable: 'check that the host is up and its port for SMB (445) is open to this computer',
  'no-space': 'free some space or choose another folder, then run it again',
};

/** Undefined for an answer that is none. */
export function failureIn(answer: Answer, where: string): AppError | undefined {
  if (answer.missing !== undefined) {
    return new AppError('unsupported', 'the library that speaks SMB (libsmbclient) is not installed', {
      hint: 'install it: "apt install libsmbclient" on Debian and Ubuntu, "dnf install libsmbclient" on Fedora',
    });
  }
  if (answer.broken !== undefined)
    return new AppError('bug', `the helper for SMB failed: ${String(answer.broken).slice(0, 300)}`, {
      where,
    });
  if (typeof answer.errno !== 'number') return undefined;
  const errno = answer.errno;
  const [kind, , words] = kinds.find(([, numbers]) => numbers.includes(errno)) ?? [
    'io' as const,
    [],
    undefined,
  ];
  const name = Object.entries(codes).find(([, number]) => number === errno)?.[0] ?? `errno ${errno}`;
  const hint = hints[kind];
  return new AppError(kind, words === undefined ? `it failed (${name})` : `${words} (${name})`, {
    where,
    ...(hint === undefined ? {} : { hint }),
  });
}
