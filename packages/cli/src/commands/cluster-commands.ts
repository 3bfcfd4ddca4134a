import { join } from "node:path";
import { badUsage } from "@retake/coordinator/settings";
import { Code, RetakeError } from "@retake/errors";
import type { Edit } from "@retake/wire/edit";
import type { Command } from "commander";
import type { ClusterClient } from "../cluster/cluster-client.js";
import type { Environment } from "../environment.js";
import { type RawOptions, textOption } from "./option-groups.js";

/** Options of every command that calls a coordinator. */
export function addClientOptions(command: Command): void {
  command
    .option("--coordinator <host:port>", "whom to call (default: the cluster of retake up)")
    .option("--dir <folder>", "of a cluster that retake up --dir started")
    .option("--token-file <file>", "what names you, where the cluster asks (or RETAKE_TOKEN)")
    .option("--json", "result as JSON on stdout; errors as JSON lines on stderr");
}

/** Adds what a client asks of edits: `watch`, `list`, `get`, `cancel`, `retry`, `download`. */
export function addClusterCommands(program: Command, environment: Environment): void {
  const ofEdit = (name: string, description: string, run: EditAction): Command => {
    const command = program
      .command(name)
      .description(description)
      .argument("<id>", "of an edit, as submit and list print it")
      .action((id: string, options: RawOptions) =>
        withClient(environment, options, (client) => run(id, { client, environment, options })),
      );
    addClientOptions(command);
    return command;
  };
  ofEdit("watch", "follow an edit to its end; Ctrl-C stops looking, not the edit", watch);
  ofEdit("get", "show an edit: state, reason, files", get);
  ofEdit("cancel", "stop an edit at its next step", cancel);
  ofEdit("retry", "begin an edit again that failed or was stopped; what is done stays", retry)
    .option("--request-id <name>", "the same one again begins it once")
    .option("--wait", "follow it to its end");
  ofEdit("download", "fetch the files of a result, or the frames of a prompt", download)
    .option("--out <folder>", "where they go (default: out/ID)")
    .option("--frames <prompt>", "the frames of this prompt (0, 1, ...), as they are finished");
  const list = program
    .command("list")
    .description("list your edits, the newest first")
    .action((options: RawOptions) =>
      withClient(environment, options, (client) => listEdits({ client, environment, options })),
    );
  addClientOptions(list);
}

interface Asked {
  readonly client: ClusterClient;
  readonly environment: Environment;
  readonly options: RawOptions;
}

type EditAction = (id: string, asked: Asked) => Promise<void>;

/** Loads what a client takes only now, so that `--help` answers at once. */
export async function withClient(
  environment: Environment,
  options: RawOptions,
  use: (client: ClusterClient) => Promise<void>,
): Promise<void> {
  const { withCluster } = await import("../cluster/cluster-client.js");
  const given = {
    coordinator: textOption(options, "coordinator"),
    folder: textOption(options, "dir"),
    tokenFile: textOption(options, "tokenFile"),
  };
  await withCluster(environment, given, use);
}

/** Prints an edit, or follows it to its end first. */
export async function tellEdit(
  edit: Edit | undefined,
  { client, environment, options, watches }: Asked & { readonly watches: boolean },
): Promise<void> {
  if (edit === undefined) throw noAnswer();
  if (watches) {
    await watch(edit.id, { client, environment, options });
    return;
  }
  const { editJson, editPage } = await import("../cluster/edit-json.js");
  const page = options.json === true ? JSON.stringify(editJson(edit)) : editPage(edit);
  environment.writeOut(`${page}\n`);
}

/** Lines on stderr while it goes on; the result on stdout. */
const watch: EditAction = async (id, { client, environment, options }) => {
  const { assertSucceeded, watchEdit } = await import("../cluster/watch-edit.js");
  const { editJson, editLine } = await import("../cluster/edit-json.js");
  const isJson = options.json === true;
  let last = "";
  const onEdit = (edit: Edit): void => {
    const line = isJson ? JSON.stringify({ event: "edit", ...editJson(edit) }) : editLine(edit);
    if (line !== last) environment.writeErr(`${line}\n`);
    last = line;
  };
  const edit = await watchEdit(client, id, { onEdit, signal: environment.signal });
  await tellEdit(edit, { client, environment, options, watches: false });
  assertSucceeded(edit);
};

