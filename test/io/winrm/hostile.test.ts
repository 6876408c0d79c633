import { describe, expect, it, vi } from 'vitest';
import type { FakeWinRm, Reply } from '../../servers/winrm.ts';
import { echo, reach, serverOf } from './reach.ts';

const running = async (server: FakeWinRm, maximumBytes = echo.maximumBytes) =>
  (await reach(server)).run({ ...echo, maximumBytes });

describe('answers of WinRM that are wrong on purpose', () => {
  it('in XML are refused, whatever step they answer', async () => {
    const changes: [action: string, change: (xml: string) => string, kind: string][] = [
      ['Create', () => '<a', 'corrupt'],
      ['Create', () => '', 'corrupt'],
      ['Create', () => '<html/>', 'corrupt'],
      ['Create', (xml) => `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>${xml}`, 'unsupported'],
      ['Create', (xml) => xml.replaceAll('ShellId', 'Other'), 'corrupt'],
      [
        'Create',
        (xml) => xml.replaceAll(/[0-9A-F-]{36}(?=<\/(w:Selector|rsp:ShellId))/g, '"&gt;&lt;x'),
        'corrupt',
      ],
      ['Create', (xml) => xml.replace(/<a:RelatesTo>[^<]*/, '<a:RelatesTo>uuid:0'), 'corrupt'],
      ['Command', (xml) => xml.replaceAll('CommandId', 'x'), 'corrupt'],
      ['Receive', (xml) => xml.replaceAll('ReceiveResponse', 'Other'), 'corrupt'],
      ['Receive', (xml) => xml.replace(/(<rsp:Stream[^>]*>)[^<]*/, '$1!!!!'), 'corrupt'],
      ['Receive', (xml) => xml.replace(/(<rsp:Stream[^>]*>)[^<]*/, '$1QQ'), 'corrupt'],
      ['Receive', (xml) => xml.replace('Name="stdout"', 'Name="other"'), 'corrupt'],
      ['Receive', (xml) => xml.replace(/CommandId="[^"]*"/, 'CommandId="other"'), 'corrupt'],
      ['Receive', (xml) => xml.replace('/Running"', '/Done"'), 'corrupt'],
    ];
    for (const [at, change, kind] of changes) {
      const server = await serverOf({ tls: false });
      server.onXml = (xml, action) => (action === at ? change(xml) : xml);
      await expect(running(server), `${at} ${change}`).rejects.toMatchObject({ kind });
    }
  });

  it('that are sealed and were changed on the way are refused', async () => {
    const changed: [string, (reply: Reply) => Reply][] = [
      ['signature', (reply) => flip(reply, 'octet-stream\r\n', 8)],
      ['signature', (reply) => flip(reply, 'octet-stream\r\n', 40)],
      ['signature of 17 bytes', (reply) => flip(reply, 'octet-stream\r\n', 0)],
      ['shorter', (reply) => length(reply, (n) => n + 1000)],
      ['shorter', (reply) => length(reply, () => 999_999_999)],
      ['more bytes', (reply) => length(reply, (n) => n - 1)],
      ['more bytes', (reply) => ({ ...reply, body: Buffer.concat([reply.body, Buffer.alloc(200)]) })],
      ['laid out', (reply) => ({ ...reply, body: reply.body.subarray(0, 60) })],
      ['laid out', (reply) => ({ ...reply, body: Buffer.alloc(0) })],
      ['sealed in another way', (reply) => ({ ...reply, type: reply.type.replace('SPNEGO', 'CredSSP') })],
      [
        'not one of WinRM',
        (reply) => ({ ...reply, type: 'application/soap+xml', body: Buffer.from('<a/>') }),
      ],
    ];
    for (const [message, change] of changed) {
      const server = await serverOf({ tls: false });
      server.onReply = (reply, action) => (action === 'Create' ? change(reply) : reply);
      await expect(running(server), message).rejects.toMatchObject({
        message: expect.stringContaining(message),
      });
    }
  });

  it('that are sealed and played again are refused', async () => {
    const server = await serverOf({ tls: false });
    let first: Reply | undefined;
    server.onReply = (reply, action) => {
      if (action === undefined) return reply;
      first ??= reply;
      return first;
    };
    await expect(running(server)).rejects.toMatchObject({ message: expect.stringContaining('signature') });
  });

  it('without an end are cut off: a body, an output, a header', async () => {
    const long = await serverOf({ tls: true });
    long.onReply = (reply, action) =>
      action === 'Receive' ? { ...reply, body: Buffer.alloc(3_000_000, 'x') } : reply;
    await expect(running(long)).rejects.toMatchObject({ kind: 'unsupported' });
    const talking = await serverOf({
      tls: true,
      run: async () => ({ code: 0, stdout: 'x'.repeat(500_000), stderr: '' }),
    });
    await expect(running(talking, 100_000)).rejects.toMatchObject({ kind: 'io' });
    await vi.waitFor(() => expect(talking.shells.size).toBe(0));
  });

  it('that lead elsewhere are not followed', async () => {
    const server = await serverOf({ tls: true });
    server.onReply = (reply) => ({ ...reply, status: 302 });
    await expect(running(server)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('that are faults are told in our words, the text of the host without control characters', async () => {
    const fault = (code: number, subcode: string) => (xml: string) =>
      xml.replace(
        /<s:Body>.*<\/s:Body>/s,
        `<s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:${subcode}</s:Value></s:Subcode></s:Code>` +
          '<s:Reason><s:Text>Zugriff\u0085\u009b31m verweigert\u202e</s:Text></s:Reason><s:Detail>' +
          `<f:WSManFault xmlns:f="x" Code="${code}"/></s:Detail></s:Fault></s:Body>`,
      );
    for (const [code, subcode, kind] of [
      [5, 'AccessDenied', 'auth'],
      [2_150_859_173, 'QuotaLimit', 'conflict'],
      [0, 'DestinationUnreachable', 'unsupported'],
      [2_150_858_793, 'TimedOut', 'unreachable'],
      [1234, 'Other', 'io'],
    ] as const) {
      const server = await serverOf({ tls: true });
      server.onXml = (xml, action) => (action === 'Create' ? fault(code, subcode)(xml) : xml);
      await expect(running(server)).rejects.toMatchObject({
        kind,
        message: expect.stringMatching(/^opening a shell: [^\x80-\x9f\u202e]*Zugriff[^\x80-\x9f\u202e]*$/),
      });
    }
  });
});

function flip(reply: Reply, after: string, offset: number): Reply {
  const body = Buffer.from(reply.body);
  const at = body.indexOf(after) + after.length + offset;
  body[at] = body[at]! ^ 1;
  return { ...reply, body };
}

function length(reply: Reply, change: (n: number) => number): Reply {
  const text = reply.body.toString('latin1').replace(/Length=(\d+)/, (_, n) => `Length=${change(Number(n))}`);
  return { ...reply, body: Buffer.from(text, 'latin1') };
}
