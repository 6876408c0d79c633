/** A second client of the same server, which ends the sessions of others. */
import { onTestFinished } from 'vitest';
import { ofObject, viewed } from '../../../src/env-plugins/vsphere/properties.ts';
import { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { element, text, typed, typeOf } from '../../../src/env-plugins/vsphere/soap.ts';
import { taskResult } from '../../../src/env-plugins/vsphere/tasks.ts';
import { openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import { childrenOf, textOf } from '../../../src/io/xml.ts';
import type { Vcsim } from '../../servers/vcsim.ts';
import { never } from './connected.ts';

export interface Administrator {
  /** Resolves to their number. */
  endOthers(): Promise<number>;
  /** Adds a disk to a machine that is encrypted by a key provider. */
  addEncryptedDisk(name: string): Promise<void>;
  /** For one login of another. */
  ticket(): Promise<string>;
  /** `vmware_soap_session=…`. */
  readonly cookie: string;
  /** Whether its own session still is. */
  lives(): Promise<boolean>;
}

export async function administrator(server: Vcsim): Promise<Administrator> {
  const known = forgottenCertificates();
  const client = await openHttps({
    host: '127.0.0.1',
    port: server.port,
    known,
    confirm: async () => true,
  });
  const login = { user: server.user, password: async () => server.password };
  const session = await VimSession.open(client, login, never);
  onTestFinished(() => session.close());
  const manager = session.service('sessionManager');
  const step = 'administration';
  return {
    async endOthers() {
      const { values } = await ofObject(session, manager, ['sessionList', 'currentSession'], step, never);
      const mine = textOf(values.get('currentSession')!, 'key');
      const keys = childrenOf(values.get('sessionList')!, 'UserSession').map((one) => textOf(one, 'key'));
      const others = keys.filter((key) => key !== mine).map((key) => text('sessionId', key!));
      if (others.length > 0) await session.call('TerminateSession', manager, others, { step });
      return others.length;
    },
    async addEncryptedDisk(name) {
      const paths = ['name', 'config.hardware'];
      const machines = await viewed(session, [{ type: 'VirtualMachine', paths }], step, never);
      const { ref, values } = machines.find((one) => one.values.get('name')?.text === name)!;
      const disk = childrenOf(values.get('config.hardware')!, 'device').find(
        (device) => typeOf(device) === 'VirtualDisk',
      )!;
      const backing = typed(
        'backing',
        'VirtualDiskFlatVer2BackingInfo',
        text('fileName', `[LocalDS_0] ${name}/secret.vmdk`),
        text('diskMode', 'persistent'),
        element('keyId', text('keyId', 'of the provider')),
      );
      const device = typed(
        'device',
        'VirtualDisk',
        text('key', -1),
        backing,
        text('controllerKey', textOf(disk, 'controllerKey')!),
        text('unitNumber', 1),
        text('capacityInKB', 1024),
      );
      const change = element(
        'deviceChange',
        text('operation', 'add'),
        text('fileOperation', 'create'),
        device,
      );
      const started = await session.call('ReconfigVM_Task', ref, [element('spec', change)], { step });
      await taskResult(session, started, { step });
    },
    async ticket() {
      const [value] = await session.call('AcquireCloneTicket', manager, [], { step });
      return value!.text.trim();
    },
    cookie: session.cookie,
    lives: () =>
      session
        .call('CurrentTime', { type: 'ServiceInstance', id: 'ServiceInstance' }, [], { step, once: true })
        .then(
          () => true,
          () => false,
        ),
  };
}
