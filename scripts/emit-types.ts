/** Types of the contract, for authors of plugins: `vmferry/plugin`. */
import ts from 'typescript';

/** Into this folder. @throws when they are wrong. */
export function emitTypes(outDir: string): void {
  const program = ts.createProgram(['src/plugin-types.ts'], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    exactOptionalPropertyTypes: true,
    allowImportingTsExtensions: true,
    rewriteRelativeImportExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    removeComments: false,
    skipLibCheck: true,
    types: ['node'],
    rootDir: 'src',
    outDir,
  });
  const { emitSkipped, diagnostics } = program.emit();
  const all = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (emitSkipped || all.length > 0) {
    throw new Error(
      ts.formatDiagnostics(all, {
        getCanonicalFileName: (f) => f,
        getCurrentDirectory: () => '.',
        getNewLine: () => '\n',
      }),
    );
  }
}
