/** A second client of the same server, which ends the sessions of others. */
import { onTestFinished } from 'vitest';
import { ofObject } from '../../../src/env-plugins/vsphere/properties.ts';
import { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { text } from '../../../src/env-plugins/vsphere/soap.ts';
import { openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import { childrenOf, textOf } from '../../../src/io/xml.ts';
import type { Vcsim } from '../../servers/vcsim.ts';
import { never } from './connected.ts';

export interface Administrator {
  /** Resolves to their number. */
  endOthers(): Promise<number>;
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
