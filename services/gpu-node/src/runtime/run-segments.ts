import type { Exchange, NamedRuns, SegmentedProgram } from "@retake/compile";
import { Code, RetakeError } from "@retake/errors";
import type { Exchanger, HostTensor, HostTensors } from "./engine.js";

type Values = Map<string, Float32Array>;

/**
 * Runs one rank's segments, and exchanges between them.
 *
 * @param terms.inputs   the program's
 * @param terms.run      runs a segment on the inputs that it takes, by name
 * @returns              the program's results
 */
export async function runSegments(
  { segments, results }: SegmentedProgram,
  terms: {
    readonly inputs: HostTensors;
    readonly run: (segment: number, inputs: HostTensors) => Promise<HostTensors>;
    readonly exchange: Exchanger;
    readonly shapes: ReadonlyMap<string, readonly number[]>;
  },
): Promise<HostTensors> {
  const values: Values = new Map();
  const found = new Set(results.map(({ value }) => value));
  for (const [at, { graph, exchange, freed }] of segments.entries()) {
    const feeds = graph.inputs.map(({ origin, shape }): [string, HostTensor] => {
      const name = origin.kind === "input" ? origin.name : "";
      const data = values.get(name);
      return [name, data === undefined ? given(terms.inputs, name) : { shape, data }];
    });
    const outputs = graph.nodes.length === 0 ? {} : await terms.run(at, Object.fromEntries(feeds));
    for (const [name, { data }] of Object.entries(outputs)) {
      if (data instanceof Float32Array) values.set(name, data);
    }
    if (exchange !== undefined) await exchanged(exchange, { values, exchanger: terms.exchange });
    for (const name of freed) if (!found.has(name)) values.delete(name);
  }
  return Object.fromEntries(
    results.map(({ name, value }) => {
      return [name, { shape: terms.shapes.get(name) ?? [], data: valueNamed(values, value) }];
    }),
  );
}

/** One exchange: what leaves is packed, what comes is put where it belongs. */
async function exchanged(
  exchange: Exchange,
  { values, exchanger }: { readonly values: Values; readonly exchanger: Exchanger },
): Promise<void> {
  const sends = exchange.sends.map((parts) => packed(parts, values));
  const lengths = exchange.receives.map(lengthOf);
  const received = await exchanger({ sends, lengths });
  for (const { name, elements } of exchange.outputs) values.set(name, new Float32Array(elements));
  for (const { from, to } of exchange.copies) unpack([to], packed([from], values), values);
  for (const [rank, parts] of exchange.receives.entries()) {
    const message = received[rank] ?? new Float32Array(0);
    if (message.length !== lengths[rank]) {
      const text = `rank ${rank}: expected ${lengths[rank]} values, got ${message.length}`;
      throw new RetakeError(Code.Internal, "engine-failed", text);
    }
    unpack(parts, message, values);
  }
}

function lengthOf(parts: readonly NamedRuns[]): number {
  return parts.reduce((sum, { count, length }) => sum + count * length, 0);
}

function packed(parts: readonly NamedRuns[], values: Values): Float32Array {
  const message = new Float32Array(lengthOf(parts));
  let at = 0;
  for (const { name, offset, count, length, stride } of parts) {
    const source = valueNamed(values, name);
    for (let run = 0; run < count; run += 1) {
      const begin = offset + run * stride;
      message.set(source.subarray(begin, begin + length), at);
      at += length;
    }
  }
  return message;
}

function unpack(parts: readonly NamedRuns[], message: Float32Array, values: Values): void {
  let at = 0;
  for (const { name, offset, count, length, stride } of parts) {
    const target = valueNamed(values, name);
    for (let run = 0; run < count; run += 1) {
      target.set(message.subarray(at, at + length), offset + run * stride);
      at += length;
    }
  }
}

function valueNamed(values: Values, name: string): Float32Array {
  const value = values.get(name);
  if (value === undefined) throw new Error(`segments: nobody gave ${name}`);
  return value;
}

function given(inputs: HostTensors, name: string): HostTensor {
  const tensor = inputs[name];
  if (tensor === undefined) throw new Error(`segments: nobody gave the input ${name}`);
  return tensor;
}
