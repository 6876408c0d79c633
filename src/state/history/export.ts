/** Reports as a file, a piece at a time: of hundreds of runs no more than one is held. */
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, failureError, toAppError, toFailure } from '../../model/errors.ts';
import { steering } from '../../model/plain-text.ts';
import type { HistoryEntry, HistorySummary } from '../state.ts';
import { REPORT_FORMAT, REPORT_VERSION, reportOf } from './report.ts';
import { markdownOf, overviewOf } from './report-markdown.ts';

export type ReportFormat = 'markdown' | 'json';

/** One run alone. */
export async function* oneReport(entry: HistoryEntry, format: ReportFormat): AsyncGenerator<string> {
  yield format === 'json' ? `${jsonText(reportOf(entry))}\n` : markdownOf(entry);
}

/** Several, in their order. */
export async function* allReports(
  runs: readonly HistorySummary[],
  format: ReportFormat,
  entry: (id: string) => Promise<HistoryEntry>,
): AsyncGenerator<string> {
  const json = format === 'json';
  const head = { format: `${REPORT_FORMAT}s`, version: REPORT_VERSION };
  yield json ? `${jsonText(head).slice(0, -2)},\n  "runs": [` : overviewOf(runs);
  for (const [i, { id }] of runs.entries()) {
    const report = await entry(id);
    yield json
      ? `${i === 0 ? '' : ','}\n${jsonText(reportOf(report))}`
      : `\n---\n\n${markdownOf(report).replace(/^#/gm, '##')}`;
  }
  if (json) yield '\n]}\n';
}

/** The same to who parses it, and harmless on a terminal. */
const jsonText = (data: object): string =>
  JSON.stringify(data, undefined, 2).replace(steering, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * The file appears when it is whole. What is no plain file, such as a pipe, is written to as it is.
 * @throws AppError `conflict` when there is one and `force` is not given, and what writing comes to.
 */
export async function writeReports(
  pieces: AsyncIterable<string>,
  path: string,
  force: boolean,
): Promise<void> {
  try {
    const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    if (there?.isFile() && !force) {
      throw new AppError('conflict', 'it exists already', {
        where: path,
        hint: 'choose another name, or say that it may be replaced (--force)',
      });
    }
    if (there?.isDirectory()) {
      throw new AppError('usage', 'this is a folder, and a file is wanted', { where: path });
    }
    const plain = there === undefined || there.isFile();
    const written = plain ? `${path}.part-${process.pid}` : path;
    try {
      await pipeline(Readable.from(pieces), createWriteStream(written, { flags: plain ? 'wx' : 'w' }));
      if (plain) await rename(written, path);
    } catch (error) {
      if (plain) await rm(written, { force: true });
      throw error;
    }
  } catch (error) {
    const own = toAppError(error);
    if (own.where?.startsWith(`${path}.part-`) !== true) throw own;
    // The file that was wanted, not the one beside it that is written first.
    throw failureError({ ...toFailure(own), where: path });
  }
}
