import { nameOfRole, type Role, roles } from "@retake/wire/tls";
import { type Manifest, nameOf, type Workload, workloadsOf } from "./manifest.js";
import type { Policy } from "./pod-policy.js";

/** What the pods of a name are, and whether they are called, too. */
const roleOfPods: Readonly<Record<string, Role>> = {
  ...{ coordinator: "coordinator", "gpu-node": "node", nats: "nats" },
};

const bothWays = ["server auth", "client auth"];

const certificatesOf = (objects: readonly Manifest[]): Manifest[] =>
  objects.filter(({ kind }) => kind === "Certificate");

const isOfRole = ({ spec }: Manifest, role: Role): boolean =>
  roles.every((each) => (spec?.dnsNames ?? []).includes(nameOfRole(each)) === (each === role));

/** Where the secret of a certificate for both ways is mounted that names this role alone. */
function identityOf({ template }: Workload, role: Role, objects: readonly Manifest[]) {
  const secrets = certificatesOf(objects)
    .filter((one) => isOfRole(one, role))
    .filter(({ spec }) => bothWays.every((usage) => spec?.usages?.includes(usage)))
    .map(({ spec }) => spec?.secretName);
  const { volumes = [], containers } = template.spec;
  const volume = volumes.find(({ secret }) => secret && secrets.includes(secret.secretName));
  const mounts = containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
  return mounts.find(({ name }) => name === volume?.name)?.mountPath;
}

/** What of nats-server's configuration lies in its ConfigMap, put together. */
export function natsConfigOf(objects: readonly Manifest[]): string {
  const { data = {} } =
    objects.find(({ metadata }) => metadata.name.startsWith("nats-config-")) ?? {};
  const included = (name: string): string =>
    (data[name] ?? "").replaceAll(/^\s*include "(.+)"$/gm, (_, other: string) => included(other));
  return included("nats.conf");
}

/** Where there are certificates at all. */
const withCertificates = (
  name: string,
  findings: (objects: readonly Manifest[]) => string[],
): Policy => ({
  name,
  findings: (objects) => (certificatesOf(objects).length === 0 ? [] : findings(objects)),
});

export const certificatePolicies: readonly Policy[] = [
  withCertificates("with certificates, a process shows that of its role, and no other", (objects) =>
    workloadsOf(objects).flatMap((workload) => {
      const { containers } = workload.template.spec;
      const role = roleOfPods[workload.labels["app.kubernetes.io/name"] ?? ""];
      if (role === undefined) return [];
      const place = identityOf(workload, role, objects);
      const args = containers.flatMap((container) => container.args ?? []);
      const config = role === "nats" ? natsConfigOf(objects) : "";
      const isUsed = args.includes(`--tls=${place}`) || config.includes(`"${place}/tls.crt"`);
      const expected = `expected the secret of ${nameOfRole(role)}, mounted and named`;
      return place !== undefined && isUsed ? [] : [`${nameOf(workload.object)}: ${expected}`];
    }),
  ),
  withCertificates("a certificate is renewed in time, by an issuer of the namespace", (objects) =>
    certificatesOf(objects).flatMap((certificate) => {
      const { duration, renewBefore, issuerRef, privateKey, isCA = false } = certificate.spec ?? {};
      const hours = (text = ""): number => Number(/^(\d+)h$/.exec(text)?.[1]);
      const isInTime = hours(renewBefore) >= 24 * 14 && hours(duration) >= 2 * hours(renewBefore);
      const issuer = objects.find((one) => nameOf(one) === `${issuerRef?.kind}/${issuerRef?.name}`);
      // Another key of the CA would part those that were signed before from those after.
      const isRight = privateKey?.rotationPolicy === (isCA ? "Never" : "Always");
      const isOfOurs = isCA || issuer?.spec?.ca !== undefined;
      if (isInTime && isRight && issuer?.kind === "Issuer" && isOfOurs) return [];
      return [`${nameOf(certificate)}: expected two weeks, a new key, and our CA`];
    }),
  ),
  withCertificates(
    "with certificates, NATS lets roles in, and only servers as routes",
    (objects) => {
      const text = natsConfigOf(objects);
      const [, routes = "", clients = ""] = /^cluster \{([\s\S]*?)^\}([\s\S]*)/m.exec(text) ?? [];
      const isRight =
        /^tls \{[^}]*verify_and_map: true/m.test(clients) &&
        /tls \{[^}]*verify_cert_and_check_known_urls: true/.test(routes) &&
        !text.includes("no_auth_user");
      return isRight ? [] : ["nats: expected TLS with roles, and TLS among its servers"];
    },
  ),
];
