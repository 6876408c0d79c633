/** cloud-init away from its cloud: it waits for data that nobody gives, and then sets the network up anew. */
import type { LinuxChange } from './context.ts';

const path = '/etc/cloud/cloud.cfg.d/99-vmferry.cfg';

/** What it would do to a machine that it takes for a new one. */
const elsewhere = `# The machine came from elsewhere: it keeps its name, its keys and its network.
datasource_list: [ NoCloud, ConfigDrive, None ]
preserve_hostname: true
ssh_deletekeys: false
network:
  config: disabled
`;

export const settleCloudInit: LinuxChange = async (tree, { system, target, wish }) => {
  if (system.cloudInit === undefined) return [];
  const wanted = wish.add?.cloudInit;
  if (wanted === false) {
    await tree.change(
      {
        id: 'cloud-init.off',
        title: 'cloud-init is switched off',
        reason: 'as it was asked for',
        need: 'asked',
      },
      (editor) => editor.write('/etc/cloud/cloud-init.disabled', ''),
    );
    return [];
  }
  if (wanted === true || target.cloud) {
    await tree.change(
      {
        id: 'cloud-init.on',
        title: 'cloud-init is switched on',
        reason:
          wanted === true
            ? 'as it was asked for'
            : 'the destination gives the machine its keys and network by it',
        need: wanted === true ? 'asked' : 'needed',
      },
      (editor) => editor.remove('/etc/cloud/cloud-init.disabled'),
    );
  }
  if (!target.cloud && wanted !== true && system.cloudInit.enabled) {
    await tree.change(
      {
        id: 'cloud-init.elsewhere',
        title: 'cloud-init leaves the machine as it is',
        reason: 'it would wait for its cloud at each start, and then make new keys and a new network',
        need: 'advised',
      },
      (editor) => editor.write(path, elsewhere),
    );
  }
  return [];
};
