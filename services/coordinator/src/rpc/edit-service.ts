import { Code, RetakeError } from "@retake/errors";
import {
  type CallContext,
  errorOfFailure,
  handleClientStream,
  handleServerStream,
  handleUnary,
  type StreamContext,
} from "@retake/wire";
import { decodeArtifactId, decodeToken, wholeNumber } from "@retake/wire/decoders";
import type {
  CancelRequest,
  CancelResponse,
  DownloadRequest,
  DownloadResponse,
  Edit,
  GetRequest,
  GetResponse,
  GetUploadRequest,
  GetUploadResponse,
  ListRequest,
  ListResponse,
  RetryRequest,
  RetryResponse,
  SubmitRequest,
  SubmitResponse,
  UploadRequest,
  WatchRequest,
  WatchResponse,
} from "@retake/wire/edit";
import type { EditRecord } from "../job/edit-record.js";
import { isTerminal } from "../job/edit-record.js";
import type { CoordinatorEvent } from "../job/events.js";
import { readEvents } from "../loop/event-writer.js";
import type { Reign } from "../loop/reign.js";
import { type Cluster, editOf } from "./cluster.js";
import { sendDownload } from "./downloads.js";
import { editMessage, phaseMessage } from "./edit-message.js";
import { decodeSpec, editIdOf } from "./submit.js";
import { takeUpload } from "./uploads.js";

const pageEditsMax = 500;
const pageEditsDefault = 100;
/** Of one edit in one answer. */
const eventsReadMax = 1_000;

/** What a client may ask for; every id is looked up within its tenant. */
export function editService(cluster: Cluster) {
  const { called, artifacts } = cluster;
  const tenantOf = ({ metadata }: CallContext): string => cluster.tenantOf(metadata);
  return {
    submit: handleUnary(
      (request: SubmitRequest, context): Promise<SubmitResponse> =>
        submit(cluster, request, { tenant: tenantOf(context) }),
      called("EditService.Submit"),
    ),
    upload: handleClientStream(
      async (requests: AsyncIterable<UploadRequest>, context) =>
        takeUpload(artifacts, requests, { tenant: tenantOf(context) }),
      called("EditService.Upload"),
    ),
    getUpload: handleUnary(
      async ({ artifactId }: GetUploadRequest, context): Promise<GetUploadResponse> => {
        const id = decodeArtifactId(artifactId, { subject: "upload" });
        return artifacts.received({ id, uploader: tenantOf(context) });
      },
      called("EditService.GetUpload"),
    ),
    get: handleUnary(
      (request: GetRequest, context): Promise<GetResponse> =>
        get(cluster, request, { tenant: tenantOf(context) }),
      called("EditService.Get"),
    ),
    list: handleUnary(
      async (request: ListRequest, context): Promise<ListResponse> =>
        list(cluster.reign(), request, { tenant: tenantOf(context) }),
      called("EditService.List"),
    ),
    watch: handleServerStream(
      ({ id }: WatchRequest, context: StreamContext<WatchResponse>) =>
        watch(cluster, { id, tenant: tenantOf(context) }, context),
      called("EditService.Watch"),
    ),
    cancel: handleUnary(async ({ id }: CancelRequest, context): Promise<CancelResponse> => {
      const event = { kind: "cancel", editId: id, tenant: tenantOf(context) } as const;
      return { edit: await told(cluster.reign(), event) };
    }, called("EditService.Cancel")),
    retry: handleUnary(
      async ({ id, requestId: given }: RetryRequest, context): Promise<RetryResponse> => {
        const requestId = decodeToken(given, { subject: "request id" });
        const tenant = tenantOf(context);
        const event = { kind: "retry", editId: id, tenant, requestId } as const;
        return { edit: await told(cluster.reign(), event) };
      },
      called("EditService.Retry"),
    ),
    download: handleServerStream(
      (request: DownloadRequest, context: StreamContext<DownloadResponse>) =>
        sendDownload(cluster, { ...request, tenant: tenantOf(context) }, context),
      called("EditService.Download"),
    ),
  };
}

async function get(
  { reign, stores }: Cluster,
  { id, eventsMax }: GetRequest,
  { tenant }: { readonly tenant: string },
): Promise<GetResponse> {
  const limits = { subject: "events of an edit", min: 0, max: eventsReadMax };
  const limit = wholeNumber(eventsMax, limits);
  const current = reign();
  const record = editOf(current, id, { tenant });
  const events = await readEvents(stores.events, id, { limit });
  return {
    edit: editMessage(record, current.state),
    events: events.map(({ unixMs, attempt, phase, reason }) => ({
      ...{ atUnixMs: unixMs, attempt, phase: phaseMessage(phase), reason },
    })),
  };
}

/** Once it answers, the edit is stored. The same request again gives the edit that it gave. */
async function submit(
  cluster: Cluster,
  request: SubmitRequest,
  { tenant }: { readonly tenant: string },
): Promise<SubmitResponse> {
  const requestId = decodeToken(request.requestId, { subject: "request id" });
  const editId = editIdOf(tenant, { id: requestId });
  const before = cluster.reign();
  if (before.state.edits.has(editId)) {
    await before.settled(editId);
    return { edit: editMessage(editOf(before, editId, { tenant }), before.state) };
  }
  const spec = await decodeSpec(request.spec, cluster);
  const event = { kind: "submitted", editId, tenant, requestId, spec } as const;
  return { edit: await told(cluster.reign(), event) };
}

/** Tells a client's wish, and gives the edit when what follows is stored. */
async function told(
  reign: Reign,
  event: Extract<CoordinatorEvent, { kind: "submitted" | "cancel" | "retry" }>,
): Promise<Edit> {
  const { refusal } = reign.tell(event);
  if (refusal !== null) throw errorOfFailure(refusal);
  await reign.settled(event.editId);
  return editMessage(editOf(reign, event.editId, event), reign.state);
}

/** The newest first. */
function list(
  reign: Reign,
  { editsMax, pageToken }: ListRequest,
  { tenant }: { readonly tenant: string },
): ListResponse {
  const limits = { subject: "edits of a page", min: 0, max: pageEditsMax };
  const size = wholeNumber(editsMax, limits) || pageEditsDefault;
  const own = [...reign.storedRecords]
    .filter((record) => record.tenant === tenant)
    .sort((a, b) => b.submittedMs - a.submittedMs || (a.id < b.id ? -1 : 1));
  const begin = pageToken === "" ? 0 : own.findIndex(({ id }) => id === pageToken) + 1;
  if (pageToken !== "" && begin === 0) {
    const message = "page token: expected one that List gave, got another; begin anew";
    throw new RetakeError(Code.InvalidArgument, "bad-message", message);
  }
  const page = own.slice(begin, begin + size);
  const isLast = begin + size >= own.length;
  return {
    edits: page.map((record) => editMessage(record, reign.state)),
    nextPageToken: isLast ? "" : (page.at(-1)?.id ?? ""),
  };
}

async function watch(
  cluster: Cluster,
  { id, tenant }: { readonly id: string; readonly tenant: string },
  { send, signal }: StreamContext<WatchResponse>,
): Promise<void> {
  let last = "";
  const reign = cluster.reign();
  for (;;) {
    const change = reign.changed(id, signal);
    change.catch(() => undefined);
    const record: EditRecord = editOf(reign, id, { tenant });
    const edit = editMessage(record, reign.state);
    const shown = JSON.stringify(edit);
    if (shown !== last) await send({ edit });
    last = shown;
    if (isTerminal(record)) return;
    await change;
  }
}
