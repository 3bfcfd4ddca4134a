import type { X509Certificate } from "node:crypto";

/** What a process is in a cluster: its certificate says so. */
export const roles = ["coordinator", "node", "client", "nats", "backup"] as const;
export type Role = (typeof roles)[number];

/** The DNS name that a certificate has among its alternative names, to be of a role. */
export const nameOfRole = (role: Role): string => `${role}.retake`;

/** The role of a certificate; undefined where it names none, or more than one. */
export function roleOf(certificate: X509Certificate): Role | undefined {
  const exactly = { subject: "never", wildcards: false } as const;
  const named = roles.filter(
    (role) => certificate.checkHost(nameOfRole(role), exactly) !== undefined,
  );
  return named.length === 1 ? named[0] : undefined;
}
