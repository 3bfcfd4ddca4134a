import { Code, faultPoint, RetakeError } from "@retake/errors";
import { gradientNorm, paperAdamW } from "@retake/model/tuning";
import { failureOf } from "@retake/wire";
import { decodeQuorum } from "@retake/wire/decoders";
import type { CommitStep, Quorum, TuneRequest, TuneResponse } from "@retake/wire/node";
import { drawsOfRank, type Exchange } from "../exchange/index.js";
import type { Tuner } from "../runtime/engine.js";
import { drawInputs, drawSpec } from "../tasks/draw-inputs.js";
import { gradientNormMax } from "../tasks/tune.js";
import { saveDelta } from "../tasks/tuned-delta.js";
import { namedTensors, untuned } from "../tasks/tuned-tensors.js";
import { writeSnapshot } from "../tasks/tuning-snapshot.js";
import type { NodeContext } from "./node-context.js";
import { type SendChunk, sendFile } from "./send-file.js";
import type { TaskContext } from "./task-board.js";
import { journalAt, stateOf, type TuneSetting } from "./tune-state.js";

type TuneEvent = NonNullable<TuneResponse["event"]>;

/** Committed steps between two hashes of the whole vector, which members must agree on. */
const weightsHashEverySteps = 10;

/** The step under way. */
interface OpenStep {
  readonly stop: AbortController;
  /** Settles when nothing of the step runs any more; never rejects. */
  readonly ended: Promise<void>;
}

/** A reduced step that waits for its commit. */
interface Reduced {
  readonly gradient: Float32Array;
  readonly norm: number;
}

/**
 * One member's side of a tuning: draws, reduces with the others, and applies what was committed.
 *
 * Requests are handled one after the other; the step runs beside them, so that a new quorum ends it
 * at once.
 */
