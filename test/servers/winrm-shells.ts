/** The shells of a fake WinRM server: what SOAP asks of them, and what Windows answers. From [MS-WSMV] 3.1.4. */
import { randomUUID } from 'node:crypto';
import { attribute, escapeXml, parseXml, type XmlElement } from '../../src/io/xml.ts';

const shellSpace = 'http://schemas.microsoft.com/wbem/wsman/1/windows/shell';
const transfer = 'http://schemas.xmlsoap.org/ws/2004/09/transfer';
const uris = {
  s: 'http://www.w3.org/2003/05/soap-envelope',
  a: 'http://schemas.xmlsoap.org/ws/2004/08/addressing',
  w: 'http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd',
  rsp: shellSpace,
} as const;

/** By `prefix:name`: a server goes by namespaces, so that what is accepted of one client proves them for another. */
function childrenOf(parent: XmlElement, name: `${keyof typeof uris}:${string}`): XmlElement[] {
  const [prefix, local] = name.split(':') as [keyof typeof uris, string];
  return parent.children.filter((one) => one.local === local && one.uri === uris[prefix]);
}
const child = (...what: Parameters<typeof childrenOf>): XmlElement | undefined => childrenOf(...what)[0];
const textOf = (...what: Parameters<typeof childrenOf>): string | undefined => child(...what)?.text.trim();

const spaces = [
  ...Object.entries(uris).map(([prefix, uri]) => `xmlns:${prefix}="${uri}"`),
  `xmlns:x="${transfer}"`,
  'xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"',
].join(' ');

export interface FakeCommand {
  readonly line: string;
  input: string;
  /** Nobody may write to it any more. */
  isFed: boolean;
  /** What is left of its output. */
  output: { name: 'stdout' | 'stderr'; bytes: Buffer }[];
  code: number | undefined;
}

export interface FakeShell {
  readonly id: string;
  readonly commands: Map<string, FakeCommand>;
}

export interface Shells {
  readonly shells: Map<string, FakeShell>;
  /** Actions in the order in which they came, without their path. */
  readonly asked: string[];
  /** How often "nothing yet" is told before output is. */
  nothingYet: number;
  /** Bytes of output in one answer. */
  pieceBytes: number;
  answer(message: Buffer): Promise<{ status: number; xml: string }>;
}

export type RunLine = (
  line: string,
  input: string,
) => Promise<{ code: number; stdout: string; stderr: string }>;

class ShellFault extends Error {
  readonly code: number;
  readonly subcode: string;
  constructor(code: number, subcode: string, words: string) {
    super(words);
    this.code = code;
    this.subcode = subcode;
  }
}
const gone = () =>
  new ShellFault(2_150_858_843, 'w:InvalidSelectors', 'the shell was not found on the server');
const notYet = () =>
  new ShellFault(
    2_150_858_793,
    'w:TimedOut',
    'can not complete the operation within the time of OperationTimeout',
  );
const wrong = (words: string) => new ShellFault(2_150_858_817, 'w:SchemaValidationError', words);

