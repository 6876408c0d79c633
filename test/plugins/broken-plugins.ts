/** Plugins as they should not be, by name: the files of each. */
const described = (id: string) =>
  `{ id: '${id}', label: 'X', summary: 'x', roles: ['source'], fields: [], connect: async () => { throw { kind: 'auth', message: 'no' } } }`;

export const goodPlugin = (id: string): string => `export const plugin = ${described(id)};`;

export const brokenPlugins: Readonly<Record<string, { readonly code: string; readonly says: RegExp }>> = {
  'syntax-error': { code: 'export const plugin = {', says: /Unexpected|syntax/ },
  throws: { code: 'throw new Error("not today")', says: /not today/ },
  'throws-nothing': { code: 'throw undefined', says: /other than an error|undefined/ },
  'no-plugin': { code: 'export const other = 1', says: /description of itself/ },
  'wrong-shape': { code: 'export const plugin = { id: "x", label: 5 }', says: /wrong at label/ },
  'bad-id': { code: goodPlugin('../x'), says: /wrong at id/ },
  'no-connect': {
    code: "export const plugin = { id: 'x', label: 'X', summary: 'x', roles: ['source'], fields: [] }",
    says: /no function "connect"/,
  },
  'missing-import': { code: "import 'no-such-package';", says: /no-such-package/ },
  hangs: {
    code: `await new Promise(() => setInterval(() => {}, 1000));${goodPlugin('h')}`,
    says: /not loaded after/,
  },
};

/** Fail where nobody awaits it: tried in a process of their own, for they would end this one. */
export const strayPlugins: Readonly<Record<string, string>> = {
  'rejects-aside': `Promise.reject(new Error('aside')); ${goodPlugin('rejects-aside')}`,
  'rejects-text': `Promise.reject('aside'); ${goodPlugin('rejects-text')}`,
  'throws-later': `setTimeout(() => { throw new Error('later') }, 1); ${goodPlugin('throws-later')}`,
};
