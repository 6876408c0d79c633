/** SOAP messages of WS-Management for a remote shell. [MS-WSMV] 3.1.4; DSP0226 for the headers. */
import { randomUUID } from 'node:crypto';
import { escapeXml } from '../xml.ts';

export const shellSpace = 'http://schemas.microsoft.com/wbem/wsman/1/windows/shell';
const transfer = 'http://schemas.xmlsoap.org/ws/2004/09/transfer';

export const actions = {
  create: `${transfer}/Create`,
  remove: `${transfer}/Delete`,
  command: `${shellSpace}/Command`,
  send: `${shellSpace}/Send`,
  receive: `${shellSpace}/Receive`,
  signal: `${shellSpace}/Signal`,
} as const;

export interface ShellRequest {
  readonly action: keyof typeof actions;
  /** Below `s:Body`; its prefix `rsp` is that of the shell. */
  readonly body: string;
  readonly shellId?: string;
  readonly options?: Readonly<Record<string, string>>;
  /** For the server to give up on it. */
  readonly timeoutSeconds: number;
}

/** What a server may answer with at once: the default of Windows, 500 KiB in its own counting. */
const maxEnvelopeBytes = 512_000;

export function envelope(request: ShellRequest, endpoint: string): { id: string; text: string } {
  const id = `uuid:${randomUUID().toUpperCase()}`;
  const { shellId, options = {} } = request;
  const must = 's:mustUnderstand="true"';
  const header = [
    `<a:To>${escapeXml(endpoint)}</a:To>`,
    `<a:ReplyTo><a:Address ${must}>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>`,
    `<a:Action ${must}>${actions[request.action]}</a:Action>`,
    `<a:MessageID>${id}</a:MessageID>`,
    `<w:ResourceURI ${must}>${shellSpace}/cmd</w:ResourceURI>`,
    `<w:MaxEnvelopeSize ${must}>${maxEnvelopeBytes}</w:MaxEnvelopeSize>`,
    `<w:OperationTimeout>PT${request.timeoutSeconds}S</w:OperationTimeout>`,
    '<w:Locale s:mustUnderstand="false" xml:lang="en-US"/>',
    ...(shellId === undefined
      ? []
      : [`<w:SelectorSet><w:Selector Name="ShellId">${escapeXml(shellId)}</w:Selector></w:SelectorSet>`]),
    ...optionSet(options),
  ];
  const spaces =
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" ' +
    `xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="${shellSpace}"`;
  const text =
    `<?xml version="1.0" encoding="UTF-8"?><s:Envelope ${spaces}><s:Header>${header.join('')}</s:Header>` +
    `<s:Body>${request.body}</s:Body></s:Envelope>`;
  return { id, text };
}

function optionSet(options: Readonly<Record<string, string>>): string[] {
  const all = Object.entries(options).map(([name, value]) => `<w:Option Name="${name}">${value}</w:Option>`);
  return all.length === 0 ? [] : [`<w:OptionSet>${all.join('')}</w:OptionSet>`];
}
