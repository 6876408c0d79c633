/** Faults of the API in words. What is not known is told by its own name and text. */
import { textOf } from '../../io/xml.ts';
import { AppError, type ErrorKind } from '../../model/errors.ts';
import { type Fault, type Ref, refIn } from './soap.ts';

/** The session has ended: by time, or by an administrator. */
export class SessionEnded extends AppError {}

/** An object is gone. */
export class ObjectGone extends AppError {
  readonly object: Ref | undefined;
  constructor(message: string, where: string, object: Ref | undefined) {
    super('not-found', message, { where });
    this.object = object;
  }
}

interface Words {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly hint?: string;
}

const known: Record<string, Words> = {
  InvalidLogin: {
    kind: 'auth',
    message: 'the user name or the password is wrong',
    hint: 'vCenter wants the domain as well, such as administrator@vsphere.local',
  },
  PasswordExpired: { kind: 'auth', message: 'the password has expired', hint: 'set a new one there first' },
  NoClientCertificate: { kind: 'auth', message: 'the server wants a certificate of the client' },
  RestrictedVersion: {
    kind: 'unsupported',
    message: "this host's licence does not allow it",
    hint: 'a free ESXi can only be read: shut the machine down first',
  },
  RestrictedByAdministrator: { kind: 'auth', message: 'the administrator does not allow it' },
  TaskInProgress: { kind: 'conflict', message: 'another task is at work there', hint: 'try it again later' },
  ConcurrentAccess: { kind: 'conflict', message: 'it was changed meanwhile', hint: 'try it again' },
  FileLocked: { kind: 'conflict', message: 'a file is locked by another user of it' },
  FileNotFound: { kind: 'not-found', message: 'a file is missing on the datastore' },
  InvalidPowerState: { kind: 'conflict', message: "the machine's power state does not allow it" },
  InvalidState: { kind: 'conflict', message: "the object's state does not allow it" },
  HostNotConnected: { kind: 'unreachable', message: 'the host of the machine is not connected to vCenter' },
  HostCommunication: { kind: 'unreachable', message: 'vCenter does not reach the host of the machine' },
  NoDiskSpace: { kind: 'no-space', message: 'the datastore is full' },
  InsufficientResourcesFault: { kind: 'no-space', message: 'the host has too few resources left' },
  NotSupported: { kind: 'unsupported', message: 'it is not supported there' },
  NotImplemented: { kind: 'unsupported', message: 'the server does not know this call' },
  ToolsUnavailable: { kind: 'unsupported', message: 'VMware Tools do not run in the machine' },
  ApplicationQuiesceFault: {
    kind: 'unsupported',
    message: 'the programs in the machine could not be brought to rest',
    hint: 'say no to "Quiesce", or shut it down first',
  },
  FilesystemQuiesceFault: {
    kind: 'unsupported',
    message: 'the filesystems in the machine could not be brought to rest',
    hint: 'say no to "Quiesce", or shut it down first',
  },
  TooManySnapshotLevels: {
    kind: 'unsupported',
    message: 'the machine has too many snapshots already',
    hint: 'delete some, or shut it down first',
  },
  MethodNotFound: { kind: 'unsupported', message: 'the server does not know this call' },
  InvalidRequest: { kind: 'unsupported', message: 'the server does not understand this call' },
};

/** `step` is what was done, `where` the server. */
export function faultError(fault: Fault, step: string, where: string): AppError {
  const { type, detail } = fault;
  const message = plain(fault.message);
  if (type === 'NotAuthenticated') {
    return new SessionEnded('auth', `${step}: the session has ended`, { where });
  }
  if (type === 'ManagedObjectNotFound') {
    return new ObjectGone(`${step}: it is not there any more`, where, refIn(detail, 'obj'));
  }
  if (type === 'NoPermission') return noPermission(fault, step, where);
  const words = known[type];
  const said = message === '' ? '' : ` (${message})`;
  if (words === undefined) {
    return new AppError('io', `${step}: ${type || 'the server failed'}${said}`, { where });
  }
  const told = words.kind === 'auth' ? words.message : `${words.message}${said}`;
  return new AppError(words.kind, `${step}: ${told}`, {
    where,
    ...(words.hint === undefined ? {} : { hint: words.hint }),
  });
}

function noPermission({ detail }: Fault, step: string, where: string): AppError {
  const privilege = plain((detail && textOf(detail, 'privilegeId')) ?? 'unknown');
  const object = detail === undefined ? undefined : refIn(detail, 'object');
  const place = object === undefined ? '' : ` on ${plain(object.type)} ${plain(object.id)}`;
  return new AppError('auth', `${step}: the privilege ${privilege} is missing${place}`, {
    where,
    hint: 'give it to the role of this user; docs/environments/vmware.md lists all that are needed',
  });
}

const plain = (text: string): string =>
  text
    .replace(/[\0-\x1f\x7f-\x9f]+/g, ' ')
    .trim()
    .slice(0, 500);
