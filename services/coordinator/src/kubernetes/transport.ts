/** A request to the API server, whoever carries it. */
export interface KubeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the root of the server, with its query. */
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
  /** Ends the request, and an answer that is still coming. */
  readonly signal: AbortSignal;
}

export interface KubeResponse {
  readonly status: number;
  /** Of the header `Retry-After`. */
  readonly retryAfterS: number | undefined;
  /** As it arrives, in pieces of any length. */
  readonly body: AsyncIterable<string>;
}

/** The way to the API server: over HTTPS, or in a test within the process. */
export interface KubeTransport {
  /** @throws RetakeError kubernetes-unavailable */
  send(request: KubeRequest): Promise<KubeResponse>;
  /** Those in use were refused: reads its credentials again. */
  renewCredentials(): void;
}
