import type { HostTensors, LoadedProgram } from "./engine.js";

/**
 * One program on several workers, as one: runs that overlap go to different workers. All give the
 * same bits, so that it does not matter which one runs what.
 *
 * @param copies  the program as each worker has it; at least one, and the result's from here on
 */
export function parallelProgram(
  copies: readonly [LoadedProgram, ...LoadedProgram[]],
): LoadedProgram {
  const lanes = copies.map((program) => ({ program, waiting: 0 }));
  const [first, ...others] = copies;
  return {
    passesAtOnce: copies.length,
    run: async (inputs, options) => {
      const lane = lanes.reduce((least, next) => (next.waiting < least.waiting ? next : least));
      lane.waiting += 1;
      try {
        return await lane.program.run(inputs, options);
      } finally {
        lane.waiting -= 1;
      }
    },
    fix: async (inputs) => {
      const given = others.map((program) => program.fix(copied(inputs)));
      await Promise.all([...given, first.fix(inputs)]);
    },
    createTuner: (start) => first.createTuner(start),
    close: async () => {
      await Promise.all(copies.map((program) => program.close()));
    },
  };
}

function copied(inputs: HostTensors): HostTensors {
  const entries = Object.entries(inputs);
  return Object.fromEntries(
    entries.map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
}
