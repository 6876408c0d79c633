import { describe, expect, it } from 'vitest';
import { drawApp, keys, plain } from '../draw.tsx';
import { states } from '../states.ts';

const asked = states['question-code']!;
const answers = (app: ReturnType<typeof drawApp>) => app.port.sent.filter((c) => c.type === 'answer');

describe('a question for a line', () => {
  it.each([
    { columns: 80, rows: 24 },
    { columns: 120, rows: 40 },
  ])('shows who asks, and hides what is typed: %j', async (size) => {
    const app = drawApp(asked, { ...size, can: plain });
    await app.shows('Two-factor authentication is on. Verification code:');
    await app.shows('VMware vSphere, vcenter.lab.example');
    await app.press('1', 'q', '?');
    const frame = await app.shows('> ***');
    expect(frame).not.toContain('1q?');
    expect(frame.split('\n').length).toBeLessThanOrEqual(size.rows);
    await app.press(keys.backspace, keys.enter);
    expect(answers(app)).toEqual([{ type: 'answer', id: 8, yes: true, text: '1q' }]);
    await app.shows('Environment');
  });

  it('shows what is no secret', async () => {
    const app = drawApp({ ...asked, question: { ...asked.question!, entry: 'shown' } });
    await app.press('me', keys.enter);
    expect(answers(app)).toMatchObject([{ text: 'me' }]);
  });

  it('is refused by Esc, and no other key leads elsewhere', async () => {
    const app = drawApp(asked);
    await app.press('3', keys.tab, keys.esc);
    expect(app.port.sent).toEqual([{ type: 'answer', id: 8, yes: false }]);
  });

  it('starts with an empty line when the next one comes, also in the same chunk of keys', async () => {
    const app = drawApp(asked);
    await app.press('half');
    app.port.emit({ type: 'question', question: { ...asked.question!, id: 9, text: 'And another:' } });
    await app.shows('And another:');
    await app.press(`x${keys.enter}`);
    expect(answers(app)).toEqual([{ type: 'answer', id: 9, yes: true, text: 'x' }]);
  });

  it('leaves Ctrl+C to end the program', async () => {
    const app = drawApp(asked);
    await app.press(keys.ctrlC);
    expect(app.port.sent).toEqual([{ type: 'terminate' }]);
  });
});
