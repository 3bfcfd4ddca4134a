import { notAVideo } from "./input-file.js";
import { framesPerSecond, isRate, parseRate, type Rate } from "./rate.js";

/** How the number of frames is known: read to the end, as the header says, or rate x duration. */
export type FrameBasis = "counted" | "declared" | "estimated";

export interface VideoInfo {
  /** Pixels after rotation; 0 when no frame could be decoded. */
  readonly width: number;
  readonly height: number;
  /** Width over height of one pixel, after rotation; 1 for nearly every file. */
  readonly pixelAspect: number;
  readonly frames: number;
  readonly framesBasis: FrameBasis;
  /** Frames that the header names, more than `frames` in a cut file; null if it names none. */
  readonly framesDeclared: number | null;
  /** The average rate, also where it varies. */
  readonly rate: Rate;
  /** Whether frames are further apart in one place than in another, as far as the header says. */
  readonly rateVaries: boolean;
  readonly durationS: number;
  /** The file's first moment on its own clock; times given to `decodeClip` count from there. */
  readonly startTimeS: number;
  readonly codec: string;
  readonly container: string;
  /** Degrees clockwise by which the stored picture is turned to be seen: 0, 90, 180, 270. */
  readonly rotation: number;
  readonly hasAudio: boolean;
  /** The stream of the file that holds the pictures. */
  readonly streamIndex: number;
}

type Fields = Readonly<Record<string, unknown>>;
/** For a file that says nothing about time, such as a GIF of one frame. */
const rateUnknown: Rate = { numerator: 10, denominator: 1 };

/**
 * Reads what ffprobe printed as JSON. The numbers in it are the file's and are not trusted. Null
 * when it found neither pictures nor sound: then its complaints say more.
 *
 * @throws RetakeError not-a-video  when there is sound and no moving pictures
 */
export function parseProbe({ path, json }: { path: string; json: string }): VideoInfo | null {
  const root = parsed(json);
  const streams = list(root.streams);
  const format = fields(root.format);
  const hasAudio = streams.some((stream) => stream.codec_type === "audio");
  const video = streams.find(
    (stream) => stream.codec_type === "video" && fields(stream.disposition).attached_pic !== 1,
  );
  if (video === undefined && !hasAudio) return null;
  if (video === undefined) throw notAVideo({ path, got: "a file with sound and no pictures" });
  const width = count(video.width) ?? 0;
  const height = count(video.height) ?? 0;
  const rotation = rotationOf(video);
  const sideways = rotation % 180 === 90;
  const aspect = aspectOf(video.sample_aspect_ratio);
  return {
    width: sideways ? height : width,
    height: sideways ? width : height,
    pixelAspect: sideways ? 1 / aspect : aspect,
    ...timing(video, format),
    startTimeS: Number(format.start_time ?? 0) || 0,
    codec: word(video.codec_name),
    container: word(format.format_name),
    rotation,
    hasAudio,
    streamIndex: count(video.index) ?? 0,
  };
}

type Timing = Pick<
  VideoInfo,
  "frames" | "framesBasis" | "framesDeclared" | "rate" | "rateVaries" | "durationS"
>;

function timing(video: Fields, format: Fields): Timing {
  const counted = count(video.nb_read_packets);
  const declared = count(video.nb_frames);
  const given = seconds(video.duration) ?? seconds(format.duration);
  const average = parseRate(video.avg_frame_rate);
  const base = parseRate(video.r_frame_rate);
  const known = counted ?? declared;
  const rate = average ?? base ?? measuredRate(known, given) ?? rateUnknown;
  const estimated = Math.round((given ?? 0) * framesPerSecond(rate));
  const basis = declared === undefined ? "estimated" : "declared";
  return {
    frames: known ?? estimated,
    framesBasis: counted === undefined ? basis : "counted",
    framesDeclared: declared ?? null,
    rate,
    rateVaries: average !== undefined && base !== undefined && !sameRate(average, base),
    durationS: given ?? (known ?? 0) / framesPerSecond(rate),
  };
}

function measuredRate(frames: number | undefined, durationS: number | undefined): Rate | undefined {
  if (frames === undefined || durationS === undefined || durationS <= 0) return undefined;
  const rate = { numerator: frames * 1000, denominator: Math.round(durationS * 1000) };
  return isRate(rate) ? rate : undefined;
}

function sameRate(one: Rate, other: Rate): boolean {
  return Math.abs(framesPerSecond(one) / framesPerSecond(other) - 1) < 1e-3;
}

/** Clockwise degrees: newer files carry a display matrix (counter-clockwise), older ones a tag. */
function rotationOf(video: Fields): number {
  const matrix = list(video.side_data_list).map((data) => data.rotation);
  const turn = matrix.find((value) => typeof value === "number");
  const tag = Number(fields(video.tags).rotate ?? 0);
  const clockwise = typeof turn === "number" ? -turn : tag;
  if (!Number.isFinite(clockwise)) return 0;
  return (((Math.round(clockwise / 90) * 90) % 360) + 360) % 360;
}

function aspectOf(text: unknown): number {
  const match = typeof text === "string" ? /^(\d{1,6}):(\d{1,6})$/.exec(text) : null;
  const aspect = match === null ? 1 : Number(match[1]) / Number(match[2]);
  return aspect >= 1 / 16 && aspect <= 16 ? aspect : 1;
}

function parsed(json: string): Fields {
  try {
    return fields(JSON.parse(json) as unknown);
  } catch {
    return {};
  }
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

function word(value: unknown): string {
  return typeof value === "string" ? value : "unknown";
}

/** A whole number of at least zero, from a number or from digits. */
function count(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isSafeInteger(number) && number >= 0
    ? number
    : undefined;
}

function seconds(value: unknown): number | undefined {
  const number = typeof value === "string" && value !== "" ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number > 0 ? number : undefined;
}
