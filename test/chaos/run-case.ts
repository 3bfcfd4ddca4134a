import { once } from "node:events";
import { Code, type FaultPoint, RetakeError } from "@retake/errors";
import { type Edit, EditState } from "@retake/wire/edit";
import { type ChaosCase, editSettings, snapshotEverySteps } from "./cases.js";
import type { ChaosCluster } from "./chaos-cluster.js";
import { inflict } from "./faults.js";
import type { Holding } from "./held-process.js";

/** What every edit must come to, and what all replicas have said so far of each step. */
export interface Expected {
  /** SHA-256 of the tuned tensors. */
  readonly delta: string;
  /** SHA-256 of result files, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** Hashes of gradients and weights by step: every replica of every case says the same. */
  readonly hashes: Map<string, string>;
}

export interface CaseEnd {
  /** What was wrong; empty: nothing. */
  readonly problems: readonly string[];
  /** From the fault to the next committed step, or iteration; undefined without a fault. */
  readonly recoveryMs: number | undefined;
  readonly durationMs: number;
  readonly recoveries: number;
}

const caseDurationMsMax = 150_000;

/** One case: it holds the processes at their points, and breaks what it should where it should. */
export class CaseRun {
  readonly #about: ChaosCase;
  readonly #expected: Expected;
  readonly #problems: string[] = [];
  readonly #inflicting: Promise<void>[] = [];
  #cluster: ChaosCluster | undefined;
  #editId: Promise<string> = Promise.resolve("");
  #sprungMs: number | undefined;
  #recoveredMs: number | undefined;
  /** Of a case in which a node joins: whether it has been killed, so that it joins again. */
  #hasJoiner = false;
  #iterations = 0;
  isDiskFull = false;

  constructor(about: ChaosCase, expected: Expected) {
    this.#about = about;
    this.#expected = expected;
  }