export function fakeShells(run: RunLine): Shells {
  const shells = new Map<string, FakeShell>();
  const asked: string[] = [];
  const answered = (action: string, relates: string, body: string) =>
    `<s:Envelope xml:lang="en-US" ${spaces}><s:Header><a:Action>${action}</a:Action>` +
    `<a:MessageID>uuid:${randomUUID().toUpperCase()}</a:MessageID>` +
    '<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>' +
    `<a:RelatesTo>${relates}</a:RelatesTo></s:Header><s:Body>${body}</s:Body></s:Envelope>`;
  const server: Shells = {
    shells,
    asked,
    nothingYet: 0,
    pieceBytes: 32 * 1024,
    async answer(message) {
      const root = parseXml(message, 'a message');
      const [header, body] = [child(root, 's:Header')!, child(root, 's:Body')!];
      const action = textOf(header, 'a:Action') ?? '';
      const relates = textOf(header, 'a:MessageID') ?? '';
      asked.push(action.replace(/^.*\//, ''));
      try {
        if (message.length > Number(textOf(header, 'w:MaxEnvelopeSize')) || message.length > 150 * 1024)
          throw new ShellFault(2_150_858_808, 'w:EncodingLimit', 'too long');
        if (textOf(header, 'w:ResourceURI') !== `${shellSpace}/cmd`) throw wrong('no such resource');
        if (!/^PT\d+S$/.test(textOf(header, 'w:OperationTimeout') ?? '')) throw wrong('no time');
        const xml = await act(server, run, action, header, body);
        return { status: 200, xml: answered(`${action}Response`, relates, xml) };
      } catch (error) {
        if (!(error instanceof ShellFault)) throw error;
        const fault =
          `<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>${error.subcode}</s:Value></s:Subcode></s:Code>` +
          `<s:Reason><s:Text xml:lang="en-US">${error.message}</s:Text></s:Reason><s:Detail>` +
          `<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="${error.code}" Machine="hv01">` +
          `<f:Message>${error.message}</f:Message></f:WSManFault></s:Detail></s:Fault>`;
        return {
          status: 500,
          xml: answered('http://schemas.dmtf.org/wbem/wsman/1/wsman/fault', relates, fault),
        };
      }
    },
  };
  return server;
}

async function act(
  server: Shells,
  run: RunLine,
  action: string,
  header: XmlElement,
  body: XmlElement,
): Promise<string> {
  if (action === `${transfer}/Create`) return create(server, header, body);
  const selectors = child(header, 'w:SelectorSet');
  const shell = server.shells.get((selectors && textOf(selectors, 'w:Selector')) ?? '');
  if (shell === undefined) throw gone();
  switch (action) {
    case `${transfer}/Delete`:
      server.shells.delete(shell.id);
      return '';
    case `${shellSpace}/Command`:
      return start(shell, run, header, child(body, 'rsp:CommandLine')!);
    case `${shellSpace}/Send`:
      return feed(shell, run, child(body, 'rsp:Send')!);
    case `${shellSpace}/Receive`:
      return receive(server, shell, child(child(body, 'rsp:Receive')!, 'rsp:DesiredStream')!);
    case `${shellSpace}/Signal`: {
      const id = attribute(child(body, 'rsp:Signal')!, 'CommandId') ?? '';
      if (!shell.commands.delete(id)) throw gone();
      return '<rsp:SignalResponse/>';
    }
    default:
      throw new ShellFault(2_150_858_752, 'a:ActionNotSupported', 'no such action');
  }
}

function option(header: XmlElement, name: string): string {
  const set = child(header, 'w:OptionSet');
  return (
    (set === undefined ? [] : childrenOf(set, 'w:Option')).find((one) => attribute(one, 'Name') === name)
      ?.text ?? ''
  );
}

function create({ shells }: Shells, header: XmlElement, body: XmlElement): string {
  const wanted = child(body, 'rsp:Shell');
  if (wanted === undefined || textOf(wanted, 'rsp:InputStreams') !== 'stdin')
    throw wrong('a shell with stdin');
  if (textOf(wanted, 'rsp:OutputStreams') !== 'stdout stderr') throw wrong('a shell with stdout and stderr');
  if (!/^\d+$/.test(option(header, 'WINRS_CODEPAGE'))) throw wrong('a code page');
  const id = randomUUID().toUpperCase();
  shells.set(id, { id, commands: new Map() });
  const selector = `<w:SelectorSet><w:Selector Name="ShellId">${id}</w:Selector></w:SelectorSet>`;
  return (
    '<x:ResourceCreated><a:Address>http://hv01/wsman</a:Address><a:ReferenceParameters>' +
    `<w:ResourceURI>${shellSpace}/cmd</w:ResourceURI>${selector}</a:ReferenceParameters></x:ResourceCreated>` +
    `<rsp:Shell><rsp:ShellId>${id}</rsp:ShellId><rsp:Owner>HV01\\Administrator</rsp:Owner></rsp:Shell>`
  );
}

async function start(shell: FakeShell, run: RunLine, header: XmlElement, line: XmlElement): Promise<string> {
  const words = [
    textOf(line, 'rsp:Command') ?? '',
    ...childrenOf(line, 'rsp:Arguments').map(({ text }) => text),
  ];
  const id = randomUUID().toUpperCase();
  const isPiped = option(header, 'WINRS_CONSOLEMODE_STDIN') === 'FALSE';
  const command: FakeCommand = {
    line: words.join(' '),
    input: '',
    isFed: !isPiped,
    output: [],
    code: undefined,
  };
  shell.commands.set(id, command);
  if (!isPiped) void go(command, run);
  return `<rsp:CommandResponse><rsp:CommandId>${id}</rsp:CommandId></rsp:CommandResponse>`;
}

async function go(command: FakeCommand, run: RunLine): Promise<void> {
  const { code, stdout, stderr } = await run(command.line, command.input);
  command.output = [
    { name: 'stdout', bytes: Buffer.from(stdout) },
    { name: 'stderr', bytes: Buffer.from(stderr) },
  ];
  command.code = code;
}

function feed(shell: FakeShell, run: RunLine, send: XmlElement): string {
  const stream = child(send, 'rsp:Stream')!;
  const command = shell.commands.get(attribute(stream, 'CommandId') ?? '');
  if (command === undefined || command.isFed || attribute(stream, 'Name') !== 'stdin') throw gone();
  command.input += Buffer.from(stream.text, 'base64').toString();
  command.isFed = attribute(stream, 'End') === 'true';
  if (command.isFed) void go(command, run);
  return '<rsp:SendResponse/>';
}

async function receive(server: Shells, shell: FakeShell, wanted: XmlElement): Promise<string> {
  const id = attribute(wanted, 'CommandId') ?? '';
  const command = shell.commands.get(id);
  if (command === undefined || wanted.text !== 'stdout stderr') throw gone();
  if (server.nothingYet > 0) {
    server.nothingYet--;
    throw notYet();
  }
  await new Promise(setImmediate);
  if (command.code === undefined) throw notYet();
  const state = (name: string, inner = '') =>
    `<rsp:CommandState CommandId="${id}" State="${shellSpace}/CommandState/${name}">${inner}</rsp:CommandState>`;
  const [next] = command.output;
  if (next === undefined) {
    const ends = ['stdout', 'stderr'].map(
      (name) => `<rsp:Stream Name="${name}" CommandId="${id}" End="true"></rsp:Stream>`,
    );
    const code = `<rsp:ExitCode>${command.code}</rsp:ExitCode>`;
    return `<rsp:ReceiveResponse>${ends.join('')}${state('Done', code)}</rsp:ReceiveResponse>`;
  }
  const piece = next.bytes.subarray(0, server.pieceBytes);
  next.bytes = next.bytes.subarray(piece.length);
  if (next.bytes.length === 0) command.output.shift();
  const stream = `<rsp:Stream Name="${next.name}" CommandId="${id}">${escapeXml(piece.toString('base64'))}</rsp:Stream>`;
  return `<rsp:ReceiveResponse>${stream}${state('Running')}</rsp:ReceiveResponse>`;
}
