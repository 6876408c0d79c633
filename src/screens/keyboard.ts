/**
 * Where keys go. Layers are looked through from the top; the first binding for a key has it. Keys that arrive
 * in one chunk (a slow link, a paste) are handled one after the other, so that each sees what the former did.
 */
import type { Key } from 'ink';

export interface KeyBinding {
  readonly key: string | readonly string[];
  /** How the key is written at the foot; absent: made from its name. */
  readonly shown?: string;
  readonly label: string;
  /** A whole sentence for the help; absent: the label. */
  readonly help?: string | undefined;
  /** Why it can't be used now: drawn dim, said when pressed. */
  readonly reason?: string | undefined;
  /** In the help only, not at the foot. */
  readonly quiet?: boolean;
  run(): void;
}

const levels = ['global', 'screen', 'list', 'entry', 'dialog', 'always'] as const;
export type KeyLevel = (typeof levels)[number];
const displayOrder: readonly KeyLevel[] = ['dialog', 'entry', 'screen', 'list', 'global', 'always'];

export interface Layer {
  readonly level: number;
  bindings: readonly KeyBinding[];
  onText: ((text: string) => void) | undefined;
}

export interface KeySummary {
  /** Bindings that can be reached now, in the order they are shown. */
  readonly bindings: readonly KeyBinding[];
  /** Something exclusive is open: a form, a dialog, a filter. */
  readonly exclusive: boolean;
  /** The reason of a disabled key that was just pressed. */
  readonly refused?: string;
}

const entryLevel = levels.indexOf('entry');
const alwaysLevel = levels.indexOf('always');

export class Keyboard {
  #layers: Layer[] = [];
  #queue: string[] = [];
  #draining = false;
  #refused: string | undefined;
  #signature = '';
  #summary: KeySummary = { bindings: [], exclusive: false };
  #listeners = new Set<() => void>();

  add(level: KeyLevel): Layer {
    const layer: Layer = { level: levels.indexOf(level), bindings: [], onText: undefined };
    this.#layers.push(layer);
    return layer;
  }

  remove(layer: Layer): void {
    this.#layers = this.#layers.filter((l) => l !== layer);
    this.#changed();
  }