  async run(cluster: ChaosCluster, videoId: string): Promise<CaseEnd> {
    const { client } = cluster;
    this.#cluster = cluster;
    const startedMs = performance.now();
    const { name, seed } = this.#about;
    const requestId = `${name} ${seed} ${startedMs}`.replaceAll(/[^a-z0-9]+/g, "-");
    const request = { requestId, settings: editSettings, snapshotEverySteps };
    this.#editId = client.submit(videoId, request);
    const id = await this.#editId;
    const late = AbortSignal.timeout(caseDurationMsMax);
    const edit = await client.watch(id, isEnded, late).catch((thrown: unknown) => {
      if (late.aborted) return client.get(id);
      throw thrown;
    });
    await Promise.race([Promise.all(this.#inflicting), aborted(late)]);
    if (edit !== undefined) await this.#compare(edit);
    if (this.#about.fault !== "none" && this.#sprungMs === undefined) {
      this.#problems.push("the moment never came");
    }
    const [sprungMs, recoveredMs] = [this.#sprungMs ?? 0, this.#recoveredMs];
    return {
      problems: this.#problems,
      recoveryMs: recoveredMs === undefined ? undefined : recoveredMs - sprungMs,
      durationMs: performance.now() - startedMs,
      recoveries: edit?.recoveries ?? 0,
    };
  }

  /** Answers a process at a point: at once, unless this is where something breaks. */
  onHeld(holding: Holding): void {
    const { point, answer } = holding;
    this.#note(holding);
    if (point === "artifact-write") answer(this.isDiskFull ? "ENOSPC" : undefined);
    else if (this.#isJoin(holding)) this.#inflicting.push(this.#join(holding));
    else if (this.#isMoment(holding)) this.#spring(holding);
    else answer();
  }

  #spring(holding: Holding): void {
    this.#sprungMs = performance.now();
    const cluster = this.#cluster;
    if (cluster === undefined) throw new Error("held before the case began");
    const work = inflict(this.#about, {
      ...{ cluster, holding, editId: this.#editId },
      setDiskFull: (isFull) => {
        this.isDiskFull = isFull;
      },
    });
    const noted = work.catch((thrown: unknown) => {
      this.#problems.push(`breaking it failed: ${String(thrown)}`);
      holding.answer();
    });
    this.#inflicting.push(noted);
  }

  #isMoment({ point, about, process }: Holding): boolean {
    const { fault, moment, step, victim } = this.#about;
    if (fault === "none" || point !== moment || this.#sprungMs !== undefined) return false;
    const isVictim = process.name === `node-${victim + 1}`;
    switch (moment) {
      case "in-join":
        return this.#hasJoiner && isVictim;
      case "in-sampling":
        return this.#iterations === step;
      case "in-snapshot":
        return Number(about["step"]) >= step;
      case "before-publish":
      case "after-publish":
        // Who tunes from the first step on is the planner's choice.
        return about["step"] === step && (isVictim || step === 0);
      default:
        return about["step"] === step;
    }
  }

  #isJoin({ point, about }: Holding): boolean {
    const { moment, step } = this.#about;
    const isTime = point === "before-commit" && about["step"] === step;
    return moment === "in-join" && isTime && !this.#hasJoiner;
  }

  /** Kills a member while a commit is held, so that the next quorum has to take it in. */
  async #join({ answer }: Holding): Promise<void> {
    this.#hasJoiner = true;
    const { cluster, victim } = { cluster: this.#cluster, victim: this.#about.victim };
    const joined = cluster?.said(new RegExp(`node node-${victim + 1} holds its place`));
    cluster?.nodes[victim]?.process.signal("SIGKILL");
    await joined;
    answer();
  }

  /** Compares what a replica says with what all others said, and sees that the edit goes on. */
  #note({ point, about }: Holding): void {
    const { step = "", gradientHash = "", weightsHash = "" } = about;
    for (const [what, hash] of Object.entries({ gradientHash, weightsHash })) {
      if (hash === "") continue;
      const key = `${what} ${step}`;
      const known = this.#expected.hashes.get(key) ?? String(hash);
      this.#expected.hashes.set(key, known);
      if (known !== hash) this.#problems.push(`${key} differs at ${about["nodeId"]}`);
    }
    if (point === "in-sampling") this.#iterations += 1;
    if (this.#sprungMs !== undefined && this.#isNews(point, Number(step))) {
      this.#recoveredMs ??= performance.now();
    }
  }

  /** Whether this shows that the edit goes on: what was done before the fault does not. */
  #isNews(point: FaultPoint, committedStep: number): boolean {
    const { moment, step } = this.#about;
    if (moment === "in-sampling") return point === "in-sampling";
    if (point !== "after-commit") return false;
    return moment === "before-commit" ? committedStep > step : true;
  }

  async #compare(edit: Edit): Promise<void> {
    if (edit.state !== EditState.EDIT_STATE_SUCCEEDED) {
      this.#problems.push(`${edit.state}: ${edit.failure?.message ?? edit.reason}`);
      return;
    }
    const { client } = this.#cluster ?? {};
    if (client === undefined) throw new RetakeError(Code.Internal, "bug", "no cluster");
    const { delta, files, hashes } = this.#expected;
    const got: Record<string, string> = {};
    for (const { name, artifactId } of edit.files) got[name] = artifactId;
    for (const [name, sha256] of Object.entries(files)) {
      if (got[name] !== sha256) this.#problems.push(`${name} differs`);
    }
    if ((await client.tensorsDigest(edit.id)) !== delta) this.#problems.push("the delta differs");
    const frames = (await client.frameDigests(edit.id)).join();
    const known = hashes.get("frames") ?? frames;
    hashes.set("frames", known);
    if (frames !== known) this.#problems.push("frames differ");
    const final = hashes.get(`weightsHash ${editSettings.steps - 1}`);
    if (edit.weightsHash !== final) this.#problems.push("the hash of the weights differs");
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}

const ended: readonly EditState[] = [
  ...[EditState.EDIT_STATE_SUCCEEDED, EditState.EDIT_STATE_FAILED],
  ...[EditState.EDIT_STATE_CANCELED, EditState.EDIT_STATE_EXPIRED],
];
const isEnded = ({ state }: Edit): boolean => ended.includes(state);
