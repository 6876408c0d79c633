/** Writes the list of packs into docs/rules.md, below its mark. */
import { readFile, writeFile } from 'node:fs/promises';
import type { PackFile, Rule } from '../src/eligibility/pack.ts';
import { builtInFiles } from '../src/eligibility/packs.ts';

const page = new URL('../docs/rules.md', import.meta.url);
const mark = '<!-- npm run docs:rules writes what follows -->\n';

/** The page as it should be. */
export async function rulesPage(): Promise<string> {
  const before = (await readFile(page, 'utf8')).split(mark)[0]!;
  return `${before}${mark}\n${builtInFiles().map(packText).join('\n')}`;
}

function packText({ id, label, version, date, extends: below = [], without = [], rules }: PackFile): string {
  const facts = [
    `version ${version}, facts of ${date}`,
    ...(below.length === 0 ? [] : [`extends \`${below.join('`, `')}\``]),
    ...(without.length === 0 ? [] : [`without \`${without.join('`, `')}\``]),
  ];
  return [
    `### ${label} (\`${id}\`)`,
    '',
    `${facts.join('; ')}.`,
    '',
    '| rule | severity | what | vmferry can | source |',
    '|---|---|---|---|---|',
    ...rules.map(ruleRow),
    '',
  ].join('\n');
}

function ruleRow({ id, severity, title, change, source }: Rule): string {
  const can = change === undefined ? '' : 'guest' in change ? change.guest : `${change.plan} ${change.to}`;
  const name = source.section === undefined ? source.name : `${source.name}, ${source.section}`;
  const from = source.url === undefined ? name : `[${name}](${source.url})`;
  return `| \`${id}\` | ${severity} | ${title} | ${can} | ${from} |`.replace(/ {2,}/g, ' ');
}

if (process.argv[1]?.endsWith('rules-page.ts')) await writeFile(page, await rulesPage());
