/** What a name from an image can do in a report, judged by GitHub's own reader of Markdown: nothing. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { escaped, fenced, table } from '../../../src/state/history/markdown.ts';
import { markdownOf } from '../../../src/state/history/report-markdown.ts';
import { describeWith } from '../../oracles/requires.ts';
import { rich } from './entries.ts';

const html = (text: string): string => {
  const extensions = ['table', 'autolink', 'strikethrough', 'tasklist'].flatMap((name) => ['-e', name]);
  return spawnSync('cmark-gfm', ['--unsafe', ...extensions], { input: text, encoding: 'utf8' }).stdout;
};

const shown = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

const hostile = [
  '<script>alert(1)</script>',
  '<!-- all that follows',
  '[click](javascript:alert(1))',
  '![x](http://192.0.2.1/track.png)',
  'http://192.0.2.1/x and www.example.test/y',
  '`code` ``more`` ```',
  '**bold** _under_ ~~gone~~ *it*',
  'a|b|c',
  'a\\|b\\\\|c\\',
  '&lt;b&gt; &amp; &#60;',
  '[ref]: http://192.0.2.1/',
  '[x]',
  '1. one',
  '- item',
  '+ item',
  '# heading',
  '===',
  '---',
  '> quote',
  '$x$ :smile:',
  'a  b',
];

describeWith(['cmark-gfm'], 'Markdown', () => {
  it.each(hostile)('is harmless in a cell: %s', (name) => {
    const page = html(table(['A', 'B'], [[name, 'last']]).join('\n'));
    const cells = [...page.matchAll(/<td>(.*?)<\/td>/g)].map(([, cell]) => shown(cell!));
    expect(cells).toEqual([name, 'last']);
  });

  it.each(hostile)('is harmless in a paragraph and as an item: %s', (name) => {
    expect(shown(html(escaped(name)))).toBe(`<p>${name}</p>\n`);
    expect(shown(html(`- ${escaped(name)}`))).toBe(`<ul>\n<li>${name}</li>\n</ul>\n`);
    expect(shown(html(`# ${escaped(name)}`))).toBe(`<h1>${name}</h1>\n`);
  });

  it('cannot end a fence', () => {
    const page = html(fenced(hostile).join('\n'));
    expect(shown(page)).toBe(`<pre><code class="language-text">${hostile.join('\n')}\n</code></pre>\n`);
  });

  it('of a whole report holds no more than the report', () => {
    const evil = hostile.join(' ');
    const entry = JSON.parse(JSON.stringify(rich), (key, value) =>
      typeof value === 'string' && !['outcome', 'severity', 'level', 'kind'].includes(key) ? evil : value,
    );
    const tags = (text: string) => [...html(text).matchAll(/<\/?([a-z0-9]+)[^>]*>/g)].map(([, tag]) => tag);
    const known = [
      'h1',
      'h2',
      'table',
      'thead',
      'tbody',
      'tr',
      'th',
      'td',
      'ul',
      'li',
      'p',
      'pre',
      'code',
      'hr',
    ];
    expect([...new Set(tags(markdownOf(entry)))].filter((tag) => !known.includes(tag!))).toEqual([]);
    expect(tags(markdownOf(entry)).filter((tag) => tag === 'td')).toHaveLength(
      tags(markdownOf(rich)).filter((tag) => tag === 'td').length,
    );
  });
});
