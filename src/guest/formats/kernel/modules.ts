/** Drivers of one kernel: built in, and as modules; from the files that kmod and the kernel's own build leave. */
import { textOf } from '../reader.ts';
import { moduleName } from './module-name.ts';

/** A distribution's kernel has about 7,000 modules and 30,000 aliases. */
const maxLines = 500_000;
const maxBytes = 32 * 1024 * 1024;

function* lines(bytes: Buffer | string): Generator<string> {
  const text = textOf(bytes, maxBytes);
  let at = 0;
  for (let count = 0; at < text.length && count < maxLines; count++) {
    const end = text.indexOf('\n', at);
    yield text.slice(at, end < 0 ? text.length : end);
    at = end < 0 ? text.length : end + 1;
  }
}

/** modules.builtin: a path per line. Names with `-` written as `_`. */
export function parseModulesBuiltin(bytes: Buffer | string): Set<string> {
  const names = new Set<string>();
  for (const line of lines(bytes)) {
    const name = moduleName(line.trim());
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** modules.builtin.modinfo: `name.key=value`, each ended by a NUL. Newer kernels have more here than in modules.builtin. */
export function parseBuiltinModinfo(bytes: Buffer): Set<string> {
  const names = new Set<string>();
  for (const fact of bytes.toString('utf8', 0, maxBytes).split('\0', maxLines)) {
    // Parameters are listed for what is no module, too; a `file` is what makes one.
    const name = /^([^.=]+)\.file=/.exec(fact)?.[1];
    if (name !== undefined) names.add(name.replaceAll('-', '_'));
  }
  return names;
}

export interface ModuleFile {
  /** Below /lib/modules/VERSION, or from the root where it begins with `/`. */
  readonly path: string;
  /** Paths of the modules to be loaded before it, in modprobe's order: the last one first. */
  readonly needs: readonly string[];
}

/** modules.dep, by module name. */
export function parseModulesDep(bytes: Buffer | string): Map<string, ModuleFile> {
  const found = new Map<string, ModuleFile>();
  for (const line of lines(bytes)) {
    const colon = line.indexOf(':');
    const path = line.slice(0, colon).trim();
    const name = colon < 0 ? undefined : moduleName(path);
    if (name === undefined) continue;
    found.set(name, {
      path,
      needs: line
        .slice(colon + 1)
        .split(/\s+/)
        .filter(Boolean),
    });
  }
  return found;
}

/** The file of a module and of all that it needs, in the order in which they are to be loaded. */
export function loadOrder(modules: ReadonlyMap<string, ModuleFile>, name: string): string[] | undefined {
  const file = modules.get(name.replaceAll('-', '_'));
  return file === undefined ? undefined : [...file.needs.toReversed(), file.path];
}

export interface ModuleAlias {
  /** With `*`, `?` and `[…]` as in fnmatch(3): `pci:v00001AF4d00001001sv*…`. */
  readonly pattern: string;
  readonly module: string;
}

/** modules.alias (and the aliases of modules.builtin.modinfo have the same form elsewhere). */
export function parseModulesAlias(bytes: Buffer | string): ModuleAlias[] {
  const found: ModuleAlias[] = [];
  for (const line of lines(bytes)) {
    const match = /^alias\s+(\S+)\s+(\S+)\s*$/.exec(line);
    if (match !== null) found.push({ pattern: match[1]!, module: match[2]!.replaceAll('-', '_') });
  }
  return found;
}

/** A kernel's configuration: `y`, `m`, a number or a text by symbol without `CONFIG_`; `n` is left out. */
export function parseKernelConfig(bytes: Buffer | string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of lines(bytes)) {
    const match = /^CONFIG_([A-Za-z0-9_]+)=(.*)$/.exec(line);
    if (match !== null) found.set(match[1]!, match[2]!.replace(/^"(.*)"$/, '$1'));
  }
  return found;
}
