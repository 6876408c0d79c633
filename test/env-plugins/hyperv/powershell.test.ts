import { describe, expect, it } from 'vitest';
import { runScript } from '../../../src/env-plugins/hyperv/powershell.ts';
import {
  checkpointScript,
  removeCheckpointScript,
} from '../../../src/env-plugins/hyperv/scripts/checkpoints.ts';
import { hostScript } from '../../../src/env-plugins/hyperv/scripts/host.ts';
import { listScript } from '../../../src/env-plugins/hyperv/scripts/list.ts';
import {
  folderScript,
  makeScript,
  startScript,
  undoScript,
} from '../../../src/env-plugins/hyperv/scripts/make.ts';
import { prelude } from '../../../src/env-plugins/hyperv/scripts/prelude.ts';
import { commandWords, type Transport } from '../../../src/env-plugins/hyperv/transport.ts';
import { filePath } from '../../../src/env-plugins/hyperv/windows-path.ts';
import { plainCommand } from '../../../src/io/ssh/quote-args.ts';
import { startHyperV } from '../../servers/hyperv.ts';
import { tempFolder } from '../../temp.ts';
import { hostWithMachine, listed, never, sessionAt } from './host.ts';

const scripts = [
  ...[checkpointScript, removeCheckpointScript, hostScript, listScript],
  ...[folderScript, makeScript, startScript, undoScript],
];

/** A host whose PowerShell prints this. */
const printing = (stdout: string, stderr = ''): Transport => ({
  name: 'host',
  files: undefined as never,
  powershell: async () => ({ code: 0, stdout: Buffer.from(stdout), stderr }),
  close: async () => undefined,
});
const answering = (answer: unknown): Transport =>
  printing(
    `x\r\n<vmferry-answer ${Buffer.from(JSON.stringify(answer))
      .toString('base64')
      .replace(/.{10}/g, '$&\r\n')} vmferry-answer>\r\n`,
  );
const call = { script: listScript, step: 'listing' };