const get: EditAction = async (id, asked) => {
  const edit = await getEdit(id, asked);
  await tellEdit(edit, { ...asked, watches: false });
};

async function getEdit(id: string, { client }: Asked): Promise<Edit> {
  const { callUnary } = await import("@retake/wire");
  const { edits, call, patiently } = client;
  const { edit } = await patiently(() =>
    callUnary(edits.get.bind(edits), { id }, call(`asking for edit ${id}`)),
  );
  if (edit === undefined) throw noAnswer();
  return edit;
}

const cancel: EditAction = async (id, asked) => {
  const { callUnary } = await import("@retake/wire");
  const { edits, call, patiently } = asked.client;
  const { edit } = await patiently(() =>
    callUnary(edits.cancel.bind(edits), { id }, call(`canceling ${id}`)),
  );
  await tellEdit(edit, { ...asked, watches: false });
};

const retry: EditAction = async (id, asked) => {
  const { randomUUID } = await import("node:crypto");
  const { callUnary } = await import("@retake/wire");
  const { edits, call, patiently } = asked.client;
  const request = { id, requestId: textOption(asked.options, "requestId") ?? randomUUID() };
  const { edit } = await patiently(() =>
    callUnary(edits.retry.bind(edits), request, call(`beginning ${id} again`)),
  );
  await tellEdit(edit, { ...asked, watches: asked.options.wait === true });
};

const download: EditAction = async (id, asked) => {
  const { client, environment, options } = asked;
  const { createResultFolder } = await import("../pipeline/result-folder.js");
  const { downloadFile, downloadFrames } = await import("../cluster/download-edit.js");
  const { isEnded, stateText } = await import("../cluster/edit-json.js");
  const { signal, writeErr } = environment;
  const edit = await getEdit(id, asked);
  const frames = textOption(options, "frames");
  if (frames === undefined && edit.files.length === 0) {
    const advice = isEnded(edit) ? "it has no result" : `wait for it: retake watch ${id}`;
    const message = `edit ${id}: expected one that succeeded, got ${stateText(edit)}; ${advice}`;
    throw new RetakeError(Code.FailedPrecondition, "edit-state", message);
  }
  const folder = await createResultFolder(textOption(options, "out") ?? join("out", id));
  try {
    const into = { folder: folder.workPath, signal };
    if (frames === undefined) {
      for (const file of edit.files) await downloadFile(client, { ...file, editId: id }, into);
    } else {
      const promptIndex = promptIndexOf(frames, edit);
      const onFrame = (path: string): void => writeErr(`${path.split("/").at(-1)}\n`);
      await downloadFrames(client, { edit, promptIndex }, { ...into, onFrame });
    }
    await folder.commit();
    const files = await folder.files();
    const result = { id, out: folder.path, files };
    const page = options.json === true ? JSON.stringify(result) : Object.values(files).join("\n");
    environment.writeOut(`${page}\n`);
  } finally {
    await folder.discard();
  }
};

function promptIndexOf(text: string, { results }: Edit): number {
  const index = Number(text);
  if (/^\d{1,4}$/.test(text) && index < results.length) return index;
  throw badUsage("--frames", { expected: `a prompt from 0 to ${results.length - 1}`, got: text });
}

async function listEdits({ client, environment, options }: Asked): Promise<void> {
  const { callUnary } = await import("@retake/wire");
  const { editJson, editLine } = await import("../cluster/edit-json.js");
  const { edits, call, patiently } = client;
  const all: Edit[] = [];
  let pageToken = "";
  do {
    const request = { editsMax: 0, pageToken };
    const page = await patiently(() =>
      callUnary(edits.list.bind(edits), request, call("listing edits")),
    );
    all.push(...page.edits);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  if (options.json === true) {
    environment.writeOut(`${JSON.stringify({ edits: all.map(editJson) })}\n`);
    return;
  }
  for (const edit of all) environment.writeOut(`${editLine(edit)}\n`);
}

function noAnswer(): RetakeError {
  const message = "coordinator: expected an edit, got none; run one release in the whole cluster";
  return new RetakeError(Code.Internal, "bug", message);
}
