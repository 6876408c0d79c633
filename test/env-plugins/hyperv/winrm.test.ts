import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hypervPlugin } from '../../../src/env-plugins/hyperv/index.ts';
import { wayOf, winrmSettings } from '../../../src/env-plugins/hyperv/settings.ts';
import type { PluginContext, Session, Settings } from '../../../src/env-plugins/plugin.ts';
import { type FakeWinRm, startWinRm } from '../../servers/winrm.ts';
import { tempFolder } from '../../temp.ts';
import { hostWithMachine, listed, type Made, never } from './host.ts';

interface Reached extends Made {
  readonly winrm: FakeWinRm;
  connect(settings?: Settings, context?: Partial<PluginContext>): Promise<Session>;
}

async function reached(tls: boolean, state?: string): Promise<Reached> {
  const made = await hostWithMachine(state);
  const winrm = await startWinRm({
    ...{ tls, users: new Map([['Administrator', 'secret']]), run: made.host.powershell },
  });
  const certificates = join(await tempFolder(), 'known_certificates');
  return {
    ...made,
    winrm,
    async connect(settings = {}, context = {}) {
      const session = await hypervPlugin({ certificates }).connect(
        {
          ...{ way: 'winrm', host: '127.0.0.1', port: String(winrm.port), user: 'Administrator' },
          ...{ tls: tls ? 'yes' : 'no', fingerprint: winrm.fingerprint, ...settings },
        },
        {
          signal: never,
          secret: async () => 'secret',
          report: () => undefined,
          confirm: async () => false,
          ...context,
        },
      );
      onTestFinished(() => session.close());
      return session;
    },
  };
}

describe.each([
  { tls: true, login: 'basic' },
  { tls: true, login: 'ntlm' },
  { tls: false, login: 'ntlm' },
])('a Hyper-V host by WinRM (TLS $tls, $login)', ({ tls, login }) => {
  it('lists its machines and tells all of one; names of machines stay out of every command', async () => {
    const { connect, host, vm, winrm } = await reached(tls);
    vm.name = `"'; Remove-VM * #$(calc)`;
    const session = await connect({ login });
    expect(await listed(session)).toMatchObject([{ id: vm.id, name: vm.name, memoryBytes: 2_147_483_648 }]);
    expect(await session.source!.inspect(vm.name, never)).toMatchObject({ id: vm.id });
    expect(new Set(host.commands).size).toBe(1);
    expect(winrm.shells.size).toBe(0);
  });
});

describe('a Hyper-V host by WinRM', () => {
  it('makes and removes a checkpoint; its disks want SMB, and that a port for it', async () => {
    const { connect, host } = await reached(false, 'Running');
    const { source } = await connect({ smbPort: '1' });
    const machine = await source!.inspect('web', never);
    const hold = await source!.hold!(machine, { runId: 'r', signal: never, report: () => undefined });
    expect(host.ran).toContain('checkpoint');
    await expect(source!.open(hold.machine, 'scsi0:0', never)).rejects.toMatchObject({
      // Where the library is not installed, that is said.
      kind: expect.stringMatching(/^un(reachable|supported)$/),
      hint: expect.stringMatching(/SMB|libsmbclient/),
    });
    await expect(connect({ files: 'sftp' })).rejects.toMatchObject({ kind: 'usage' });
    expect(await hold.release()).toEqual([]);
    expect(host.ran).toContain('remove-checkpoint');
  });

  it('asks for a certificate that nobody vouches for once, and remembers the answer', async () => {
    const { connect } = await reached(true);
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    await expect(connect({ fingerprint: '' })).rejects.toMatchObject({ kind: 'auth' });
    await connect({ fingerprint: '' }, { confirm });
    await connect({ fingerprint: '' });
    expect(questions).toHaveLength(1);
  });

  it('is not reached with a wrong password, nor by Basic without TLS', async () => {
    const { connect } = await reached(false);
    await expect(connect({}, { secret: async () => 'no' })).rejects.toMatchObject({ kind: 'auth' });
    await expect(connect({ login: 'basic' })).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('the settings of WinRM', () => {
  it('have ports of their own, and name what is not spoken', () => {
    const base = { host: 'hv01', user: 'jo' };
    expect(wayOf({})).toBe('ssh');
    expect(() => wayOf({ way: 'telnet' })).toThrow(/no way/);
    expect(winrmSettings(base)).toMatchObject({ port: 5986, tls: true, login: 'ntlm' });
    expect(winrmSettings({ ...base, tls: 'no' })).toMatchObject({ port: 5985, tls: false });
    for (const login of ['kerberos', 'CredSSP'])
      expect(() => winrmSettings({ ...base, login })).toThrow(
        expect.objectContaining({ kind: 'unsupported', message: expect.stringMatching(/kerberos|credssp/) }),
      );
    for (const bad of [{ user: '' }, { jump: 'gate' }, { port: '0' }, { host: '' }, { login: 'x' }])
      expect(() => winrmSettings({ ...base, ...bad })).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});
