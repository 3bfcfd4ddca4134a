import { Code, RetakeError } from "@retake/errors";
import type {
  NodeInfo,
  NodeRates,
  PassFlops,
  PassMemory,
} from "../generated/retake/v1/membership.js";
import { protocolVersion } from "../protocol-version.js";
import { badMessage, finiteNumber, present, wholeNumber } from "./bad-message.js";
import { decodeNodeId, decodeToken } from "./ids.js";
import { decodeAddress } from "./task.js";

const modelsMax = 64;
const threadsMax = 1024;
const pidMax = 2 ** 31 - 1;
const bytesMax = 2 ** 50;
const sideMax = 16_384;
const timestepsMax = 100_000;
const nameCharactersMax = 256;
const cardCharactersMax = 64 * 1024;
const rateMax = 1e21;
const passesMax = 64;
const passCostsMax = 16;
const pixelsMax = 2 ** 28;
const framesMax = 4096;
const passMsMax = 1e9;

/**
 * What a node says of itself when it joins.
 *
 * @throws RetakeError  `protocol-mismatch` for a node of another protocol; `bad-message`
 */
export function decodeNodeInfo(given: NodeInfo | undefined): NodeInfo {
  const node = present(given, "node");
  const { nodeId, protocolVersion: version, models } = node;
  decodeNodeId(nodeId);
  if (version !== protocolVersion) {
    const expected = `protocol ${protocolVersion}, got ${version}`;
    const message = `node ${nodeId}: expected ${expected}; run one release in the whole cluster`;
    throw new RetakeError(Code.FailedPrecondition, "protocol-mismatch", message);
  }
  decodeToken(node.incarnation, { subject: "incarnation" });
  decodeAddress(node.address, { subject: `node ${nodeId}: address` });
  decodeToken(node.engine, { subject: "engine" });
  decodeToken(node.numericsId, { subject: "numerics id" });
  decodeToken(node.version, { subject: "version" });
  wholeNumber(node.pid, { subject: "pid", min: 1, max: pidMax });
  wholeNumber(node.threads, { subject: "threads", min: 1, max: threadsMax });
  wholeNumber(node.memoryBytes, { subject: "memory", min: 0, max: bytesMax });
  const hashes = new Set(models.map(({ hash }) => hash));
  if (models.length === 0 || models.length > modelsMax || hashes.size < models.length) {
    const expected = `1 to ${modelsMax} different models`;
    throw badMessage(`node ${nodeId}`, { expected, got: models.length });
  }
  for (const model of models) {
    decodeToken(model.hash, { subject: "model hash" });
    shorter(model.name, { subject: "model name", max: nameCharactersMax });
    shorter(model.cardJson, { subject: "model card", max: cardCharactersMax });
    wholeNumber(model.pictureSide, { subject: "picture side", min: 1, max: sideMax });
    wholeNumber(model.timestepCount, { subject: "timesteps", min: 1, max: timestepsMax });
    wholeNumber(model.tunedParameters, { subject: "tuned parameters", min: 0, max: bytesMax });
    for (const [subject, value] of Object.entries(model.frameCoupling ?? {})) {
      finiteNumber(value, { subject, min: 0, max: rateMax });
    }
    checkPassMemory(model.passMemory);
    checkPassFlops(model.passFlops);
  }
  return node;
}

function checkPassMemory(passes: readonly PassMemory[]): void {
  assertFew(passes, "memory of passes");
  for (const { fixedBytes, bytesPerPixel } of passes) {
    finiteNumber(fixedBytes, { subject: "memory of a pass", min: 0, max: bytesMax });
    finiteNumber(bytesPerPixel, { subject: "memory of a pixel", min: 0, max: bytesMax });
  }
}

function checkPassFlops(passes: readonly PassFlops[]): void {
  assertFew(passes, "operations of passes");
  for (const { flopsPerPixel, flopsPerPixelPair } of passes) {
    finiteNumber(flopsPerPixel, { subject: "operations of a pixel", min: 0, max: rateMax });
    finiteNumber(flopsPerPixelPair, { subject: "operations of a pair", min: 0, max: rateMax });
  }
}

function assertFew(passes: readonly unknown[], subject: string): void {
  if (passes.length <= passCostsMax) return;
  throw badMessage(subject, { expected: `at most ${passCostsMax}`, got: passes.length });
}

/** @throws RetakeError  `bad-message`; rates that were not measured yet are 0 */
export function decodeNodeRates(rates: NodeRates | undefined): NodeRates {
  const given = present(rates, "rates");
  const { passes, ...speeds } = given;
  for (const [subject, value] of Object.entries(speeds)) {
    finiteNumber(value, { subject, min: 0, max: rateMax });
  }
  if (passes.length > passesMax) {
    throw badMessage("passes", { expected: `at most ${passesMax}`, got: passes.length });
  }
  for (const { modelHash, frames, pixelsPerFrame, durationMs, passesAtOnce } of passes) {
    decodeToken(modelHash, { subject: "pass: model hash" });
    wholeNumber(frames, { subject: "pass: frames", min: 1, max: framesMax });
    wholeNumber(pixelsPerFrame, { subject: "pass: pixels per frame", min: 1, max: pixelsMax });
    wholeNumber(passesAtOnce, { subject: "pass: at once", min: 1, max: threadsMax });
    finiteNumber(durationMs, { subject: "pass: duration", min: 0, max: passMsMax });
  }
  return given;
}

function shorter(text: string, { subject, max }: { subject: string; max: number }): void {
  if (text.length <= max) return;
  throw badMessage(subject, { expected: `at most ${max} characters`, got: text.length });
}