export class TuneSession {
  readonly #context: NodeContext;
  readonly #setting: TuneSetting;
  readonly #exchange: Exchange;
  readonly #running: TaskContext;
  readonly #send: (event: TuneEvent) => Promise<void>;
  readonly #onFault: (thrown: unknown) => void;
  #tuner: Tuner | undefined;
  #quorum: Quorum | undefined;
  #committedSteps = 0;
  #attempts = 0;
  #step: OpenStep | undefined;
  #reduced: Reduced | undefined;
  /** What reads or changes the state goes one after the other, peers' questions included. */
  #serial: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(
    context: NodeContext,
    setting: TuneSetting,
    options: {
      readonly exchange: Exchange;
      readonly running: TaskContext;
      readonly send: (event: TuneEvent) => Promise<void>;
      /** Told of what ends the session from within a step. */
      readonly onFault: (thrown: unknown) => void;
    },
  ) {
    this.#context = context;
    this.#setting = setting;
    this.#exchange = options.exchange;
    this.#running = options.running;
    this.#send = options.send;
    this.#onFault = options.onFault;
  }

  get jobKey(): Uint8Array {
    return this.#setting.task.jobKey;
  }

  /** @returns  whether the tuning is over */
  async handle({ request }: TuneRequest): Promise<boolean> {
    switch (request?.$case) {
      case "quorum":
        await this.#inTurn(() => this.#onQuorum(decodeQuorum(request.value)));
        return false;
      case "commit":
        await this.#inTurn(() => this.#onCommit(request.value));
        return false;
      case "snapshot":
        await this.#inTurn(() => this.#sendOwnSnapshot());
        return false;
      case "finish":
        await this.#inTurn(() => this.#onFinish());
        return true;
      default:
        throw badTurn(`a request after the start, got ${request?.$case ?? "nothing"}`);
    }
  }

  /**
   * Sends the state of a committed step, as a snapshot.
   *
   * @throws RetakeError  `quorum-changed` if this member is at another step
   */
  async sendSnapshot(committedSteps: number, send: SendChunk): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#tuner !== undefined && this.#committedSteps === committedSteps) {
        await this.#sendSnapshot(send);
        return;
      }
      const got = this.#tuner === undefined ? "none" : `step ${this.#committedSteps}`;
      throw badTurn(`the state of step ${committedSteps} here, got ${got}`);
    });
  }

  async close(): Promise<void> {
    this.#step?.stop.abort("the tuning has ended");
    await this.#inTurn(async () => {
      this.#isClosed = true;
      await this.#endStep("the tuning has ended");
      this.#exchange.close();
      await this.#tuner?.close();
      this.#tuner = undefined;
    });
  }

  #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const result = this.#serial.then(() => {
      if (this.#isClosed) throw badTurn("a tuning that goes on, got one that has ended");
      return work();
    });
    // Whoever asked is told; the next one in turn does not care.
    this.#serial = result.catch(() => undefined);
    return result;
  }

  async #onQuorum(quorum: Quorum): Promise<void> {
    await this.#endStep(`quorum ${quorum.quorumId} begins`);
    const { quorumId, members, shardCount, committedSteps, attempts, weightsHash } = quorum;
    const nodeIds = members.map(({ nodeId }) => nodeId);
    this.#exchange.setQuorum({ quorumId, nodeIds, shardCount });
    await this.#takeState(quorum);
    this.#quorum = quorum;
    this.#committedSteps = committedSteps;
    this.#attempts = attempts;
    const hash = await this.#openTuner().weightsHash();
    if (weightsHash !== "" && weightsHash !== hash) {
      const got = `${hash.slice(0, 12)}; copy the state of another member`;
      const message = `weights: expected ${weightsHash.slice(0, 12)}, got ${got}`;
      throw new RetakeError(Code.DataLoss, "weights-differ", message);
    }
    const value = { quorumId, committedSteps, weightsHash: hash };
    await this.#send({ $case: "ready", value });
    this.#beginStep();
  }

  async #takeState(quorum: Quorum): Promise<void> {
    const { signal } = this.#running;
    const state = await stateOf(this.#context, this.#setting, { quorum, signal });
    if (state === undefined) {
      if (this.#tuner !== undefined && this.#committedSteps === quorum.committedSteps) return;
      const got = this.#tuner === undefined ? "none" : `that of ${this.#committedSteps}`;
      throw badTurn(`the state of step ${quorum.committedSteps} to be here, got ${got}`);
    }
    await this.#tuner?.close();
    const { model, layout, tensors } = this.#setting;
    await model.programs.keepOnly("unet-gradients");
    const fixed = async () => untuned(layout, tensors);
    const start = { layout, state, fixed };
    this.#tuner = await model.programs.createTuner(drawSpec(model, this.#setting), start);
  }

  async #onCommit({ quorumId, step }: CommitStep): Promise<void> {
    const reduced = this.#reduced;
    const isOurs = quorumId === this.#quorum?.quorumId && step === this.#committedSteps;
    if (reduced === undefined || !isOurs) {
      throw badTurn(`a commit of the step that was reduced here, got ${quorumId}/${step}`);
    }
    this.#reduced = undefined;
    const tuner = this.#openTuner();
    const { rate: learningRate, steps } = this.#setting.settings;
    const settings = { ...paperAdamW, learningRate };
    await tuner.applyGradient({ ...reduced, step, settings, gradientNormMax });
    await this.#endStep(`step ${step} is committed`);
    this.#committedSteps += 1;
    this.#attempts += 1;
    const isHashed =
      this.#committedSteps % weightsHashEverySteps === 0 || this.#committedSteps === steps;
    const weightsHash = isHashed ? await tuner.weightsHash() : "";
    await faultPoint("applied", { nodeId: this.#context.nodeId, step, weightsHash });
    await this.#send({ $case: "applied", value: { quorumId, step, weightsHash } });
    this.#send({
      $case: "report",
      value: { report: { $case: "progress", value: { done: this.#committedSteps, total: steps } } },
    }).catch(() => undefined);
    await this.#handOverIfDraining();
    this.#beginStep();
  }

  async #onFinish(): Promise<void> {
    await this.#endStep("the tuning is over");
    const { model, layout, settings, sourcePrompt, clipHash } = this.#setting;
    const { rate, draws, temporalStart, memory, mode, seed } = settings;
    const { weights } = await this.#openTuner().state();
    const step = this.#committedSteps;
    const header = {
      // The node knows the clip by the moments of it.
      ...{ baseHash: model.files.hash, clipHash, prompts: [sourcePrompt] },
      ...{ seed, step, mode },
      settings: {
        ...{ rate, draws, temporalStart, memory, base: model.files.name },
        ...{ numericsIds: [model.numericsId], abandonedSteps: this.#attempts - step },
      },
    };
    const delta = { tensors: namedTensors(layout, weights), header };
    await sendFile(
      this.#context.workFolder,
      (path) => saveDelta(path, delta),
      (value) => this.#send({ $case: "delta", value }),
    );
  }

  /** A node that drains gives its state away: nobody else may have it. */
  async #handOverIfDraining(): Promise<void> {
    try {
      this.#running.assertGoesOn();
    } catch (thrown) {
      if (this.#committedSteps < this.#setting.settings.steps) {
        await this.#sendOwnSnapshot();
        throw thrown;
      }
    }
  }

  async #sendOwnSnapshot(): Promise<void> {
    await this.#sendSnapshot((value) => this.#send({ $case: "snapshot", value }));
  }

  async #sendSnapshot(send: SendChunk): Promise<void> {
    const { settingsHash } = this.#setting;
    const at = { committedSteps: this.#committedSteps, attempts: this.#attempts };
    const snapshot = {
      state: await this.#openTuner().state(),
      journal: journalAt(this.#setting, at),
    };
    const write = async (path: string): Promise<void> => {
      await writeSnapshot({ path, settingsHash }, snapshot);
      await faultPoint("in-snapshot", { nodeId: this.#context.nodeId, step: at.committedSteps });
    };
    await sendFile(this.#context.workFolder, write, send);
  }

  #openTuner(): Tuner {
    if (this.#tuner !== undefined) return this.#tuner;
    throw badTurn("a quorum first, got none");
  }

  #beginStep(): void {
    const quorum = this.#quorum;
    if (quorum === undefined || this.#committedSteps >= this.#setting.settings.steps) return;
    const stop = new AbortController();
    const ended = this.#runStep(quorum, stop.signal).catch((thrown: unknown) => {
      if (!stop.signal.aborted) this.#onFault(thrown);
    });
    this.#step = { stop, ended };
  }

  /** Ends the step under way: nothing of it is kept, unless it was committed. */
  async #endStep(reason: string): Promise<void> {
    this.#step?.stop.abort(reason);
    this.#exchange.endStep();
    await this.#step?.ended;
    this.#step = undefined;
    this.#reduced = undefined;
    await this.#tuner?.abandonStep();
  }

  async #runStep(quorum: Quorum, signal: AbortSignal): Promise<void> {
    const { quorumId, members } = quorum;
    const tuner = this.#openTuner();
    const step = this.#committedSteps;
    const drawCount = this.#setting.settings.draws;
    const attempts = this.#attempts;
    const rank = members.findIndex(({ nodeId }) => nodeId === this.#context.nodeId);
    const { begin, end } = drawsOfRank({ drawCount, worldSize: members.length }, rank);
    let lossSum = 0;
    for (let drawIndex = begin; drawIndex < end; drawIndex += 1) {
      const inputs = drawInputs(this.#setting.model, this.#setting, {
        attempt: attempts,
        drawIndex,
      });
      lossSum += await tuner.addDraw({ drawIndex, inputs }, { signal });
      signal.throwIfAborted();
    }
    const own = { quorumId, step, lossSum, drawCount: end - begin };
    if (!Number.isFinite(lossSum)) {
      const none = { finite: false, gradientHash: "", gradientNorm: 0 };
      await this.#send({ $case: "reduced", value: { ...own, ...none } });
      return;
    }
    const partials = await tuner.takeSums();
    const at = { nodeId: this.#context.nodeId, step };
    await faultPoint("before-publish", at);
    const turn = { quorumId, step, attempts };
    const outcome = await this.#exchange.reduce({ ...turn, drawCount, partials, signal });
    if (signal.aborted) return;
    if (outcome.outcome === "failed") {
      const failure = failureOf(
        new RetakeError(Code.Unavailable, "unreachable", `step ${step}: ${outcome.reason}`),
      );
      const suspectNodeId = outcome.suspectNodeId ?? "";
      const value = { quorumId, step, suspectNodeId, failure };
      await this.#send({ $case: "failed", value });
      return;
    }
    const { gradient, sumsOfSquares, gradientHash } = outcome;
    const norm = gradientNorm(sumsOfSquares);
    const finite = Number.isFinite(norm);
    if (finite) this.#reduced = { gradient, norm };
    await faultPoint("after-publish", { ...at, gradientHash });
    if (signal.aborted) return;
    const value = { ...own, finite, gradientHash, gradientNorm: norm };
    await this.#send({ $case: "reduced", value });
  }
}

function badTurn(expected: string): RetakeError {
  const message = `tuning: expected ${expected}`;
  return new RetakeError(Code.FailedPrecondition, "quorum-changed", message);
}
