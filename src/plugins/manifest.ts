/** `package.json` of a plugin: its version, its entry file, what it depends on. */
import { readFile, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AppError, toAppError } from '../model/errors.ts';

/** Of the contract in `env-plugins/plugin.ts`. */
export const contractVersion = 1;

export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  /** The entry file, absolute, links resolved. */
  readonly entry: string;
  readonly dependencies: readonly string[];
}

interface Written {
  readonly name?: unknown;
  readonly version?: unknown;
  readonly type?: unknown;
  readonly main?: unknown;
  readonly exports?: unknown;
  readonly vmferry?: { readonly plugin?: unknown; readonly contract?: unknown };
  readonly dependencies?: object;
  readonly optionalDependencies?: object;
  readonly peerDependencies?: object;
}

/** @throws AppError `not-found`, `corrupt`, `unsupported` (a contract that is not known here). */
export async function readManifest(folder: string): Promise<Manifest> {
  const written = await writtenIn(folder);
  const contract = written.vmferry?.contract ?? contractVersion;
  if (contract !== contractVersion) {
    throw new AppError(
      'unsupported',
      `it is written for version ${JSON.stringify(contract)} of the plugin contract, ${contractVersion} is known`,
      { where: folder, hint: 'look for a version of the plugin, or of vmferry, that fits' },
    );
  }
  const relative =
    text(written.vmferry?.plugin) ?? exported(written.exports) ?? text(written.main) ?? 'index.js';
  const entry = await realpath(join(folder, relative)).catch((error) => {
    throw new AppError('not-found', `its entry file "${relative}" is missing`, {
      where: folder,
      hint: 'name it in package.json as {"vmferry": {"plugin": "./file.js"}}; build the plugin where it needs that',
      cause: toAppError(error),
    });
  });
  if (!entry.startsWith(folder + sep))
    throw new AppError('unsupported', 'its entry file lies outside of its folder', { where: folder });
  const { name, version } = written;
  return {
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof version === 'string' ? { version } : {}),
    entry,
    dependencies: dependenciesOf(written),
  };
}

/** Of any package. Types are all that a plugin has of ours. */
export const dependenciesIn = async (folder: string): Promise<string[]> =>
  dependenciesOf(await writtenIn(folder));

const dependenciesOf = (written: Written): string[] =>
  [written.dependencies, written.optionalDependencies, written.peerDependencies]
    .flatMap((names) => Object.keys(names ?? {}))
    .filter((name) => name !== 'vmferry');

async function writtenIn(folder: string): Promise<Written> {
  const path = join(folder, 'package.json');
  const json = await readFile(path, 'utf8').catch((error) => {
    if (toAppError(error).kind === 'not-found') return '{}';
    throw toAppError(error);
  });
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === 'object' && value !== null) return value as Written;
  } catch (cause) {
    throw new AppError('corrupt', 'package.json is not JSON', { where: path, cause });
  }
  throw new AppError('corrupt', 'package.json holds no object', { where: path });
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What `import` of the package would lead to. */
function exported(exports: unknown): string | undefined {
  if (typeof exports !== 'object' || exports === null) return text(exports);
  const { '.': root, import: esm, node, default: usual } = exports as Record<string, unknown>;
  return exported(root ?? node ?? esm ?? usual);
}
