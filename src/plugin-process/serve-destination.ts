/** The destination role as methods. */
import type { Delivery, DeliveryRequest, DestinationRole } from '../env-plugins/plugin.ts';
import type { Handles, Method, Params, ServedDelivery, ServedSink } from './serve.ts';
import { machineOf, sizeOf } from './serve.ts';

export function deliveryMethods(
  destination: DestinationRole | undefined,
  handles: Handles,
): Readonly<Record<string, Method>> {
  if (destination === undefined) return {};
  const deliveryOf = ({ handle }: Params): Delivery => handles.get<ServedDelivery>(handle).delivery;
  const sinkOf = ({ handle }: Params) => handles.get<ServedSink>(handle).sink;
  return {
    fields: async (_, { signal }) => (await destination.fields?.(signal)) ?? [],
    networks: async (_, { signal }) => (await destination.networks?.(signal)) ?? [],
    hardware: (params, { signal }) =>
      Promise.resolve(destination.hardware?.(requestOf(params, signal)) ?? machineOf(params)),
    check: (params, { signal }) =>
      destination.check(requestOf(params, signal), textsOf(params.files), sizeOf(params, 'bytes')),
    async begin(params, { signal, payload }) {
      const controller = new AbortController();
      const request = requestOf(params, AbortSignal.any([signal, controller.signal]), payload);
      const delivery = await destination.begin(request);
      const handle = handles.add({ kind: 'delivery', delivery, controller } satisfies ServedDelivery);
      return { handle, start: delivery.start !== undefined };
    },
    /** The run was cancelled: what `request.signal` tells. */
    async stop({ handle }) {
      handles.get<ServedDelivery>(handle).controller.abort();
    },
    async sink(params) {
      const { name, size } = params;
      const file = { name: String(name), ...(typeof size === 'number' ? { size } : {}) };
      const sink = await deliveryOf(params).sink(file);
      const handle = handles.add({ kind: 'sink', sink } satisfies ServedSink);
      return { handle, name: sink.name, access: sink.access };
    },
    async write(params, { signal, payload }) {
      await sinkOf(params).write(payload, sizeOf(params, 'offset'), signal);
    },
    async finish(params) {
      const { modifiedAt } = params;
      await sinkOf(params).finish(
        sizeOf(params, 'size'),
        typeof modifiedAt === 'number' ? modifiedAt : undefined,
      );
      handles.remove(params.handle);
    },
    async abort(params) {
      await sinkOf(params).abort();
      handles.remove(params.handle);
    },
    commit: (params) => deliveryOf(params).commit(),
    rollback: (params) => deliveryOf(params).rollback(),
    async start(params, { signal }) {
      return deliveryOf(params).start?.(signal);
    },
  };
}

function requestOf(params: Params, signal: AbortSignal, nvram?: Uint8Array): DeliveryRequest {
  const { name, settings, force, sync, reading, runId } = params;
  return {
    name: String(name),
    machine: machineOf(params),
    settings: (settings ?? {}) as DeliveryRequest['settings'],
    force: force === true,
    sync: sync === true,
    runId: String(runId),
    signal,
    ...(Array.isArray(reading) ? { reading: textsOf(reading) } : {}),
    ...(nvram !== undefined && params.nvram === true ? { nvram } : {}),
  };
}

const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