describe('scripts', () => {
  it('have a name, are plain ASCII, and fit the command line of cmd.exe', () => {
    expect(plainCommand(commandWords).length).toBeLessThan(8191);
    for (const text of [...scripts, prelude]) {
      expect(text).not.toMatch(/[^\n -~]/);
      // Strings hold brackets in pairs, too.
      for (const [left, right] of ['()', '{}', '[]'])
        expect(text.split(left!).length).toBe(text.split(right!).length);
      expect(text.split("'").length % 2).toBe(1);
    }
    for (const text of scripts) expect(text).toMatch(/^# vmferry-hyperv: [a-z-]+\nparam\(\$a\)\n/);
    expect(new Set(scripts.map((text) => text.split('\n')[0])).size).toBe(scripts.length);
  });

  it('never put a name into a command', () => {
    for (const bad of ['a b', "a'b", 'a"b', '$x', 'a&b', 'a|b', '%x%', '`x', 'a;b', '', 'a\nb'])
      expect(() => plainCommand(['powershell.exe', bad])).toThrow();
  });
});

describe('answers', () => {
  it('are found among what else is printed, also in broken lines', async () => {
    expect(await runScript(answering({ version: 1, result: { a: 'ü' } }), call)).toEqual({ a: 'ü' });
    const { host } = await hostWithMachine();
    host.noise = 'Welcome\r\n<vmferry-answer ';
    expect(await listed(await sessionAt(host))).toHaveLength(1);
  });

  it('of other shapes are refused by name', async () => {
    for (const [answer, kind] of [
      [{ version: 2, result: {} }, 'corrupt'],
      [{ version: 1, result: [] }, 'corrupt'],
      [[], 'corrupt'],
      [{ version: 1, error: 'x' }, 'corrupt'],
    ] as const)
      await expect(runScript(answering(answer), call)).rejects.toMatchObject({ kind });
    await expect(runScript(printing('<vmferry-answer !!! vmferry-answer>'), call)).rejects.toMatchObject({
      kind: 'corrupt',
    });
    const other = runScript(printing('', 'bash: powershell.exe: \u001b[31mnot found'), call);
    await expect(other).rejects.toMatchObject({
      kind: 'unsupported',
      hint: expect.not.stringContaining('\u001b'),
    });
  });

  it('tell what went wrong in our words, whatever language the host speaks', async () => {
    const failing = (error: Record<string, unknown>) =>
      runScript(
        answering({ version: 1, error: { message: 'Nö\u001b[0m', id: 'X', code: 0, ...error } }),
        call,
      );
    for (const [error, kind] of [
      [{ category: 'PermissionDenied' }, 'auth'],
      [{ category: 'ObjectNotFound' }, 'not-found'],
      [{ category: 'ObjectNotFound', id: 'CommandNotFoundException' }, 'unsupported'],
      [{ category: 'NotSpecified' }, 'io'],
      [{ category: 'WriteError', code: -2147024784 }, 'no-space'],
      [{ message: 'vmferry/conflict: there already' }, 'conflict'],
      [{ message: 'vmferry/bug: no kind that a script may say' }, 'io'],
    ] as const) {
      const failed = failing(error);
      await expect(failed).rejects.toMatchObject({ kind, message: expect.not.stringContaining('\u001b') });
    }
  });

  it('are not taken at their word: lists without end, wrong types, impossible numbers', async () => {
    const { host } = await hostWithMachine();
    const session = await sessionAt(host);
    const good = { id: 'x', name: 'n', state: 'Off', disks: [], adapters: [], dvds: [], checkpoints: [] };
    const told = (machines: unknown) => {
      host.instead.set('list', () => ({ version: 1, result: { machines } }));
      return listed(session);
    };
    expect(await told({ value: [good], Count: 1 })).toHaveLength(1);
    expect(await told(null)).toEqual([]);
    expect((await told([{ id: 'x', name: 'n', state: 'Off', error: 'kaputt' }]))[0]).toMatchObject({
      findings: [{ rule: 'hyperv.unreadable', severity: 'blocker' }],
    });
    for (const bad of [
      ...['text', 7, ['x'], [null], [[]], { value: 'x' }],
      ...[[{ ...good, name: 7 }], [{ ...good, memory: -1 }], [{ ...good, memory: 1e300 }]],
      ...[[{ ...good, memory: '1' }], [{ ...good, disks: 'x' }], [{ ...good, disks: [{ chain: [1] }] }]],
      ...[[{ ...good, notes: 'x'.repeat(70_000) }], [{ ...good, tpm: 'yes' }]],
      Array.from({ length: 20_001 }, () => good),
    ])
      await expect(told(bad)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('are read as Windows PowerShell prints them: escapes of its own, one machine, whatever its name', async () => {
    const { host, vm } = await hostWithMachine();
    const session = await sessionAt(host);
    host.instead.set(
      'list',
      () =>
        String.raw`{"version":1,"result":{"machines":[{"name":"it\u0027s \u003cb\u003e \u0026 $(calc) \"x\"\n\u001b[31m",` +
        '"id":"9F5D3E0A-0000-4000-8000-00000000000A","state":"Off","generation":1,"processors":1,' +
        '"memory":536870912,"dynamicMemory":false,"clustered":false,"notes":"","disks":[],"dvds":[],' +
        '"adapters":[],"checkpoints":[{"id":"1","name":"a","created":"2026-01-02T03:04:05.1234567Z",' +
        '"type":"Standard","state":"Saved","disks":[]}],"parentCheckpoint":"1","bootPath":null}]}}',
    );
    expect(await listed(session)).toMatchObject([
      {
        id: '9f5d3e0a-0000-4000-8000-00000000000a',
        name: 'it\'s <b> & $(calc) "x"\n\u001b[31m',
        snapshots: [{ name: 'a', createdAt: 1_767_323_045, current: true }],
      },
    ]);
    // It is a name, and goes no further than a value does.
    host.instead.clear();
    vm.name = `"'; Remove-VM * #$(calc)\n\u001b]0;x`;
    expect(await session.source!.inspect(vm.name, never)).toMatchObject({ id: vm.id, name: vm.name });
    expect(new Set(host.commands).size).toBe(1);
  });

  it('come only from a host with PowerShell', async () => {
    const host = await startHyperV(await tempFolder());
    const session = await sessionAt(host);
    expect(await listed(session)).toEqual([]);
    host.raw = '';
    await expect(session.source!.inspect('x', never)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('paths', () => {
  it('are those of SFTP on Windows, and of shares', () => {
    expect(filePath('C:\\VMs\\a b\\ü.vhdx')).toBe('/C:/VMs/a b/ü.vhdx');
    expect(filePath('\\\\?\\D:\\x\\..\\y.vhdx')).toBe('/D:/y.vhdx');
    expect(filePath('d:/x.vhdx')).toBe('/d:/x.vhdx');
    expect(filePath('\\\\filer\\vms$\\web\\a.vhdx')).toBe('//filer/vms$/web/a.vhdx');
    expect(filePath('\\\\?\\UNC\\filer\\vms\\a.vhdx')).toBe('//filer/vms/a.vhdx');
    for (const bad of [
      '\\\\.\\PhysicalDrive1',
      '\\\\server',
      '\\\\?\\Volume{1}\\a.vhdx',
      'a.vhdx',
      'C:a.vhdx',
      'C:\\a\0',
      '',
    ])
      expect(() => filePath(bad)).toThrow(/only files on drives/);
  });
});
