/** What a host asks of a run that nobody looks at waits for who enters it. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareImages, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { sftpServer, startAskingSshd } from '../servers/asking-sshd.ts';
import { awayPlace } from './away-place.ts';
import { program } from './program.ts';
import { giveLine } from './steps.ts';
import { openTerminal } from './tmux.ts';

const [password, code] = ['door-password', 'code-314159'];

describeWith(['tmux', 'qemu-img', sftpServer], 'a question of a run that was left', () => {
  it('waits, is shown in the list, and is answered from a terminal', async () => {
    const here = await awayPlace();
    const images = here.path('images');
    await mkdir(images);
    await qemuImg('create', '-q', '-f', 'qcow2', join(images, 'web.qcow2'), '64M');
    await qemuIo('qcow2', join(images, 'web.qcow2'), 'write -P 7 10M 4M');
    const server = await startAskingSshd(password, code);
    const at = `--env ssh --setting host=127.0.0.1 --setting port=${server.port} --setting user=me`;
    const command = `${process.execPath} ${program}`;
    const terminal = await openTerminal(
      [
        `mkdir -p .ssh; ssh-keyscan -p ${server.port} 127.0.0.1 > .ssh/known_hosts 2>/dev/null`,
        `${command} convert ${join(images, 'web.qcow2')} ${at} --to out.raw --detach`,
        'echo "left with $?"; read go',
        `${command} attach; echo "ended with $?"; sleep 600`,
      ].join('; '),
      {
        ...{ columns: 100, rows: 30, cwd: here.folder },
        env: { VMFERRY_HOME: here.home, HOME: here.folder, SSH_AUTH_SOCK: '' },
      },
    );
    // The command connects for the plan, and asks its own questions.
    await giveLine(terminal, 'Password of me on 127.0.0.1', password);
    await giveLine(terminal, 'Verification code:', code);
    await terminal.until('left with 0');
    const [run] = await here.untilRuns(([first]) => first?.asks === true);
    const watching = here.start(['attach', run!.id, '--json']);
    await watching.line((event) => event.type === 'question');
    await terminal.send('Enter');
    await terminal.until(/(?:[\s\S]*Password of me on 127\.0\.0\.1){2}/);
    await terminal.type(password);
    await terminal.send('Enter');
    await terminal.until(/(?:[\s\S]*Verification code:){2}/);
    await terminal.type(code);
    await terminal.send('Enter');
    const screen = await terminal.until('ended with 0');
    for (const secret of [password, '314159']) expect(screen).not.toContain(secret);
    const { code: ended, stdout } = await watching.ended;
    expect(ended).toBe(0);
    await compareImages(join(images, 'web.qcow2'), 'qcow2', here.path('out.raw'), 'raw');
    const kept = await Promise.all(
      (await readdir(here.runs)).map((name) => readFile(join(here.runs, name), 'utf8')),
    );
    for (const secret of [password, code]) expect([...kept, stdout].join()).not.toContain(secret);
  });
});
