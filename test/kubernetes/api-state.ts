import { randomUUID } from "node:crypto";
import { isObject, type Json, type JsonObject, jsonPatch, mergePatch } from "./json-patch.js";
import { kindOf, parseResourcePath, type ResourcePath } from "./resource-path.js";

export interface ApiRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization?: string | undefined;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
}

/** An answer; or, where `watch` is given, its beginning: what comes later goes to `onEvent`. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: JsonObject;
  /** Tells what has happened already, then what happens; returns how to end it. */
  readonly watch?: (onEvent: (event: WatchEvent) => void, onEnd: () => void) => () => void;
}

export interface WatchEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: JsonObject;
}

/** A Kubernetes object as the server keeps it. */
export interface StoredObject extends JsonObject {
  readonly metadata: JsonObject & { readonly name: string; readonly resourceVersion: string };
}

/** What a test breaks. */
export interface ApiFaults {
  /** So many requests are told to come back later. */
  throttledRequests: number;
  retryAfterS: number;
  /** The bearer tokens that are taken; undefined: any, and none. */
  tokens: ReadonlySet<string> | undefined;
  /** What the account may do; undefined: all. */
  permits: ((access: ApiAccess) => boolean) | undefined;
}

/** What RBAC judges. */
export interface ApiAccess {
  readonly verb: string;
  readonly group: string;
  /** With its part: `statefulsets/scale`. */
  readonly resource: string;
  readonly name: string | undefined;
}

interface Change {
  readonly version: number;
  readonly type: WatchEvent["type"];
  readonly collection: string;
  readonly object: StoredObject;
  /** As it was; undefined for what is new. */
  readonly before: StoredObject | undefined;
}

interface Watcher {
  readonly collection: string;
  readonly matches: (object: JsonObject) => boolean;
  readonly wantsBookmarks: boolean;
  readonly onEvent: (event: WatchEvent) => void;
  readonly onEnd: () => void;
  isStalled: boolean;
}

const ownStatus = new Set(["pods", "statefulsets", "leaderworkersets", "nodes"]);

/**
 * The API server of a test: objects by path, a log of changes, and a number that grows with every
 * change. It keeps the rules that clients live with: conflicts by resourceVersion, watches that
 * resume, history that is forgotten (410), parts `status` and `scale`. Only what a test puts there
 * is there: no controller acts by itself.
 */
export class ApiState {
  readonly faults: ApiFaults = {
    ...{ throttledRequests: 0, retryAfterS: 1, tokens: undefined, permits: undefined },
  };
  /** Every request that was understood, in order: `GET /api/v1/...`. */
  readonly requests: string[] = [];
  /** Requests that the account may not make. */
  refusedCount = 0;
  readonly #objects = new Map<string, StoredObject>();
  readonly #watchers = new Set<Watcher>();
  readonly #nowMs: () => number;
  #log: Change[] = [];
  #version = 1000;
  #forgottenVersion = 1000;

  constructor({ nowMs = Date.now }: { readonly nowMs?: () => number } = {}) {
    this.#nowMs = nowMs;
  }

  get openWatches(): number {
    return this.#watchers.size;
  }

  object(path: string): StoredObject | undefined {
    return this.#objects.get(path);
  }

  /** Writes as a controller or a kubelet does: without conflicts, status and all. */
  put(path: string, object: JsonObject): StoredObject {
    const at = parseResourcePath(path);
    if (at?.name === undefined) throw new Error(`${path}: names no object`);
    return this.#store(at, object, this.#objects.get(path));
  }

