import type { HostTensors, LoadedProgram } from "./engine.js";

/** A worker's copy of a program, and how many runs wait for it. */
interface Lane {
  readonly program: LoadedProgram;
  waiting: number;
}

/**
 * One program on several workers, as one: runs that overlap go to different workers. All give the
 * same bits, so that it does not matter which one runs what.
 *
 * @param first       the program on one worker; the result's from here on
 * @param loadOthers  loads it on the others: begun at the first run, which goes on meanwhile. An
 *                    edit inverts with one pass at a time before it samples with two
 */
export function parallelProgram(
  first: LoadedProgram,
  loadOthers: readonly (() => Promise<LoadedProgram>)[],
): LoadedProgram {
  const lanes: Lane[] = [{ program: first, waiting: 0 }];
  let fixed: HostTensors | undefined;
  let joining: Promise<unknown> | undefined;
  let hasFailed = false;

  const join = async (load: () => Promise<LoadedProgram>): Promise<void> => {
    const program = await load();
    let given: HostTensors | undefined;
    while (given !== fixed) {
      given = fixed;
      if (given !== undefined) await program.fix(copied(given));
    }
    lanes.push({ program, waiting: 0 });
  };
  const begin = (): Promise<unknown> => {
    const all = Promise.all(loadOthers.map(join));
    all.catch(() => {
      hasFailed = true;
    });
    return all;
  };
  return {
    passesAtOnce: 1 + loadOthers.length,
    run: async (inputs, options) => {
      joining ??= begin();
      if (hasFailed) await joining;
      const lane = lanes.reduce((least, next) => (next.waiting < least.waiting ? next : least));
      lane.waiting += 1;
      try {
        return await lane.program.run(inputs, options);
      } finally {
        lane.waiting -= 1;
      }
    },
    fix: async (inputs) => {
      // For those that are still to come.
      if (lanes.length <= loadOthers.length) fixed = copied(inputs);
      const given = lanes.slice(1).map(({ program }) => program.fix(copied(inputs)));
      await Promise.all([...given, first.fix(inputs)]);
    },
    createTuner: (start) => first.createTuner(start),
    close: async () => {
      await Promise.allSettled([joining]);
      await Promise.all(lanes.map(({ program }) => program.close()));
    },
  };
}

function copied(inputs: HostTensors): HostTensors {
  const entries = Object.entries(inputs);
  return Object.fromEntries(
    entries.map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
}
