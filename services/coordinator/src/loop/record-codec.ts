import { Code, RetakeError } from "@retake/errors";
import { decodeCommitRecord, encodeCommitRecord } from "@retake/wire/exchange";
import type { CommitRecord } from "../job/commit-record.js";
import type { EditRecord } from "../job/edit-record.js";
import { phases } from "../job/edit-record.js";
import { type Codec, jsonCodec, malformed } from "../store/codec.js";
import type { StoreCodecs } from "../store/stores.js";

const formatVersion = 2;
const states: readonly unknown[] = [
  ...["queued", "running", "paused", "canceling", "succeeded", "failed", "canceled", "expired"],
];
const texts = ["id", "tenant", "requestId", "reason", "numericsId"] as const;
const counts = ["revision", "epoch", "attempt", "taskSerial", "submittedMs"] as const;
const parts = ["spec", "artifacts", "tuning", "retries"] as const;
const lists = ["tasks", "layouts", "retryRequestIds"] as const;

/** Edits as they are stored. What another program wrote, or half of one, is refused. */
const json = jsonCodec(decodeStored);
const recordCodec: Codec<EditRecord> = {
  encode: (record) => json.encode({ format: formatVersion, record }),
  decode: (bytes) => json.decode(bytes).record,
};

interface StoredRecord {
  readonly format: number;
  readonly record: EditRecord;
}

function decodeStored(stored: unknown): StoredRecord {
  const { format, record } = Object(stored);
  if (typeof format === "number" && format > formatVersion) {
    const what = `expected format ${formatVersion}, got ${format}`;
    const message = `edit record: ${what}, of a later release; run that release on this store`;
    throw new RetakeError(Code.FailedPrecondition, "record-newer", message);
  }
  if (format !== formatVersion) {
    const problem = `expected format ${formatVersion}, got ${String(format)}`;
    throw malformed("edit record", { problem });
  }
  const fields = Object(record);
  const isText = (value: unknown): boolean => typeof value === "string";
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  const isPart = (value: unknown): boolean => typeof value === "object" && value !== null;
  const wrong = [
    ...texts.filter((name) => !isText(fields[name])),
    ...counts.filter((name) => !isCount(fields[name])),
    ...parts.filter((name) => !isPart(fields[name]) || Array.isArray(fields[name])),
    ...lists.filter((name) => !Array.isArray(fields[name])),
    ...(states.includes(fields.state) ? [] : ["state"]),
    ...(phases.includes(fields.phase) ? [] : ["phase"]),
  ];
  // Those that were stored before it was kept lack the engine.
  if (wrong.length === 0) return { format, record: { engine: "", ...fields } };
  const problem = `expected whole fields, got others in ${wrong.join(", ")}`;
  throw malformed("edit record", { problem });
}

export const storeCodecs: StoreCodecs<EditRecord, CommitRecord> = {
  record: recordCodec,
  commit: {
    encode: (record) => encodeCommitRecord({ ...record, nodeIds: [...record.nodeIds] }),
    decode: decodeCommitRecord,
  },
};
