import type { NatsTls } from "./transport.js";

/**
 * What to do about a connection to NATS that failed for its certificates; undefined where nothing
 * points to them.
 *
 * @param said  the message of the client library
 */
export function natsAdvice(said: string, tls: NatsTls | undefined): string | undefined {
  if (tls === undefined) {
    return /certificate|tls/i.test(said) ? "it has TLS: give --tls" : undefined;
  }
  if (said.includes("does not support 'tls'")) {
    return "it has no TLS: configure it there, or leave --tls away here";
  }
  if (/authorization violation/i.test(said)) {
    return "it knows no such role: look at the DNS name of tls.crt, and at the server's users";
  }
  if (/certificate|altnames/i.test(said)) {
    return "compare ca.crt here with the server's certificate, which must name nats.retake";
  }
  // A server that does not take a certificate closes the connection, or says nothing.
  return /timeout|closed|ECONNRESET|alert/i.test(said)
    ? "if it runs, it may not take tls.crt: compare the CAs, and when it expires"
    : undefined;
}
