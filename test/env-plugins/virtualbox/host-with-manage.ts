import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { manage } from './fake-vboxmanage/machines.mjs';

/** This computer with the fake; what makes machines is called without a process, which takes a while to start. */
export function hostWithManage(fake: string): Host {
  const host = localHost();
  const own = /^(createvm|modifyvm|storagectl|storageattach|unregistervm|showvminfo)$/;
  return {
    ...host,
    async run(given, options) {
      const args = given.slice(given.indexOf('VBoxManage') + 1);
      if (!given.includes('VBoxManage') || !own.test(args[0]!)) return host.run(given, options);
      const { code, stdout, stderr } = manage(fake, args);
      return { code, stdout: Buffer.from(stdout), stderr };
    },
  };
}
