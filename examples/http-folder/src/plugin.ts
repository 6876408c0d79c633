/** "A folder over HTTP": disk images in a folder of a web server, as source. */
import type { EnvironmentPlugin, Machine, OpenDisk } from 'vmferry/plugin';
import { failure } from './failure.js';
import { listing } from './listing.js';
import { type Web, web } from './web.js';

const extensions = ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'img', 'raw'];

export const plugin: EnvironmentPlugin = {
  id: 'http-folder',
  label: 'A folder over HTTP',
  summary: 'disk images in a folder of a web server that answers Range requests',
  roles: ['source'],
  fields: [
    {
      key: 'url',
      label: 'URL',
      help: 'of the folder, such as https://host/images/',
      kind: 'text',
      required: true,
    },
    { key: 'user', label: 'User', help: 'where the server asks for one', kind: 'text', required: false },
    { key: 'password', label: 'Password', help: 'of the user', kind: 'secret', required: false },
  ],
  async connect(settings, context) {
    const server = web(folderOf(settings.url), {
      user: settings.user || undefined,
      // Asked for at the moment of use, and kept nowhere.
      password: () => context.secret('password'),
    });
    context.report(`asking ${server.folder.host}`);
    // A wrong address or password should be told now, not with the first list.
    await server.text(server.folder, context.signal);
    return {
      source: {
        async list({ signal, found }) {
          for (const name of listing(await server.text(server.folder, signal))) {
            const url = server.below(name);
            if (url === undefined || !extensions.includes(extensionOf(url.pathname))) continue;
            found(await machineAt(server, url, signal));
          }
        },
        async inspect(id, signal) {
          return machineAt(server, placeOf(server, id), signal);
        },
        async open(machine, diskId, signal) {
          if (diskId !== 'disk0') throw failure('not-found', `there is no disk "${diskId}"`, machine.id);
          return openAt(server, placeOf(server, machine.id), signal);
        },
      },
      async close() {
        // Nothing is held: each request stands for itself.
      },
    };
  },
};

function folderOf(text: string | undefined): URL {
  const address = text?.endsWith('/') ? text : `${text}/`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw failure(
    'usage',
    `"${text}" is no address of a web folder`,
    undefined,
    'such as https://host/images/',
  );
}

const extensionOf = (path: string): string => path.slice(path.lastIndexOf('.') + 1).toLowerCase();

/** A machine's id is the address of its image, which must lie in the folder. */
function placeOf(server: Web, id: string): URL {
  const url = server.below(id);
  if (url !== undefined) return url;
  throw failure('not-found', 'this is not in the folder', id);
}

async function machineAt(server: Web, url: URL, signal: AbortSignal): Promise<Machine> {
  const { size } = await server.head(url, signal);
  const name = decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf('/') + 1));
  const disk = { id: 'disk0', name, allocatedSizeBytes: size, files: [url.href] };
  return {
    id: url.href,
    name: name.replace(/\.[^.]*$/, '') || name,
    state: 'off',
    packaging: 'disk image',
    disks: [disk],
    nics: [],
    findings: [],
  };
}

async function openAt(server: Web, url: URL, signal?: AbortSignal): Promise<OpenDisk> {
  return {
    source: await server.open(url, signal),
    async sibling(name) {
      const beside = server.below(new URL(encodeURI(name), url).href);
      if (beside === undefined)
        throw failure(
          'unsupported',
          `"${name}" leads out of the folder`,
          url.href,
          'copy the images together',
        );
      return openAt(server, beside);
    },
  };
}
