/** What a server answers, checked: the shell's name, the command's, its output. [MS-WSMV] 2.2.4. */
import { AppError } from '../../model/errors.ts';
import { attribute, child, childrenOf, parseXml, textOf, type XmlElement } from '../xml.ts';
import { type Fault, readFault } from './faults.ts';
import { shellSpace } from './soap.ts';

const wrong = (what: string, where: string): AppError =>
  new AppError('corrupt', `the answer of WinRM is not understood: ${what}`, { where });

/** The body of the answer to the message `id`, or the fault in it. @throws AppError `corrupt`, `unsupported`. */
export function readAnswer(
  bytes: Buffer,
  id: string,
  where: string,
): { body: XmlElement } | { fault: Fault } {
  const root = parseXml(bytes, where);
  const body = child(root, 'Body');
  if (root.local !== 'Envelope' || body === undefined) throw wrong('it is no SOAP', where);
  const fault = child(body, 'Fault');
  if (fault !== undefined) return { fault: readFault(fault) };
  const header = child(root, 'Header');
  const relates = header === undefined ? undefined : textOf(header, 'RelatesTo');
  if (relates?.toLowerCase() !== id.toLowerCase()) throw wrong('it is one to another message', where);
  return { body };
}

/** ResourceCreated with a selector; newer servers tell a Shell as well. */
export function shellIdIn(body: XmlElement, where: string): string {
  const selector = find(body, (one) => one.local === 'Selector' && attribute(one, 'Name') === 'ShellId');
  return idOf(selector?.text ?? find(body, ({ local }) => local === 'ShellId')?.text, 'ShellId', where);
}

export const commandIdIn = (body: XmlElement, where: string): string =>
  idOf(find(body, ({ local }) => local === 'CommandId')?.text, 'CommandId', where);

/** It goes into messages of ours again. */
function idOf(text: string | undefined, what: string, where: string): string {
  const id = (text ?? '').trim();
  if (!/^[\w.:{}-]{1,128}$/.test(id)) throw wrong(`it tells no ${what}`, where);
  return id;
}

export interface Received {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** Its exit code, when the command has ended. */
  readonly code: number | undefined;
}

export function receivedIn(body: XmlElement, commandId: string, where: string): Received {
  const response = child(body, 'ReceiveResponse');
  if (response === undefined) throw wrong('it has no output', where);
  const isOther = (one: XmlElement) =>
    (attribute(one, 'CommandId') ?? commandId).toLowerCase() !== commandId.toLowerCase();
  const streams: Record<string, Buffer[]> = { stdout: [], stderr: [] };
  for (const stream of childrenOf(response, 'Stream')) {
    const chunks = streams[attribute(stream, 'Name') ?? ''];
    if (chunks === undefined || isOther(stream)) throw wrong('it has output that was not asked for', where);
    chunks.push(base64(stream.text, where));
  }
  const state = child(response, 'CommandState');
  if (state !== undefined && isOther(state)) throw wrong('it is of another command', where);
  return {
    stdout: Buffer.concat(streams.stdout!),
    stderr: Buffer.concat(streams.stderr!),
    code:
      attribute(state ?? response, 'State') === `${shellSpace}/CommandState/Done`
        ? codeIn(state!, where)
        : undefined,
  };
}

function codeIn(state: XmlElement, where: string): number {
  const text = textOf(state, 'ExitCode') ?? '';
  if (!/^-?\d{1,10}$/.test(text)) throw wrong('the command ended without an exit code', where);
  return Number(text);
}

function base64(text: string, where: string): Buffer {
  const packed = text.replace(/\s+/g, '');
  if (packed.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(packed))
    throw wrong('its output is no base64', where);
  return Buffer.from(packed, 'base64');
}

function find(element: XmlElement, is: (one: XmlElement) => boolean): XmlElement | undefined {
  for (const one of element.children) {
    const found = is(one) ? one : find(one, is);
    if (found !== undefined) return found;
  }
  return undefined;
}
