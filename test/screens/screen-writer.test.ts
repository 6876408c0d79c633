import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { changedLines, ScreenWriter, toAscii } from '../../src/screens/screen-writer.ts';

class Output extends EventEmitter {
  columns = 10;
  rows = 3;
  written: string[] = [];
  takes = true;
  write(text: string): boolean {
    this.written.push(text);
    return this.takes;
  }
}
const can = { colour: true, unicode: true, dumb: false };

describe('changedLines', () => {
  it.each([
    ['nothing', ['a', 'b'], ['a', 'b'], ''],
    ['one line', ['a', 'c'], ['a', 'b'], '\x1b[2;1Hc\x1b[K'],
    ['a line that is full', ['abcde'], ['x'], '\x1b[1;1Habcde'],
    ['a coloured line', ['\x1b[31ma\x1b[39m'], [], '\x1b[1;1H\x1b[31ma\x1b[39m\x1b[0m\x1b[K'],
    ['lines that are gone', ['a'], ['a', 'b'], '\x1b[2;1H\x1b[K'],
  ])('%s', (_, lines, drawn, expected) => {
    expect(changedLines(lines, drawn, 5)).toBe(expected);
  });
});

describe('ScreenWriter', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('sends at most ten frames a second, the newest ones, and only what changed', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, can);
    for (let i = 0; i < 1000; i++) {
      writer.write(`head\nline ${i}\nfoot`);
      vi.advanceTimersByTime(1);
    }
    vi.advanceTimersByTime(200);
    expect(out.written.length).toBeLessThanOrEqual(12);
    expect(out.written.slice(1).join('')).not.toContain('head');
    expect(out.written.at(-1)).toBe('\x1b[2;1Hline 999\x1b[K');
  });

  it('draws all anew after a resize, and never more lines than there are', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, can);
    let told = 0;
    writer.on('resize', () => told++);
    writer.write('a\nb\nc');
    vi.advanceTimersByTime(200);
    out.rows = 2;
    out.written = [];
    out.emit('resize');
    writer.write('a\nb\nc');
    vi.advanceTimersByTime(200);
    expect(told).toBe(1);
    expect(out.written).toEqual(['\x1b[2J', '\x1b[1;1Ha\x1b[K\x1b[2;1Hb\x1b[K']);
  });

  it('waits for a link that does not keep up', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, can);
    out.takes = false;
    writer.write('1');
    vi.advanceTimersByTime(200);
    writer.write('2');
    writer.write('3');
    vi.advanceTimersByTime(2000);
    expect(out.written).toHaveLength(1);
    out.emit('drain');
    vi.advanceTimersByTime(200);
    expect(out.written).toEqual(['\x1b[1;1H1\x1b[K', '\x1b[1;1H3\x1b[K']);
  });

  it('writes nothing while it is paused, and all again afterwards', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, can);
    writer.write('a');
    vi.advanceTimersByTime(200);
    writer.pause();
    writer.write('b');
    vi.advanceTimersByTime(2000);
    expect(out.written).toHaveLength(1);
    writer.redraw();
    vi.advanceTimersByTime(200);
    expect(out.written.slice(1)).toEqual(['\x1b[2J', '\x1b[1;1Hb\x1b[K']);
  });

  it('prints whole frames without any escape sequence on a dumb terminal', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, { colour: false, unicode: false, dumb: true });
    writer.write('\x1b[1ma\x1b[22m   \n\n\nGröße');
    vi.advanceTimersByTime(600);
    writer.redraw();
    vi.advanceTimersByTime(600);
    expect(out.written[0]).toBe('a\n\n');
    expect(out.written.join('')).not.toContain('\x1b');
  });

  it('has only ASCII for a terminal that knows no more', () => {
    const out = new Output();
    const writer = new ScreenWriter(out, { ...can, unicode: false });
    writer.write('Größe 漢');
    vi.advanceTimersByTime(200);
    expect(out.written.join('')).toMatch(/^[\x00-\x7f]*$/);
    expect(toAscii('a漢ü')).toBe('a???');
    expect(toAscii('gzip › raw')).toBe('gzip > raw');
  });
});
