import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { PackageEntry } from '../../../src/guest/formats/package-lists/package-entry.ts';
import { chosenFromRpm, readRpmDatabase } from '../../../src/guest/formats/package-lists/rpm.ts';
import { columns, openTables } from '../../../src/guest/formats/package-lists/sqlite.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const count = 12;

/** Packages without files; the description of some is longer than a page of a database. */
async function buildPackages(folder: string): Promise<string[]> {
  const specs: string[] = [];
  for (let i = 0; i < count; i++) {
    const path = join(folder, `p${i}.spec`);
    const long = `${'long text '.repeat(i * 400)}\n`;
    const lines = [
      `Name: pack${i}`,
      `Version: ${i}.2`,
      `Release: 3.el9`,
      ...(i % 2 === 0 ? [`Epoch: ${i + 1}`] : []),
      ...(i % 3 === 0 ? ['BuildArch: noarch'] : []),
      'Summary: s',
      'License: MIT',
      '%description',
      long,
      '%files',
    ];
    await writeFile(path, lines.join('\n'));
    specs.push(path);
  }
  execFileSync('rpmbuild', ['--quiet', '-bb', '--define', `_topdir ${folder}/rpm`, ...specs], {
    stdio: 'pipe',
  });
  const found: string[] = [];
  for (const architecture of await readdir(join(folder, 'rpm/RPMS'))) {
    const names = await readdir(join(folder, 'rpm/RPMS', architecture));
    found.push(...names.map((name) => join(folder, 'rpm/RPMS', architecture, name)));
  }
  return found;
}

/** After rpm's lib/backend/ndb/rpmpkg.c. */
function ndbOf(headers: readonly Buffer[]): Buffer {
  const slots = Buffer.alloc(4096);
  for (let at = 32; at < slots.length; at += 16) slots.write('Slot', at);
  slots.write('RpmP');
  slots.writeUInt32LE(1, 12);
  const parts = [slots];
  let block = 4096 / 16;
  for (const [i, header] of headers.entries()) {
    const blocks = Math.ceil((16 + header.length + 12) / 16);
    const blob = Buffer.alloc(blocks * 16);
    blob.write('BlbS');
    blob.writeUInt32LE(i + 1, 4);
    blob.writeUInt32LE(header.length, 12);
    header.copy(blob, 16);
    blob.write('BlbE', blob.length - 4);
    for (const [j, word] of [i + 1, block, blocks].entries())
      slots.writeUInt32LE(word, 48 + i * 16 + 4 + j * 4);
    parts.push(blob);
    block += blocks;
  }
  return Buffer.concat(parts);
}

function berkeleyDump(headers: readonly Buffer[]): string {
  const records = headers.flatMap((header, i) => [
    ` ${(i + 1).toString(16).padStart(2, '0')}000000`,
    ` ${header.toString('hex')}`,
  ]);
  const lines = ['VERSION=3', 'format=bytevalue', 'type=hash', 'db_pagesize=4096', 'HEADER=END'];
  return [...lines, ' 00000000', ' 0d000000', ...records, 'DATA=END', ''].join('\n');
}

describeWith(['rpmbuild', 'rpm', 'sqlite3', 'db_load'], 'databases of rpm', () => {
  it('are read as rpm reads them: sqlite, ndb, Berkeley DB', async () => {
    const folder = await tempFolder();
    const packages = await buildPackages(folder);
    const query = '%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH}\n';
    const base = ['--dbpath', join(folder, 'db'), '--define', '_db_backend sqlite'];
    await mkdir(join(folder, 'db'));
    const install = ['-i', '--justdb', '--nodeps', '--ignorearch', '--noscripts', ...packages];
    execFileSync('rpm', [...base, ...install], { stdio: 'pipe' });
    const theirs = execFileSync('rpm', [...base, '-qa', '--qf', query], { encoding: 'utf8' })
      .trim()
      .split('\n');
    const file = join(folder, 'db/rpmdb.sqlite');
    const wal = await readFile(`${file}-wal`).catch(() => undefined);
    const told = (list: PackageEntry[]) => list.map((p) => `${p.name} ${p.version} ${p.architecture}`).sort();
    expect(told(await readRpmDatabase(await readFile(file), wal))).toEqual(theirs.sort());
    expect(theirs).toHaveLength(count);
    const wanted = new Set(['pack0', 'pack7', 'none']);
    const chosen = await chosenFromRpm(await readFile(file), wal, (name) => wanted.has(name));
    expect(chosen!.count).toBe(count);
    expect(told([...chosen!.entries])).toEqual(theirs.filter((line) => wanted.has(line.split(' ')[0]!)));
    const headers: Buffer[] = [];
    const tables = await openTables(await readFile(file), wal);
    for await (const { payload } of tables.rows('Packages')) {
      headers.push(columns(await payload.head(payload.size), 2)[1]!);
    }
    // Debian's rpm writes none of the other databases; the headers are the same in them.
    expect(told(await readRpmDatabase(ndbOf(headers)))).toEqual(theirs);
    for (const order of ['1234', '4321']) {
      const path = join(folder, `Packages-${order}`);
      execFileSync('db_load', ['-c', `db_lorder=${order}`, path], { input: berkeleyDump(headers) });
      expect(told(await readRpmDatabase(await readFile(path)))).toEqual(theirs);
    }
  });

  it('SQLite tables of several levels, with a log that was not written back', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'a.sqlite');
    const sql = `PRAGMA page_size=512; PRAGMA journal_mode=WAL; CREATE TABLE Other(x);
      CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000)
        INSERT INTO Packages SELECT i, zeroblob(i) FROM n;
      PRAGMA wal_checkpoint; DELETE FROM Packages WHERE hnum > 2500; INSERT INTO Packages VALUES(2501, x'0102');`;
    // The shell writes the log back when it ends well, so it copies the files before.
    execFileSync('sqlite3', [path], {
      input: `${sql}\n.system cp ${path} ${path}.copy; cp ${path}-wal ${path}.wal\n`,
    });
    const lengths: number[] = [];
    const tables = await openTables(await readFile(`${path}.copy`), await readFile(`${path}.wal`));
    for await (const row of tables.rows('Packages')) {
      const blob = columns(await row.payload.head(row.payload.size), 2)[1]!;
      lengths.push(blob.length);
      expect(row.rowid).toBe(lengths.length);
    }
    expect(lengths).toEqual([...Array.from({ length: 2500 }, (_, i) => i + 1), 2]);
    for (const rowid of [1, 2, 1234, 2500]) {
      const row = await tables.row('Packages', rowid);
      expect(columns(await row!.payload.head(9999), 2)[1]!.length).toBe(rowid);
    }
    expect(await tables.row('Packages', 2502)).toBeUndefined();
  });
});
