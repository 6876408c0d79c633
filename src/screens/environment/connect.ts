/** The commands that lead from a row to the machines. Each is sent when the one before has ended well. */
import type { DispatcherPort } from '../../state/port.ts';
import type { State } from '../../state/state.ts';
import { profileOf, type Row, thisComputer } from './environment-view.ts';

const isConnected = (state: State, environment: string): boolean =>
  state.connection.status === 'connected' && state.connection.environment === environment;

/** Whoever has gone elsewhere in the meantime is left there. */
async function goOn(port: DispatcherPort): Promise<void> {
  if (port.getState().screen === 'environment') await port.dispatch({ type: 'go', screen: 'image' });
}

export async function connectTo(
  port: DispatcherPort,
  row: Row,
  settings?: Readonly<Record<string, string>>,
): Promise<void> {
  if (row.kind === 'sample') return openSample(port, row.path);
  if (row.kind === 'plugin') return;
  const environment = row.environment.id;
  const profile = profileOf(row, port.getState())?.id;
  await port.dispatch({
    type: 'connect',
    environment,
    ...(profile === undefined ? {} : { profile }),
    ...(settings === undefined ? {} : { settings }),
  });
  if (!isConnected(port.getState(), environment)) return;
  void port.dispatch({ type: 'list' });
  await goOn(port);
}

async function openSample(port: DispatcherPort, path: string): Promise<void> {
  if (!isConnected(port.getState(), thisComputer)) {
    await port.dispatch({ type: 'connect', environment: thisComputer });
    if (!isConnected(port.getState(), thisComputer)) return;
  }
  await goOn(port);
  await port.dispatch({ type: 'add-machine', id: path, select: true });
  if (port.getState().machines.items.some((item) => item.machine.id === path)) {
    await port.dispatch({ type: 'select', ids: [path] });
  }
}
