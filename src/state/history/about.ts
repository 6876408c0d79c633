/** What the first line of a journal tells of a run, so that a list can be filtered by it without reading further. */
import type { Plan } from '../../model/plan.ts';
import { placeName, type State } from '../state.ts';

/** A list of runs reads so much only of a journal: what comes from outside is cut. */
const LONGEST = 200;

export interface RunPlace {
  /** Id of the environment. */
  readonly environment: string;
  /** Its name for people: the profile's, else its own. */
  readonly name: string;
}

export interface RunAbout {
  /** Its name at the destination. */
  readonly machine: string;
  /** `machine`: its id there. */
  readonly source: RunPlace & { readonly machine: string };
  readonly destination: RunPlace & {
    readonly product: string;
    readonly container: string;
    readonly format: string;
  };
}

export function aboutOf({ machine, source, destination }: Plan, state: State): RunAbout {
  const { product, container, format } = destination;
  return {
    machine: cut(machine.name),
    source: { ...placeOf(source, state), machine: cut(source.machine) },
    destination: {
      ...placeOf(destination, state),
      product: cut(product),
      container,
      format: cut(format),
    },
  };
}

const placeOf = (
  of: { readonly environment: string; readonly profile?: string },
  state: State,
): RunPlace => ({
  environment: cut(of.environment),
  name: cut(placeName(state, of)),
});

const cut = (text: string): string => text.slice(0, LONGEST);
