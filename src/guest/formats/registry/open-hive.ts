/** A hive opened for reading: keys by path, their subkeys and values. */
import { AppError } from '../../../model/errors.ts';
import { pagedReader, type Reader, readerOf } from '../reader.ts';
import { type Cells, cellsOf } from './cells.ts';
import { baseBlock, baseBlockBytes, baseChecksum, keyNameIsLatin, keyNode, nowhere } from './layout.ts';
import { applyLogs } from './logs.ts';
import { nameOf, type RegistryValue, utf16, valueHead } from './values.ts';

export interface RegistryKey {
  /** Where it lies in the hive: what tells one key from another. */
  readonly offset: number;
  readonly name: string;
  /** Windows keeps a few facts in class names. */
  className(): Promise<string | undefined>;
  subkeys(): Promise<RegistryKey[]>;
  /** Case does not count. */
  subkey(name: string): Promise<RegistryKey | undefined>;
  values(): Promise<RegistryValue[]>;
  /** Case does not count; '' is the default value. */
  value(name: string): Promise<RegistryValue | undefined>;
}

export interface Hive {
  readonly root: RegistryKey;
  /** A write to the file was under way when it was last used, and the logs given did not tell what. */
  readonly dirty: boolean;
  /** Entries of logs that were applied. */
  readonly replayed: number;
  /** Names between `\` (or `/`), below the root; undefined when there is none. */
  key(path: string): Promise<RegistryKey | undefined>;
}

export interface HiveOptions {
  /** For messages. */
  readonly name?: string;
  /** The hive's .LOG1 and .LOG2 (or .LOG), as far as they are there. */
  readonly logs?: readonly Buffer[];
}

/** Windows allows 512 levels. */
const maxDepth = 512;

/** @throws AppError `corrupt`, `unsupported`. */
export async function openHive(bytes: Buffer | Reader, options: HiveOptions = {}): Promise<Hive> {
  const where = options.name ?? 'registry hive';
  const file = readerOf(bytes, where);
  if (file.size < baseBlockBytes) {
    throw new AppError('corrupt', `${file.size} bytes, no registry hive is that short`, { where });
  }
  const opened = await applyLogs(file, options.logs ?? [], where);
  const head = await opened.reader.read(0, baseBlock.bytes);
  const base = baseBlock.decode(head);
  if (base.signature !== 'regf') {
    throw new AppError('corrupt', 'it does not begin with "regf", so it is no registry hive', { where });
  }
  const sum = baseChecksum(head);
  if (sum !== base.checksum) {
    throw new AppError('corrupt', `hive header: checksum ${base.checksum}, expected ${sum}`, {
      where,
      hint: "give the hive's .LOG files too, or start Windows once, which repairs it",
    });
  }
  if (base.major !== 1 || base.minor < 2 || base.minor > 6 || base.fileFormat !== 1 || base.fileType !== 0) {
    throw new AppError(
      'unsupported',
      `a hive of version ${base.major}.${base.minor}, type ${base.fileType}`,
      {
        where,
      },
    );
  }
  const binsBytes = Math.min(base.binsBytes, opened.reader.size - baseBlockBytes);
  const cells = cellsOf(pagedReader(opened.reader, where), binsBytes, base.minor > 3, where);
  const root = await openKey(cells, base.rootCell);
  return {
    root,
    dirty: opened.dirty,
    replayed: opened.replayed,
    async key(path) {
      let at: RegistryKey | undefined = root;
      const names = path.split(/[\\/]/).filter((name) => name !== '');
      if (names.length > maxDepth) return undefined;
      for (const name of names) {
        at = await at.subkey(name);
        if (at === undefined) return undefined;
      }
      return at;
    },
  };
}

const same = (a: string, b: string) => a.toUpperCase() === b.toUpperCase();

async function openKey(cells: Cells, offset: number): Promise<RegistryKey> {
  const cell = await cells.cell(offset, keyNode.bytes + 0xffff);
  if (cell.length < keyNode.bytes) throw cells.noSuch('nk', offset);
  const node = keyNode.decode(cell);
  if (node.signature !== 'nk' || cell.length < keyNode.bytes + node.nameBytes)
    throw cells.noSuch('nk', offset);
  const name = nameOf(
    cell.subarray(keyNode.bytes, keyNode.bytes + node.nameBytes),
    (node.flags & keyNameIsLatin) !== 0,
  );
  const subkeyOffsets = async (): Promise<number[]> => {
    const offsets = await cells.subkeyOffsets(node.subkeyList, node.subkeyCount);
    // A key that is its own child, or twice in a list, is no tree.
    if (new Set(offsets).size !== offsets.length || offsets.includes(offset))
      throw cells.noSuch('nk', offset);
    return offsets;
  };
  const valueOffsets = () => cells.valueOffsets(node.valueList, node.valueCount);
  return {
    offset,
    name,
    async className() {
      if (node.classCell === nowhere || node.classBytes === 0) return undefined;
      return utf16((await cells.cell(node.classCell, node.classBytes)).subarray(0, node.classBytes));
    },
    async subkeys() {
      const keys: RegistryKey[] = [];
      for (const at of await subkeyOffsets()) keys.push(await openKey(cells, at));
      return keys;
    },
    async subkey(wanted) {
      for (const at of await subkeyOffsets()) {
        const key = await openKey(cells, at);
        if (same(key.name, wanted)) return key;
      }
      return undefined;
    },
    async values() {
      const values: RegistryValue[] = [];
      for (const at of await valueOffsets()) values.push(await (await valueHead(cells, at)).read());
      return values;
    },
    async value(wanted) {
      for (const at of await valueOffsets()) {
        const value = await valueHead(cells, at);
        if (same(value.name, wanted)) return value.read();
      }
      return undefined;
    },
  };
}

/** Every key below `start` with its path, parents first. @throws AppError `corrupt` for keys that go in circles. */
export async function* walkKeys(start: RegistryKey): AsyncGenerator<{ path: string; key: RegistryKey }> {
  const ahead: { path: string; depth: number; key: RegistryKey }[] = [{ path: '', depth: 0, key: start }];
  const seen = new Set<number>();
  while (ahead.length > 0) {
    const { path, depth, key } = ahead.pop()!;
    if (depth > maxDepth || seen.has(key.offset)) {
      throw new AppError('corrupt', `the key ${key.name} is met twice, or deeper than ${maxDepth} levels`, {
        hint: 'the registry hive is damaged; Windows repairs it itself',
      });
    }
    seen.add(key.offset);
    yield { path, key };
    for (const child of (await key.subkeys()).reverse()) {
      ahead.push({ path: path === '' ? child.name : `${path}\\${child.name}`, depth: depth + 1, key: child });
    }
  }
}
