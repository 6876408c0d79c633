/** What `vmferry/plugin` is for authors of plugins: types, nothing to import at run time. */
export type * from './env-plugins/plugin.ts';
export type { ByteSink, ByteSource } from './io/byte-source.ts';
export type { Extent, ExtentKind } from './io/extents.ts';
export type { ErrorKind, Failure } from './model/errors.ts';
export type { Finding, Severity } from './model/finding.ts';
export type * from './model/machine.ts';
