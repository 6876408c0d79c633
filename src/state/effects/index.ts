/** Which effect answers which command, and in which lane. */
import type { Command } from '../commands.ts';
import type { Effect, Lane } from '../dispatcher.ts';
import * as away from './away.ts';
import * as credentials from './credentials.ts';
import * as destination from './destination.ts';
import * as environment from './environment.ts';
import * as guest from './guest.ts';
import * as guestFiles from './guest-files.ts';
import * as history from './history.ts';
import * as judging from './judging.ts';
import * as keeping from './keeping.ts';
import * as looking from './looking.ts';
import * as machines from './machines.ts';
import * as planning from './planning.ts';
import * as plugins from './plugins.ts';
import * as questions from './questions.ts';
import * as resuming from './resuming.ts';
import * as running from './running.ts';
import * as serving from './serving.ts';
import * as verifying from './verifying.ts';
import * as watching from './watching.ts';

interface Entry<T extends Command['type']> {
  readonly run: Effect<T>;
  readonly lane?: Lane;
}

export const effects: { readonly [T in Exclude<Command['type'], 'terminate'>]: Entry<T> } = {
  go: { run: ({ screen }, { emit }) => emit({ type: 'went', screen }) },
  dismiss: { run: (_, { emit }) => emit({ type: 'notice' }) },
  load: { run: credentials.load },
  'load-plugins': { run: plugins.load },
  'trust-plugin': { run: plugins.trust },
  'choose-secret-store': { run: credentials.chooseSecretStore },
  'unlock-vault': { run: credentials.unlockVault },
  'save-profile': { run: credentials.saveProfile },
  'delete-profile': { run: credentials.deleteProfile },
  'test-profile': { run: credentials.testProfile, lane: 'test' },
  'choose-profile': { run: credentials.chooseProfile },
  connect: { run: environment.connect, lane: 'connect' },
  'cancel-connect': { run: environment.cancelConnect },
  answer: { run: questions.answer },
  'connect-destination': { run: destination.connect, lane: 'destination' },
  'leave-destination': { run: destination.leave, lane: 'destination' },
  list: { run: machines.list, lane: 'list' },
  watch: { run: watching.watch, lane: 'watch' },
  'stop-list': { run: machines.stopList },
  'add-machine': { run: machines.addMachine },
  'find-machine': { run: machines.findMachine },
  'look-into': { run: machines.lookInto },
  'check-machine': { run: looking.check, lane: 'check' },
  'verify-machine': { run: verifying.verify, lane: 'check' },
  'stop-check': { run: (_, { abort }) => abort('check') },
  'judge-machine': { run: judging.judgeMachine, lane: 'judge' },
  'map-machine': { run: looking.map },
  'serve-machine': { run: serving.serve, lane: 'serve' },
  'stop-serve': { run: (_, { abort }) => abort('serve') },
  'list-files': { run: guestFiles.listFiles },
  'list-packages': { run: guestFiles.listPackages },
  'read-file': { run: guestFiles.readFile },
  'copy-files': { run: guestFiles.copyFiles },
  select: { run: planning.select, lane: 'plan' },
  draft: { run: planning.draft, lane: 'plan' },
  'edit-machine': { run: planning.editMachine, lane: 'plan' },
  'add-ssh-keys': { run: guest.addSshKeys },
  also: { run: planning.also },
  'drop-also': { run: planning.dropAlso },
  run: { run: running.run },
  pause: { run: running.pause },
  resume: { run: running.resume },
  cancel: { run: running.cancel },
  'shut-down': { run: running.shutDown },
  rate: { run: running.rate },
  'run-away': { run: away.runAway },
  attach: { run: away.attach },
  detach: { run: away.detach },
  runs: { run: away.list, lane: 'runs' },
  'steer-run': { run: away.steer },
  another: { run: running.another },
  history: { run: history.list },
  'history-open': { run: history.open },
  'history-remove': { run: history.remove },
  'history-export': { run: history.exportReports },
  'history-rerun': { run: history.rerun },
  resumable: { run: resuming.list },
  'resume-run': { run: resuming.resumeRun },
  'discard-run': { run: resuming.discardRun },
  kept: { run: keeping.list },
  'kept-remove': { run: keeping.remove },
  status: { run: running.status },
};