  /** Removes at once, as the end of a pod's grace period does. */
  remove(path: string): void {
    const found = this.#objects.get(path);
    const at = parseResourcePath(path);
    if (found === undefined || at === undefined) throw new Error(`${path}: is not there`);
    this.#objects.delete(path);
    const version = this.#nextVersion();
    const metadata = { ...found.metadata, resourceVersion: String(version) };
    this.#tell({
      version,
      type: "DELETED",
      collection: at.collection,
      object: { ...found, metadata },
      before: found,
    });
  }

  /** Forgets the history: whoever resumes from before now is told 410. */
  compact(): void {
    this.#forgottenVersion = this.#version;
    this.#log = [];
  }

  /** Watches that are open stay open, and hear nothing more. */
  stallWatches(): void {
    for (const watcher of this.#watchers) watcher.isStalled = true;
  }

  /** As a server does after some minutes. */
  endWatches(): void {
    for (const { onEnd } of this.#watchers) onEnd();
    this.#watchers.clear();
  }

  sendBookmarks(): void {
    const metadata = { resourceVersion: String(this.#version) };
    for (const { wantsBookmarks, isStalled, onEvent } of [...this.#watchers]) {
      if (wantsBookmarks && !isStalled) onEvent({ type: "BOOKMARK", object: { metadata } });
    }
  }

  handle(request: ApiRequest): ApiAnswer {
    const url = new URL(request.path, "https://kubernetes");
    const at = parseResourcePath(url.pathname);
    const isWatch = url.searchParams.get("watch") === "true";
    this.requests.push(`${request.method} ${request.path}`);
    const refused = this.#refuse(request, at, isWatch);
    if (refused !== undefined) return refused;
    if (at === undefined) return failure(404, "NotFound", url.pathname);
    if (request.method === "GET" && isWatch) return this.#watch(at, url.searchParams);
    if (request.method === "GET" && at.name === undefined) return this.#list(at, url.searchParams);
    if (request.method === "POST" && at.name === undefined) return this.#create(at, request);
    const path = `${at.collection}/${at.name}`;
    const found = this.#objects.get(path);
    if (found === undefined) return failure(404, "NotFound", path);
    if (request.method === "GET") return { status: 200, body: viewOf(at, found) };
    if (request.method === "DELETE") return this.#delete(at, found);
    if (request.method === "PUT" || request.method === "PATCH") {
      return this.#change(at, found, request);
    }
    return failure(405, "MethodNotAllowed", `${request.method} ${path}`);
  }

  #refuse(request: ApiRequest, at: ResourcePath | undefined, isWatch: boolean) {
    const { faults } = this;
    if (faults.throttledRequests > 0) {
      faults.throttledRequests -= 1;
      const headers = { "retry-after": String(faults.retryAfterS) };
      return { ...failure(429, "TooManyRequests", request.path), headers };
    }
    const token = request.authorization?.replace(/^Bearer /, "") ?? "";
    if (faults.tokens?.has(token) === false) return failure(401, "Unauthorized", request.path);
    if (at === undefined || faults.permits === undefined) return undefined;
    const access = accessOf(request.method, at, isWatch);
    if (faults.permits(access)) return undefined;
    this.refusedCount += 1;
    return failure(403, "Forbidden", JSON.stringify(access));
  }

  #list({ collection, apiVersion, resource }: ResourcePath, query: URLSearchParams): ApiAnswer {
    const matches = selectorOf(query);
    const items = [...this.#objects]
      .filter(([path, object]) => isIn(collection, path) && matches(object))
      .map(([, object]) => object);
    const metadata = { resourceVersion: String(this.#version) };
    return { status: 200, body: { kind: `${kindOf(resource)}List`, apiVersion, metadata, items } };
  }

  #watch({ collection }: ResourcePath, query: URLSearchParams): ApiAnswer {
    const since = Number(query.get("resourceVersion") ?? this.#version);
    const watch: ApiAnswer["watch"] = (onEvent, onEnd) => {
      if (since < this.#forgottenVersion) {
        onEvent({ type: "ERROR", object: statusOf(410, "Expired", `too old: ${since}`) });
        onEnd();
        return () => undefined;
      }
      const matches = selectorOf(query);
      const wantsBookmarks = query.get("allowWatchBookmarks") === "true";
      const watcher: Watcher = {
        ...{ collection, matches, wantsBookmarks, onEvent, onEnd, isStalled: false },
      };
      for (const change of this.#log) if (change.version > since) tellOne(watcher, change);
      this.#watchers.add(watcher);
      return () => this.#watchers.delete(watcher);
    };
    return { status: 200, watch };
  }

  #create(at: ResourcePath, { body }: ApiRequest): ApiAnswer {
    const sent = JSON.parse(body ?? "{}") as JsonObject;
    const metadata = isObject(sent.metadata) ? sent.metadata : {};
    const { name: given, generateName: prefix } = metadata;
    const generated = typeof prefix === "string" ? `${prefix}${randomUUID().slice(0, 5)}` : "";
    const name = typeof given === "string" ? given : generated;
    if (name === "") return failure(422, "Invalid", `${at.collection}: expected a name`);
    const path = `${at.collection}/${name}`;
    if (this.#objects.has(path)) return failure(409, "AlreadyExists", path);
    const object = { ...sent, metadata: { ...metadata, name } };
    return { status: 201, body: this.#store({ ...at, name }, object, undefined) };
  }

  #change(at: ResourcePath, found: StoredObject, request: ApiRequest): ApiAnswer {
    const view = viewOf(at, found);
    const sent = patched(view, request);
    if (typeof sent === "number") return failure(sent, "Invalid", request.path);
    const { resourceVersion } = sent.metadata;
    if (resourceVersion !== undefined && resourceVersion !== found.metadata.resourceVersion) {
      return failure(409, "Conflict", `${request.path}: the object has been modified`);
    }
    const stored = this.#store(at, mergeView(at, found, sent), found);
    return { status: 200, body: viewOf(at, stored) };
  }

  #delete(at: ResourcePath, found: StoredObject): ApiAnswer {
    const path = `${at.collection}/${at.name}`;
    if (at.resource !== "pods") this.remove(path);
    else if (found.metadata.deletionTimestamp === undefined) {
      const metadata = { ...found.metadata, deletionTimestamp: this.#now() };
      this.#store(at, { ...found, metadata }, found);
    }
    return { status: 200, body: statusOf(200, "", path) };
  }

  #store(at: ResourcePath, object: JsonObject, found: StoredObject | undefined): StoredObject {
    const metadata = isObject(object.metadata) ? object.metadata : {};
    const { uid = randomUUID(), creationTimestamp = this.#now() }: JsonObject =
      found?.metadata ?? {};
    const named = { name: at.name ?? "", namespace: at.namespace, uid, creationTimestamp };
    const whole = { apiVersion: at.apiVersion, kind: kindOf(at.resource), ...object };
    const withVersion = (version: string): StoredObject =>
      structuredClone({
        ...whole,
        metadata: { ...metadata, ...named, resourceVersion: version },
      });
    if (found !== undefined) {
      const same = withVersion(found.metadata.resourceVersion);
      if (isSame(same, found)) return found;
    }
    const version = this.#nextVersion();
    const stored = withVersion(String(version));
    this.#objects.set(`${at.collection}/${at.name}`, stored);
    const type = found === undefined ? "ADDED" : "MODIFIED";
    this.#tell({ version, type, collection: at.collection, object: stored, before: found });
    return stored;
  }

  #tell(change: Change): void {
    this.#log.push(change);
    for (const watcher of [...this.#watchers]) tellOne(watcher, change);
  }

  #nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  #now(): string {
    return new Date(this.#nowMs()).toISOString();
  }
}

/** To one who asked for some only, whatever begins or ceases to be of them comes or goes. */
function tellOne(watcher: Watcher, { collection, object, type, before }: Change): void {
  if (watcher.isStalled || collection !== watcher.collection) return;
  const was = before !== undefined && watcher.matches(before);
  const is = type !== "DELETED" && watcher.matches(object);
  if (!was && !is) return;
  const now = was ? "MODIFIED" : "ADDED";
  watcher.onEvent({ type: is ? now : "DELETED", object });
}

/** What a part of an object shows: `scale` is a kind of its own. */
function viewOf({ part }: ResourcePath, object: StoredObject): StoredObject {
  if (part !== "scale") return object;
  const { name, namespace, resourceVersion } = object.metadata;
  const replicas = (of: string) => (isObject(object[of]) ? (object[of].replicas ?? 0) : 0);
  return {
    ...{ apiVersion: "autoscaling/v1", kind: "Scale" },
    metadata: { name, namespace, resourceVersion },
    ...{ spec: { replicas: replicas("spec") }, status: { replicas: replicas("status") } },
  };
}

/**
 * A write to a part changes that part only, but `status` of a pod lets labels and annotations pass,
 * as `podStatusStrategy` does; one to the whole does not change the status.
 */
function mergeView(at: ResourcePath, found: StoredObject, sent: JsonObject): JsonObject {
  if (at.part === "scale") return mergePatch(found, { spec: sent.spec ?? {} }) as JsonObject;
  if (at.part === "status") {
    const { labels, annotations } = isObject(sent.metadata) ? sent.metadata : {};
    const told = at.resource === "pods" ? { labels, annotations } : {};
    return { ...found, metadata: { ...found.metadata, ...told }, status: sent.status };
  }
  if (!ownStatus.has(at.resource)) return sent;
  return { ...sent, status: found.status };
}

type Named = JsonObject & { readonly metadata: JsonObject };

/** What is sent by PUT or PATCH, as a whole; or the status of the refusal. */
function patched(view: StoredObject, { method, contentType, body }: ApiRequest): Named | number {
  const sent = JSON.parse(body ?? "{}");
  let whole: Json | undefined = sent;
  if (method === "PATCH" && contentType === "application/merge-patch+json") {
    whole = mergePatch(view, sent);
  } else if (method === "PATCH" && contentType === "application/json-patch+json") {
    whole = jsonPatch(view, sent);
  } else if (method === "PATCH") return 415;
  return isObject(whole) && isObject(whole.metadata) ? (whole as Named) : 422;
}

function selectorOf(query: URLSearchParams): (object: JsonObject) => boolean {
  const labels = (query.get("labelSelector") ?? "").split(",").filter((term) => term !== "");
  const name = /^metadata\.name=(.+)$/.exec(query.get("fieldSelector") ?? "")?.[1];
  return ({ metadata }) => {
    const meta = isObject(metadata) ? metadata : {};
    const own = isObject(meta.labels) ? meta.labels : {};
    const has = (term: string): boolean => {
      const [key = "", value] = term.split("=");
      return value === undefined ? own[key] !== undefined : own[key] === value;
    };
    return labels.every(has) && (name === undefined || meta.name === name);
  };
}

function accessOf(method: string, at: ResourcePath, isWatch: boolean): ApiAccess {
  const { apiVersion, resource, part, name } = at;
  const verbs: Readonly<Record<string, string>> = {
    ...{ GET: name === undefined ? "list" : "get", POST: "create", PUT: "update" },
    ...{ PATCH: "patch", DELETE: "delete" },
  };
  return {
    verb: isWatch ? "watch" : (verbs[method] ?? method),
    group: apiVersion.includes("/") ? apiVersion.replace(/\/.*/, "") : "",
    resource: part === undefined ? resource : `${resource}/${part}`,
    name,
  };
}

const isIn = (collection: string, path: string): boolean =>
  path.startsWith(`${collection}/`) && !path.slice(collection.length + 1).includes("/");

/** Whatever the order of the fields. */
const isSame = (a: JsonObject, b: JsonObject): boolean => sortedText(a) === sortedText(b);

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);

const sortedText = (json: JsonObject): string =>
  JSON.stringify(json, (_, value: Json) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).sort(byKey)) : value,
  );

const statusOf = (code: number, reason: string, message: string): JsonObject => ({
  ...{ apiVersion: "v1", kind: "Status", metadata: {}, code, reason, message },
  status: code < 400 ? "Success" : "Failure",
});

const failure = (status: number, reason: string, message: string): ApiAnswer => ({
  status,
  body: statusOf(status, reason, message),
});