  update(layer: Layer, bindings: readonly KeyBinding[], onText: ((text: string) => void) | undefined): void {
    layer.bindings = bindings;
    layer.onText = onText;
    this.#changed();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly summary = (): KeySummary => this.#summary;

  /** What ink's `useInput` gives. */
  feed(input: string, key: Key): void {
    this.#queue.push(...keysOf(input, key));
    if (this.#draining) return;
    this.#draining = true;
    setImmediate(() => this.#drain());
  }

  /** Presses one key by its name, or types a run of text. */
  press(name: string): void {
    if (this.#refused !== undefined) {
      this.#refused = undefined;
      this.#changed();
    }
    const printable = isText(name);
    for (const layer of this.#reachable()) {
      if (printable && layer.onText !== undefined) {
        layer.onText(name === 'space' ? ' ' : name);
        return;
      }
      const binding = layer.bindings.find((b) => keysOfBinding(b).includes(name));
      if (binding === undefined) continue;
      if (binding.reason === undefined) {
        binding.run();
      } else {
        this.#refused = binding.reason;
        this.#changed();
      }
      return;
    }
  }

  #drain(): void {
    const next = this.#queue.shift();
    if (next === undefined) {
      this.#draining = false;
      return;
    }
    if (isText(next) && next !== 'space' && !this.#takesText()) {
      const [first = '', ...rest] = [...next];
      if (rest.length > 0) this.#queue.unshift(rest.join(''));
      this.press(first === ' ' ? 'space' : first);
    } else {
      this.press(next);
    }
    afterDrawing(() => this.#drain());
  }

  /** Topmost first; those of the topmost level alone where that is exclusive; `always` before all. */
  #reachable(): Layer[] {
    const ordered = this.#layers.map((layer, at) => ({ layer, at }));
    ordered.sort((a, b) => b.layer.level - a.layer.level || b.at - a.at);
    const sorted = ordered.map((o) => o.layer);
    const always = sorted.filter((l) => l.level === alwaysLevel);
    const others = sorted.filter((l) => l.level !== alwaysLevel);
    const top = others[0]?.level ?? 0;
    return [...always, ...(top >= entryLevel ? others.filter((l) => l.level === top) : others)];
  }

  #takesText(): boolean {
    return this.#reachable().some((layer) => layer.onText !== undefined);
  }

  #changed(): void {
    const reachable = this.#reachable();
    const taken = new Set<string>();
    const found = reachable
      .flatMap((layer) => layer.bindings.map((binding) => ({ binding, level: layer.level })))
      .filter(({ binding }) => {
        const fresh = keysOfBinding(binding).some((key) => !taken.has(key));
        for (const key of keysOfBinding(binding)) taken.add(key);
        return fresh;
      });
    // A list's own keys stand behind those of its screen.
    const place = (level: number) => displayOrder.indexOf(levels[level]!);
    const bindings = found.sort((a, b) => place(a.level) - place(b.level)).map(({ binding }) => binding);
    const exclusive = reachable.some((l) => l.level >= entryLevel && l.level !== alwaysLevel);
    const signature = JSON.stringify([
      bindings.map((b) => [b.key, b.label, b.help, b.reason, b.quiet]),
      exclusive,
      this.#refused,
    ]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    const refused = this.#refused === undefined ? {} : { refused: this.#refused };
    this.#summary = { bindings, exclusive, ...refused };
    for (const listener of this.#listeners) listener();
  }
}

/** React draws in a macrotask that it asks for only after the present one: the second from now comes after it. */
function afterDrawing(next: () => void): void {
  setImmediate(() => setImmediate(() => setImmediate(next)));
}

export const keysOfBinding = (binding: KeyBinding): readonly string[] =>
  typeof binding.key === 'string' ? [binding.key] : binding.key;

const named = new Set(
  'enter esc tab shift+tab backspace up down left right pageup pagedown home end'.split(' '),
);
const isText = (name: string): boolean => !named.has(name) && !/^(ctrl|meta|shift)\+/.test(name);

/** Names of the keys in one input event; printable text stays together. */
export function keysOf(input: string, key: Key): string[] {
  if (key.ctrl && input !== '') return [`ctrl+${input}`];
  const arrows = [
    ['up', key.upArrow],
    ['down', key.downArrow],
    ['left', key.leftArrow],
    ['right', key.rightArrow],
    ['pageup', key.pageUp],
    ['pagedown', key.pageDown],
    ['home', key.home],
    ['end', key.end],
    ['enter', key.return],
    ['esc', key.escape],
    // Most terminals send 0x7f for the backspace key, which ink calls delete.
    ['backspace', key.backspace || key.delete],
    [key.shift ? 'shift+tab' : 'tab', key.tab],
  ] as const;
  const name = arrows.find(([, pressed]) => pressed)?.[0];
  if (name !== undefined) return [key.ctrl ? `ctrl+${name}` : name];
  if (key.meta) return [];
  return (input.match(/[^\x00-\x1f\x7f]+|[\x00-\x1f\x7f]/g) ?? []).flatMap(nameOfRun);
}

function nameOfRun(run: string): string[] {
  const controls: Record<string, string> = {
    '\r': 'enter',
    '\n': 'enter',
    '\t': 'tab',
    '\x7f': 'backspace',
    '\b': 'backspace',
  };
  const control = controls[run];
  if (control !== undefined) return [control];
  if (run === ' ') return ['space'];
  if (run < ' ') return run === '\x1b' ? ['esc'] : [`ctrl+${String.fromCharCode(run.charCodeAt(0) + 96)}`];
  return [run];
}

/** As the foot writes it: `Enter`, `Ctrl+C`, `↑↓` is given by the binding itself. */
export function shownKey(binding: KeyBinding): string {
  if (binding.shown !== undefined) return binding.shown;
  const short: Record<string, string> = { pageup: 'PgUp', pagedown: 'PgDn' };
  return keysOfBinding(binding)
    .map(
      (name) =>
        short[name] ??
        name
          .split('+')
          .map((part) =>
            part.length > 1 || name.includes('+') ? part[0]?.toUpperCase() + part.slice(1) : part,
          )
          .join('+'),
    )
    .join('/');
}
