import { join, resolve } from "node:path";
import { badUsage, wholeNumber } from "@retake/coordinator/settings";
import type { Edit, GetRequest } from "@retake/wire/edit";
import type { Command } from "commander";
import type { ClusterClient } from "../cluster/cluster-client.js";
import type { Environment } from "../environment.js";
import { type RawOptions, textOption } from "./option-groups.js";

const eventsDefault = 10;
const eventsSpec = wholeNumber({
  ...{ flags: "--events <count>", help: "lines of its history", min: 0, max: 1_000 },
});

/** Options of every command that calls a coordinator. */
export function addClientOptions(command: Command): void {
  command
    .option("--coordinator <host:port>", "whom to call (default: the cluster of retake up)")
    .option("--dir <folder>", "of a cluster that retake up --dir started")
    .option("--token-file <file>", "what names you, where the cluster asks (or RETAKE_TOKEN)")
    .option(
      "--tls <folder>",
      "ca.crt, and your tls.crt and tls.key if you have some (or RETAKE_TLS)",
    )
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
  ofEdit("get", "show an edit: state, reason, files, history", get).option(
    "--events <count>",
    `lines of its history (default: ${eventsDefault})`,
  );
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
    tlsFolder: textOption(options, "tls"),
  };
  await withCluster(environment, given, use);
}

/** Prints an edit, or follows it to its end first. */
export async function tellEdit(
  edit: Edit | undefined,
  { client, environment, options, watches }: Asked & { readonly watches: boolean },
): Promise<void> {
  const { editJson, editPage, noAnswer } = await import("../cluster/edit-json.js");
  if (edit === undefined) throw noAnswer();
  if (watches) {
    await watch(edit.id, { client, environment, options });
    return;
  }
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
  const { environment, options } = asked;
  const { editJson, editPage, eventJson, eventLines } = await import("../cluster/edit-json.js");
  const eventsMax = eventsSpec.decode(options.events ?? eventsDefault, "--events");
  const { edit, events } = await getEdit({ id, eventsMax }, asked);
  const page =
    options.json === true
      ? JSON.stringify({ ...editJson(edit), events: events.map(eventJson) })
      : [editPage(edit), ...eventLines(events)].join("\n");
  environment.writeOut(`${page}\n`);
};

async function getEdit(request: GetRequest, { client }: Pick<Asked, "client">) {
  const { callUnary } = await import("@retake/wire");
  const { edits, call, patiently } = client;
  const { edit, events } = await patiently(() =>
    callUnary(edits.get.bind(edits), request, call(`asking for edit ${request.id}`)),
  );
  const { noAnswer } = await import("../cluster/edit-json.js");
  if (edit === undefined) throw noAnswer();
  return { edit, events };
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
  const { downloadFramesTo, downloadResult } = await import("../cluster/download-edit.js");
  const { signal, writeErr } = environment;
  const { edit } = await getEdit({ id, eventsMax: 0 }, asked);
  const frames = textOption(options, "frames");
  const out = resolve(textOption(options, "out") ?? join("out", id));
  const onFrame = (path: string): void => writeErr(`${path.split("/").at(-1)}\n`);
  const files =
    frames === undefined
      ? await downloadResult(client, edit, { out, signal })
      : await downloadFramesTo(
          client,
          { edit, promptIndex: promptIndexOf(frames, edit) },
          { out, signal, onFrame },
        );
  const result = { id, out, files };
  const page = options.json === true ? JSON.stringify(result) : Object.values(files).join("\n");
  environment.writeOut(`${page}\n`);
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
