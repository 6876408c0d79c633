import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openHive, walkKeys } from '../../../src/guest/formats/registry/open-hive.ts';
import { numberOfValue, textOfValue, textsOfValue } from '../../../src/guest/formats/registry/values.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { emptyHive } from './make-hive.ts';

const changes = `Windows Registry Editor Version 5.00

[\\ControlSet001]

[\\ControlSet001\\Services]

[\\ControlSet001\\Services\\viostor]
"Start"=dword:00000000
"Type"=dword:00000001
"Group"=str(1):"SCSI miniport"
"ImagePath"=str(2):"system32\\\\drivers\\\\viostor.sys"
"Names"=hex(7):6f,00,6e,00,65,00,00,00,fc,00,00,00,00,00
"Long"=hex(b):01,02,00,00,00,00,00,00
"Bytes"=hex(3):de,ad,be,ef,01
@="the default"

[\\Many]

${Array.from({ length: 700 }, (_, i) => `[\\Many\\Key${i}]\n"n"=dword:${i.toString(16).padStart(8, '0')}\n`).join('\n')}
`;

describeWith(['hivexregedit', 'hivexsh'], 'a hive that hivex wrote', () => {
  it('is read as hivex reads it', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'SYSTEM');
    await writeFile(path, emptyHive());
    await writeFile(join(folder, 'changes.reg'), changes);
    execFileSync('hivexregedit', ['--merge', path, join(folder, 'changes.reg')]);
    const hive = await openHive(await readFile(path));
    const key = (await hive.key('controlset001\\services\\VIOSTOR'))!;
    expect(numberOfValue((await key.value('start'))!)).toBe(0);
    expect(textOfValue((await key.value('Group'))!)).toBe('SCSI miniport');
    expect(await key.value('ImagePath')).toMatchObject({ type: 'REG_EXPAND_SZ' });
    expect(textsOfValue((await key.value('Names'))!)).toEqual(['one', 'ü']);
    expect(numberOfValue((await key.value('Long'))!)).toBe(0x201);
    expect((await key.value('Bytes'))!.data.toString('hex')).toBe('deadbeef01');
    expect(textOfValue((await key.value(''))!)).toBe('the default');
    expect(hive.dirty).toBe(false);
    const paths: string[] = [];
    for await (const { path: at } of walkKeys(hive.root)) paths.push(at);
    const exported = execFileSync('hivexregedit', ['--export', path, '\\'], { encoding: 'utf8' });
    const theirs = [...exported.matchAll(/^\[\\?(.*)\]$/gm)].map((match) => match[1]!);
    expect(paths.toSorted()).toEqual(theirs.toSorted());
    expect(paths.length).toBe(705);
  });
});
