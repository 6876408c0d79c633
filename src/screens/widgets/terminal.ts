/** What the terminal can do, decided once, and what follows from it: glyphs and styles. */
import { createContext, useContext } from 'react';

export interface Capabilities {
  readonly colour: boolean;
  readonly unicode: boolean;
  /** No cursor movement at all: frames are printed one below the other. */
  readonly dumb: boolean;
}

type Env = Readonly<Record<string, string | undefined>>;

/** From the environment: NO_COLOR, FORCE_COLOR, TERM, and the first of LC_ALL, LC_CTYPE, LANG that is set. */
export function capabilitiesOf(env: Env, isTTY = true): Capabilities {
  const dumb = env.TERM === 'dumb' || env.TERM === undefined || env.TERM === '';
  const locale =
    [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '') ?? '';
  return { colour: wantsColour(env, isTTY && !dumb), unicode: /utf-?8/i.test(locale) && !dumb, dumb };
}

function wantsColour(env: Env, able: boolean): boolean {
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return !/^(0|false)$/.test(env.FORCE_COLOR);
  return able && !/-m(ono)?$|^vt\d/.test(env.TERM ?? '');
}

export interface Glyphs {
  /** Name of ink's border style; `classic` is ASCII. */
  readonly border: 'single' | 'classic';
  readonly line: string;
  readonly bullet: string;
  readonly check: string;
  readonly cross: string;
  readonly arrow: string;
  readonly cursor: string;
  readonly up: string;
  readonly down: string;
  readonly upDown: string;
  readonly leftRight: string;
  readonly markOn: string;
  readonly markOff: string;
  readonly barFull: string;
  /** Parts of a cell, ascending; none: only whole cells are drawn. */
  readonly barParts: readonly string[];
  readonly barEmpty: string;
  /** Name of ink-spinner's type. */
  readonly spinner: 'dots' | 'line';
  readonly ellipsis: string;
  readonly mask: string;
  readonly separator: string;
}

const unicodeGlyphs: Glyphs = {
  border: 'single',
  line: '─',
  bullet: '•',
  check: '✓',
  cross: '✗',
  arrow: '→',
  cursor: '❯',
  up: '▲',
  down: '▼',
  upDown: '↑↓',
  leftRight: '←→',
  markOn: '[✓]',
  markOff: '[ ]',
  barFull: '█',
  barParts: ['▏', '▎', '▍', '▌', '▋', '▊', '▉'],
  barEmpty: '░',
  spinner: 'dots',
  ellipsis: '…',
  mask: '•',
  separator: '·',
};

const asciiGlyphs: Glyphs = {
  border: 'classic',
  line: '-',
  bullet: '*',
  check: 'x',
  cross: '!',
  arrow: '->',
  cursor: '>',
  up: '^',
  down: 'v',
  upDown: 'Up/Dn',
  leftRight: 'Left/Right',
  markOn: '[x]',
  markOff: '[ ]',
  barFull: '#',
  barParts: [],
  barEmpty: '.',
  spinner: 'line',
  ellipsis: '~',
  mask: '*',
  separator: '-',
};

export type Tone = 'plain' | 'title' | 'accent' | 'ok' | 'warn' | 'error' | 'dim' | 'selected';

/** Properties for ink's `<Text>`: `<Text {...styles.warn}>`. Empty where there is no colour. */
export interface TextStyle {
  readonly color?: string;
  readonly bold?: boolean;
  readonly dimColor?: boolean;
  readonly inverse?: boolean;
}

// The sixteen colours of the terminal's own palette, so that light and dark backgrounds both work.
const colourStyles: Record<Tone, TextStyle> = {
  plain: {},
  title: { bold: true },
  accent: { color: 'cyan' },
  ok: { color: 'green' },
  warn: { color: 'yellow' },
  error: { color: 'red' },
  dim: { dimColor: true },
  selected: { color: 'cyan', bold: true },
};
const plainStyles = Object.fromEntries(Object.keys(colourStyles).map((tone) => [tone, {}])) as Record<
  Tone,
  TextStyle
>;

export interface Terminal extends Capabilities {
  readonly columns: number;
  readonly rows: number;
  readonly glyphs: Glyphs;
  readonly styles: Readonly<Record<Tone, TextStyle>>;
}

export function terminalOf(capabilities: Capabilities, columns: number, rows: number): Terminal {
  return {
    ...capabilities,
    columns,
    rows,
    glyphs: capabilities.unicode ? unicodeGlyphs : asciiGlyphs,
    styles: capabilities.colour ? colourStyles : plainStyles,
  };
}

export const TerminalContext = createContext<Terminal>(
  terminalOf({ colour: false, unicode: false, dumb: false }, 80, 24),
);
export const useTerminal = (): Terminal => useContext(TerminalContext);
