/** pyVmomi, a second client of the same server. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Vcsim } from '../../servers/vcsim.ts';

const run = promisify(execFile);

/** Runs Python with `si` connected; resolves to its `out`. The password goes by the environment. */
export async function python(server: Vcsim, code: string): Promise<unknown> {
  const head = [
    'import json, os',
    'from pyVim.connect import SmartConnectNoSSL, Disconnect',
    'from pyVim.task import WaitForTask',
    'from pyVmomi import vim',
    `si = SmartConnectNoSSL(host="127.0.0.1", port=${server.port}, user=${JSON.stringify(server.user)}, pwd=os.environ["PW"])`,
    'c = si.content',
    'vms = {v.name: v for v in c.viewManager.CreateContainerView(c.rootFolder, [vim.VirtualMachine], True).view}',
    'out = None',
  ];
  const script = [...head, code, 'Disconnect(si)', 'print(json.dumps(out))'].join('\n');
  const { stdout } = await run('/usr/bin/python3', ['-W', 'ignore', '-c', script], {
    env: { ...process.env, PW: server.password },
  });
  return JSON.parse(stdout);
}
