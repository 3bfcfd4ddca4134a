import { Code, type Reason, RetakeError } from "@retake/errors";
import type { KubeRequest, KubeResponse } from "./transport.js";

export const isOk = ({ status }: KubeResponse): boolean => status >= 200 && status < 300;

export async function bodyOf({ body }: KubeResponse): Promise<string> {
  let text = "";
  for await (const piece of body) text += piece;
  return text;
}

const meanings: Readonly<Record<number, readonly [Code, Reason]>> = {
  401: [Code.Unauthenticated, "not-allowed"],
  403: [Code.PermissionDenied, "not-allowed"],
  404: [Code.NotFound, "kubernetes-missing"],
  409: [Code.FailedPrecondition, "kubernetes-conflict"],
  410: [Code.FailedPrecondition, "kubernetes-expired"],
  429: [Code.Unavailable, "kubernetes-unavailable"],
};

/** What a refusal means; its text is the server's own. */
export function refusal(
  { method, path }: Pick<KubeRequest, "method" | "path">,
  { status, text }: { readonly status: number; readonly text: string },
): RetakeError {
  const isServers = status >= 500 || status === 0;
  const [code, reason] = isServers
    ? ([Code.Unavailable, "kubernetes-unavailable"] as const)
    : (meanings[status] ?? [Code.InvalidArgument, "kubernetes-refused"]);
  const got = `${status}${text === "" ? "" : ` (${text})`}`;
  return new RetakeError(code, reason, `${method} ${path}: expected to be done, got ${got}`);
}

export async function errorOf(request: KubeRequest, response: KubeResponse): Promise<RetakeError> {
  const { status } = response;
  return refusal(request, { status, text: messageIn(await bodyOf(response)) });
}

/** The message of a `Status`; what a proxy says instead is not JSON. */
function messageIn(body: string): string {
  try {
    const { message } = Object(JSON.parse(body));
    return typeof message === "string" ? message : "";
  } catch {
    return body.slice(0, messageCharactersMax);
  }
}

const messageCharactersMax = 200;
