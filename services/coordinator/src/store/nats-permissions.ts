import { inboxPrefix } from "@retake/wire";
import { nameOfRole, type Role } from "@retake/wire/tls";

/** What a role may do on NATS; all else is refused by the server. */
export interface NatsPermissions {
  readonly role: Role;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Requests for shards, to any node, of any tuning. */
const shards = "retake.v1.*.*.shard";

/**
 * Who may touch which subjects: coordinators the state of their store, nodes the exchange of
 * gradients, who saves the state its streams as a whole, and nobody the answers to others. Roles
 * that are not here are not let in.
 *
 * @param storeName  begins every name of the store
 */
export function natsPermissions(storeName: string): readonly NatsPermissions[] {
  const buckets = ["version", "leaders", "edits"].map((name) => `${storeName}-${name}`);
  const logs = ["commits", "events"];
  const streams = [
    ...buckets.map((bucket) => `KV_${bucket}`),
    ...logs.map((log) => `${storeName}-${log}`),
  ];
  const answers = (role: Parameters<typeof inboxPrefix>[0]): string => `${inboxPrefix(role)}.>`;
  return [
    {
      role: "coordinator",
      publish: [
        "$JS.API.INFO",
        ...streams.flatMap(streamRequests),
        ...buckets.map((bucket) => `$KV.${bucket}.>`),
        ...logs.map((log) => `${storeName}.${log}.*`),
      ],
      subscribe: [answers("coordinator")],
    },
    {
      role: "node",
      publish: [shards, answers("node")],
      subscribe: [shards, answers("node")],
    },
    // For `nats account backup` and `restore`: whole streams, and no message by itself.
    {
      role: "backup",
      publish: [
        ...["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.SNAPSHOT.>"],
        ...streams.flatMap((stream) =>
          ["INFO", "SNAPSHOT", "RESTORE", "DELETE"].map(
            (verb) => `$JS.API.STREAM.${verb}.${stream}`,
          ),
        ),
      ],
      subscribe: [answers("backup")],
    },
  ];
}

/** Subjects of JetStream's API that are about one stream. */
function streamRequests(stream: string): readonly string[] {
  return [
    ...["CREATE", "UPDATE", "INFO", "PURGE", "MSG.GET"].map(
      (verb) => `$JS.API.STREAM.${verb}.${stream}`,
    ),
    ...[`$JS.API.DIRECT.GET.${stream}`, `$JS.API.DIRECT.GET.${stream}.>`],
    `$JS.API.CONSUMER.CREATE.${stream}`,
    ...["CREATE", "INFO", "DELETE", "MSG.NEXT"].map(
      (verb) => `$JS.API.CONSUMER.${verb}.${stream}.>`,
    ),
    ...[`$JS.ACK.${stream}.>`, `$JS.FC.${stream}.>`],
  ];
}

/**
 * The same, as a part of nats-server's configuration: a certificate's DNS name is the user. All are
 * of an account of their own, and nobody is of the server's: no role needs what that can do.
 */
export function natsAuthorization(permissions: readonly NatsPermissions[]): string {
  const list = (subjects: readonly string[]): string =>
    `[\n${subjects.map((subject) => `        "${subject}"`).join("\n")}\n      ]`;
  const users = permissions.map(
    ({ role, publish, subscribe }) =>
      `    { user: "${nameOfRole(role)}", permissions: {\n` +
      `      publish: ${list(publish)}\n      subscribe: ${list(subscribe)} } }`,
  );
  const account = `  RETAKE: { jetstream: enabled, users: [\n${users.join("\n")}\n  ] }`;
  return `accounts {\n${account}\n  SYS: {}\n}\nsystem_account: SYS`;
}
