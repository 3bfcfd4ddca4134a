import { fromUnknown } from "@retake/errors";
import { type BidiCall, openBidi } from "@retake/wire";
import { jobToken } from "@retake/wire/exchange";
import {
  PeerServiceClient,
  type PredictBranchRequest,
  type PredictBranchResponse,
} from "@retake/wire/peer";
import type { Transport } from "@retake/wire/tls";
import { float32Values } from "../tasks/host-tensors.js";
import type { BranchHelper } from "../tasks/sample.js";
import { bytesOfValues, valuesOfBytes } from "./latent-bytes.js";
import type { LentBranch } from "./lent-peers.js";

/** A peer is given up that takes longer than this, and than several passes of this node. */
const patienceMsMinDefault = 5_000;
const patiencePasses = 4;

interface Asked {
  readonly timestep: number;
  readonly answer: (prediction: Float32Array | undefined) => void;
}

export interface BranchLinkOptions {
  readonly transport: Transport;
  /** Of the edit. */
  readonly jobKey: Uint8Array;
  /** Of the latents. */
  readonly shape: readonly number[];
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** How long a peer may always take. Default 5 s. */
  readonly patienceMsMin?: number | undefined;
  /** Told why a peer helps no more. */
  readonly onLost: (reason: string) => void;
}

/**
 * The node that computes one branch for a task that samples. It helps from when it is ready until
 * it fails or is silent; whoever samples then computes that branch itself.
 */
export class BranchLink {
  readonly #client: PeerServiceClient;
  readonly #call: BidiCall<PredictBranchRequest, PredictBranchResponse>;
  readonly #options: BranchLinkOptions;
  readonly #address: string;
  #state: "loading" | "ready" | "over" = "loading";
  #asked: Asked | undefined;

  constructor({ address, branchTaskId, epoch }: LentBranch, options: BranchLinkOptions) {
    const subject = `branch ${branchTaskId} at ${address}`;
    this.#options = options;
    this.#address = address;
    const { signal, shape, transport, jobKey } = options;
    this.#client = new PeerServiceClient(...transport.to(address, "node"));
    this.#call = openBidi(this.#client.predictBranch.bind(this.#client), { subject, signal });
    const token = jobToken(jobKey, ["branch", branchTaskId]);
    const value = { taskId: branchTaskId, epoch, shape: [...shape], jobToken: token };
    void this.#send({ $case: "open", value });
    void this.#read();
  }

  readonly ask: BranchHelper = ({ latents, timestep }) => {
    if (this.#state !== "ready" || this.#asked !== undefined) return undefined;
    const { nowMs, patienceMsMin = patienceMsMinDefault } = this.#options;
    const beganMs = nowMs();
    const answered = new Promise<Float32Array | undefined>((answer) => {
      this.#asked = { timestep, answer };
    });
    const bytes = bytesOfValues(float32Values(latents));
    void this.#send({ $case: "pass", value: { timestep, latents: bytes } });
    return async () => {
      const patienceMs = Math.max(patienceMsMin, patiencePasses * (nowMs() - beganMs));
      const lose = (): void => this.#end(`silent for ${Math.round(patienceMs)} ms`);
      const timer = setTimeout(lose, patienceMs);
      return answered.finally(() => clearTimeout(timer));
    };
  };

  /** Asks for no more: the peer's task ends. */
  close(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#call.end();
  }

  async #send(request: NonNullable<PredictBranchRequest["request"]>): Promise<void> {
    // A call that is broken says why to its reader.
    await this.#call.send({ request }).catch(() => undefined);
  }

  async #read(): Promise<void> {
    try {
      for await (const { response } of this.#call.responses) {
        if (response?.$case === "ready" && this.#state === "loading") this.#state = "ready";
        if (response?.$case !== "prediction") continue;
        const { timestep, predictedNoise } = response.value;
        this.#onPrediction(timestep, predictedNoise);
      }
      this.#end("it has ended");
    } catch (thrown) {
      this.#end(fromUnknown(thrown, "its call").message);
    } finally {
      this.#client.close();
    }
  }

  #onPrediction(timestep: number, bytes: Uint8Array): void {
    const asked = this.#asked;
    if (asked === undefined || asked.timestep !== timestep) return;
    const { data } = valuesOfBytes(bytes, this.#options.shape);
    this.#asked = undefined;
    asked.answer(Float32Array.from(data));
  }

  #end(reason: string): void {
    const asked = this.#asked;
    this.#asked = undefined;
    const isNews = this.#state !== "over";
    this.#state = "over";
    this.#call.cancel();
    asked?.answer(undefined);
    if (isNews) this.#options.onLost(`the peer at ${this.#address} helps no more: ${reason}`);
  }
}
