import { describe, expect, it } from 'vitest';
import { byLetter, ChoiceDialog } from '../../../src/screens/widgets/choice-dialog.tsx';
import { Spinner } from '../../../src/screens/widgets/spinner.tsx';
import { TerminalContext, terminalOf } from '../../../src/screens/widgets/terminal.ts';
import { draw, drawApp, drawPart, keys, plain } from '../draw.tsx';
import { states } from '../states.ts';

const items = ['apple', 'banana', 'avocado', 'cherry', 'date', 'elder', 'fig', 'grape'].map((label) => ({
  value: label.toUpperCase(),
  label,
  help: `help of ${label}`,
}));

function dialog(options: { height?: number; can?: typeof plain } = {}) {
  const chosen: (string | undefined)[] = [];
  const drawn = drawPart(
    <ChoiceDialog
      title="Fruit"
      items={items}
      value="BANANA"
      width={50}
      height={options.height ?? 20}
      onChoose={(value) => chosen.push(value)}
      onCancel={() => chosen.push(undefined)}
    />,
    options.can === undefined ? {} : { can: options.can },
  );
  return { ...drawn, chosen };
}

it.each([
  ['a', 0, 2],
  ['a', 2, 0],
  ['x', 3, 3],
  ['4', 0, 3],
  ['9', 1, 1],
])('a letter or a number: %s from %i leads to %i', (text, at, expected) => {
  expect(byLetter(items, at, text)).toBe(expected);
});

describe('the dialog', () => {
  it('starts where one is, moves, tells about the row, and chooses it', async () => {
    const app = dialog();
    await app.shows(/❯ banana[\s\S]*help of banana/);
    await app.press(keys.down, keys.down);
    await app.shows(/❯ cherry[\s\S]*help of cherry/);
    await app.press(keys.enter);
    expect(app.chosen).toEqual(['CHERRY']);
  });

  it('scrolls where there is no room', async () => {
    const app = dialog({ height: 8 });
    await app.press(keys.end);
    const frame = await app.shows('❯ grape');
    expect(frame).not.toContain('apple');
    await app.press(keys.home);
    await app.shows('❯ apple');
  });

  it('is plain where the terminal is', async () => {
    const app = dialog({ can: plain });
    const frame = await app.shows('> banana');
    expect([...frame].filter((char) => char > '~')).toEqual([]);
  });

  it('is left by Esc', async () => {
    const app = dialog();
    await app.press(keys.esc);
    expect(app.chosen).toEqual([undefined]);
  });
});

it('keeps its keys from the screen below, also those that come in one piece with what opened it', async () => {
  const app = drawApp(states.credentials!);
  await app.press('sjq1dm');
  await app.shows(/❯ memory only/);
  expect(app.port.sent).toEqual([]);
  await app.press('\r');
  await app.shows('Continue without credentials');
  expect(app.port.sent).toEqual([{ type: 'choose-secret-store', choice: 'memory' }]);
});

it.each([
  [{ colour: false, unicode: true, dumb: false }, /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] busy/],
  [plain, /[-\\|/] busy/],
  [{ ...plain, dumb: true }, /\* busy/],
])('the spinner suits the terminal: %j', async (can, expected) => {
  const drawn = draw(
    <TerminalContext.Provider value={terminalOf(can, 80, 24)}>
      <Spinner label="busy" />
    </TerminalContext.Provider>,
  );
  await drawn.shows(expected);
});
