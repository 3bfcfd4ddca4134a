import { describe, expect, it } from "vitest";
import { fakeEnvironment } from "../testing/fake-environment.js";
import { Reporter, type Verbosity } from "./reporter.js";

/** A phase of 10 units that take 2 s each; the first two were there before. */
async function reported(verbosity: Verbosity, columns?: number) {
  const environment = fakeEnvironment(columns === undefined ? {} : { columns });
  const reporter = new Reporter(environment, verbosity);
  await reporter.phase("tune", async ({ progress }) => {
    for (let done = 2; done <= 10; done += 1) {
      progress({ done, total: 10 });
      if (done < 10) environment.passMs(2000);
    }
  });
  return { reporter, err: environment.said.err };
}

describe("Reporter", () => {
  it("says a plain line every five seconds, with rate and time left of what is new", async () => {
    const { err } = await reported("lines");
    expect(err.split("\n")).toEqual([
      "tune: 5 of 10, 2.0 s each, 10 s left",
      "tune: 8 of 10, 2.0 s each, 4.0 s left",
      "tune: 16 s",
      "",
    ]);
  });

  it("draws one line again and again on a terminal, and takes it away at the end", async () => {
    const { err } = await reported("lines", 30);
    const lines = err.split("\r\u001b[2K");
    expect(lines.length).toBe(9);
    expect(lines[0]).toBe("tune: 3 of 10, 2.0 s each, 14 ".slice(0, 29));
    expect(lines.at(-1)).toBe("tune: 16 s\n");
  });

  it("says each event as one line of JSON where asked to", async () => {
    const { err } = await reported("json");
    const events = err
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toEqual({ event: "phase", phase: "tune" });
    expect(events[1]).toEqual({
      ...{ event: "progress", phase: "tune", done: 5, total: 10, secondsLeft: 10 },
    });
    expect(events.at(-1)).toEqual({
      ...{ event: "phase-done", phase: "tune", seconds: 16, reused: false },
    });
  });

  it("says nothing where asked to be quiet, but keeps the times", async () => {
    const { err, reporter } = await reported("quiet");
    expect(err).toBe("");
    expect(reporter.times).toEqual({ tune: { seconds: 16, reused: false } });
    expect(reporter.current).toBe("tune");
  });

  it("says what is counted, where the phase's name does not", async () => {
    const environment = fakeEnvironment();
    await new Reporter(environment, "lines").phase("model", async ({ progress }) => {
      progress({ done: 0, total: 40, unit: "MB" });
      environment.passMs(10_000);
      progress({ done: 20, total: 40, unit: "MB" });
    });
    expect(environment.said.err).toContain("model: 20 of 40 MB, 2.0/s, 10 s left\n");
  });

  it("says what was taken from the cache, and warnings", async () => {
    const environment = fakeEnvironment();
    const reporter = new Reporter(environment, "lines");
    await reporter.phase("encode", async ({ reuse }) => reuse());
    reporter.warn("careful");
    reporter.note("done");
    expect(environment.said.err).toBe("encode: taken from the cache\nwarning: careful\ndone\n");
    expect(reporter.times.encode?.reused).toBe(true);
  });
});
