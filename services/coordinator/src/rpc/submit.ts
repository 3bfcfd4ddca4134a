import { createHash } from "node:crypto";
import { join } from "node:path";
import { Code, RetakeError } from "@retake/errors";
import { badMessage, decodeArtifactId, present, wholeNumber } from "@retake/wire/decoders";
import { Layout, type Settings, type EditSpec as SpecMessage } from "@retake/wire/edit";
import type { ModelInfo } from "@retake/wire/membership";
import type { EditSettings, EditSpec } from "../job/edit-record.js";
import { assertClipSize, fitSize, type Size } from "../media/clip-size.js";
import { probeVideo } from "../media/probe.js";
import { checkPrompts } from "../settings/check-prompts.js";
import { chosenSettings, decodeSettings } from "../settings/chosen-settings.js";
import { clipSizeOf } from "../settings/clip-places.js";
import { badOption } from "../settings/decode-setting.js";
import type { PartialSettings } from "../settings/setting-specs.js";
import type { ArtifactStore } from "../store/artifact-store.js";
import { copyArtifact, withWorkFolder } from "../tasks/artifact-file.js";
import { type ModelCatalog, settingsOfCard } from "./model-catalog.js";
import { VideoProbes } from "./video-probes.js";

export interface SubmitContext {
  readonly models: ModelCatalog;
  readonly artifacts: ArtifactStore;
  readonly videos: VideoProbes;
}

const priorityMax = 9;
const snapshotEveryStepsDefault = 50;
const snapshotEveryStepsMax = 1_000_000;
const timeMax = Number.MAX_SAFE_INTEGER;
/** The ids of an edit's frames are in its record, whose size is bounded. */
const framesMax = 10_000;

const layouts: Partial<Readonly<Record<Layout, EditSpec["layout"]>>> = {
  [Layout.LAYOUT_UNSPECIFIED]: "auto",
  [Layout.LAYOUT_ONE]: "one",
  [Layout.LAYOUT_PROMPTS]: "prompts",
  [Layout.LAYOUT_BRANCHES]: "branches",
  [Layout.LAYOUT_FRAMES]: "frames",
  [Layout.LAYOUT_DRAWS]: "draws",
};

/** The same request of the same tenant is the same edit. */
export function editIdOf(tenant: string, request: { readonly id: string }): string {
  const digest = createHash("sha256").update(`${tenant}\n${request.id}`).digest("hex");
  return `e${digest.slice(0, 19)}`;
}

/**
 * What an edit is to be, every setting resolved: given ones, else the model's card's, else the
 * paper's, so that its bits depend on nothing that is not stored.
 *
 * @throws RetakeError  `bad-message`, `bad-option`, `prompt-empty`, `prompt-too-long`,
 *                      `model-unknown`, `file-unknown`, `frame-size`; what `probeVideo` throws
 */
export async function decodeSpec(
  message: SpecMessage | undefined,
  context: SubmitContext,
): Promise<EditSpec> {
  const given = present(message, "edit");
  const { sourcePrompt, prompts, negativePrompt, snapshotEverySteps } = given;
  checkPrompts({ source: sourcePrompt, prompts, negative: negativePrompt });
  const videoId = decodeArtifactId(given.videoId, { subject: "video" });
  const priority = wholeNumber(given.priority, { subject: "priority", min: 0, max: priorityMax });
  const layout = layouts[given.layout];
  if (layout === undefined) throw badMessage("layout", { expected: "a known one", got: "another" });
  const model = context.models.find(given.model);
  const chosen = givenSettings(given.settings);
  const settings = await resolved(chosen, { model, videoId, ...context });
  if (settings.frames * prompts.length > framesMax) {
    const got = `${settings.frames} frames of ${prompts.length} prompts`;
    throw badOption("frames", { expected: `up to ${framesMax} of all prompts`, got });
  }
  const limits = { min: 0, max: timeMax };
  return {
    ...{ sourcePrompt, prompts: [...prompts], negativePrompt, videoId, priority, layout },
    ...{ model: model.hash, settings },
    startByMs: wholeNumber(given.startByUnixMs, { subject: "start by", ...limits }),
    finishByMs: wholeNumber(given.finishByUnixMs, { subject: "finish by", ...limits }),
    snapshotEverySteps:
      wholeNumber(snapshotEverySteps, {
        ...{ subject: "snapshot every", min: 0, max: snapshotEveryStepsMax },
      }) || snapshotEveryStepsDefault,
  };
}

/** Those that were given, checked as the command line's. */
function givenSettings(settings: Settings | undefined): PartialSettings {
  const { width, height, ...others } = settings ?? {};
  const given = Object.entries(others).filter(([, value]) => value !== undefined);
  if ((width === undefined) !== (height === undefined)) {
    throw badMessage("size", { expected: "width and height", got: "one of them" });
  }
  const size = width === undefined ? {} : { size: `${width}x${height}` };
  return decodeSettings({ ...Object.fromEntries(given), ...size }, "settings");
}

async function resolved(
  given: PartialSettings,
  about: SubmitContext & {
    readonly model: ModelInfo;
    readonly videoId: string;
  },
): Promise<EditSettings> {
  const { model } = about;
  // Threads and engine are the nodes'.
  const chosen = chosenSettings(given, settingsOfCard(model), { threads: 1 });
  const { size, engine: _, threads: __, ...settings } = chosen;
  assertSampling(settings, model);
  return { ...settings, ...(await sizeFor(size, about)) };
}

function assertSampling(
  { ddim, strength }: { readonly ddim: number; readonly strength: number },
  { timestepCount }: ModelInfo,
): void {
  if (ddim <= timestepCount) return;
  const expected = `up to the model's ${timestepCount} timesteps`;
  throw badOption("ddim", { expected, got: `${ddim} (strength ${strength})` });
}

/** As chosen, else as large as the pictures that the model was made for, in the clip's shape. */
async function sizeFor(
  size: string | undefined,
  about: SubmitContext & {
    readonly model: ModelInfo;
    readonly videoId: string;
  },
): Promise<Size> {
  const { artifacts, videoId, videos, model } = about;
  if ((await artifacts.stat(videoId)) === undefined) {
    const message = `video ${videoId}: expected it to be uploaded, got nothing; upload it first`;
    throw new RetakeError(Code.NotFound, "file-unknown", message);
  }
  const info = await videos.of(videoId);
  const chosen = size === undefined ? fitSize(info, model.pictureSide ** 2) : clipSizeOf(size);
  assertClipSize(chosen);
  return chosen;
}

/** Looks at a stored video; ffprobe opens nothing but files. */
export function createVideoProbes(artifacts: ArtifactStore, workFolder: string): VideoProbes {
  return new VideoProbes((videoId) =>
    withWorkFolder(workFolder, async (folder) => {
      const path = join(folder, "video");
      const { signal } = new AbortController();
      await copyArtifact(artifacts, videoId, { path, signal });
      return probeVideo(path);
    }),
  );
}
