/** What an independent grammar of PowerShell (tree-sitter's) does not understand of a script. No PowerShell runs here. */
import { createRequire } from 'node:module';
import { Language, type Node, Parser } from 'web-tree-sitter';

let made: Promise<Parser> | undefined;

const load = async (): Promise<Parser> => {
  await Parser.init();
  const grammar = createRequire(import.meta.url).resolve(
    'tree-sitter-powershell/tree-sitter-powershell.wasm',
  );
  const parser = new Parser();
  parser.setLanguage(await Language.load(grammar));
  return parser;
};

/** A line each, with its place; none for a script that is well-formed. */
export async function misunderstood(script: string): Promise<string[]> {
  made ??= load();
  const tree = (await made).parse(script);
  if (tree === null) return ['nothing is understood'];
  const found: string[] = [];
  const walk = (node: Node) => {
    if (node.isError || node.isMissing) {
      const { row, column } = node.startPosition;
      found.push(
        `line ${row + 1}:${column + 1} ${node.isMissing ? 'missing' : ''} ${node.type}: ${node.text.slice(0, 80)}`,
      );
    }
    for (const child of node.children) if (child !== null) walk(child);
  };
  walk(tree.rootNode);
  tree.delete();
  return found;
}
