/** One line of text being edited: pure. The cursor counts characters (code points). */
export interface TextLine {
  readonly value: string;
  readonly cursor: number;
}

export const lineOf = (value: string): TextLine => ({ value, cursor: [...value].length });

export type TextEdit =
  | { readonly type: 'insert'; readonly text: string }
  | { readonly type: 'backspace' | 'delete-word' | 'clear' | 'left' | 'right' | 'home' | 'end' };

export function editLine(line: TextLine, edit: TextEdit): TextLine {
  const characters = [...line.value];
  const cursor = Math.min(line.cursor, characters.length);
  const before = characters.slice(0, cursor);
  const after = characters.slice(cursor);
  const made = (kept: readonly string[]) => ({ value: [...kept, ...after].join(''), cursor: kept.length });
  switch (edit.type) {
    case 'insert':
      return made([...before, ...edit.text.replace(/[\x00-\x1f\x7f]/g, '')]);
    case 'backspace':
      return made(before.slice(0, -1));
    case 'delete-word':
      return made([...before.join('').replace(/[^\s/:]*[\s/:]*$/, '')]);
    case 'clear':
      return made([]);
    case 'left':
      return { ...line, cursor: Math.max(0, cursor - 1) };
    case 'right':
      return { ...line, cursor: Math.min(characters.length, cursor + 1) };
    case 'home':
      return { ...line, cursor: 0 };
    case 'end':
      return { ...line, cursor: characters.length };
  }
}

/** The part that is seen in `width` cells, and where the cursor is in it. One cell stays free for the cursor. */
export function windowOf(line: TextLine, width: number): { before: string; at: string; after: string } {
  const characters = [...line.value];
  const cursor = Math.min(line.cursor, characters.length);
  const from = Math.max(0, cursor - Math.max(1, width) + 1);
  return {
    before: characters.slice(from, cursor).join(''),
    at: characters[cursor] ?? ' ',
    after: characters.slice(cursor + 1, from + Math.max(1, width)).join(''),
  };
}
