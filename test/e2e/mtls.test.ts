import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nameOfRole, type Role, roles } from "@retake/wire/tls";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  createAuthority,
  type TestAuthority,
  writeTlsFolder,
} from "../mtls/certificate-authority.js";
import { followEdit, type RunningCluster, startCluster } from "./cluster-process.js";
import { createWorkplace, demoClip, retake, type Workplace } from "./retake-process.js";

/** Small, but sampled by both nodes: one asks the other as a peer. */
const edit: readonly string[] = [
  ...["submit", demoClip, "--source", "a car is running on the grass", "--seed", "5"],
  ...["--prompt", "a horse is running on the grass", "--frames", "3", "--size", "64x64"],
  ...["--steps", "4", "--ddim", "8", "--layout", "branches"],
];

describe("a cluster whose processes know each other by certificates", () => {
  let workplace: Workplace;
  let cluster: RunningCluster;
  let authority: TestAuthority;
  let tlsFolder: string;

  const renew = async (role: Role): Promise<void> => {
    const issued = await authority.issue({ names: [nameOfRole(role)] });
    await writeTlsFolder(join(tlsFolder, role), [authority], issued);
  };

  beforeAll(async () => {
    workplace = await createWorkplace();
    tlsFolder = join(workplace.path, "tls");
    authority = await createAuthority();
    for (const role of roles) await renew(role);
    cluster = await startCluster(workplace, { nodeCount: 2, leaseMs: 3_000, tlsFolder });
  });
  afterAll(async () => {
    expect(await cluster.stop()).toBe(0);
    await workplace.remove();
  });

  it("runs an edit to its end", async () => {
    const args = [...edit, "--dir", cluster.folder, "--tls", join(tlsFolder, "client")];
    const { edit: ended } = await followEdit(workplace, args, () => {});
    expect(ended.state).toBe("succeeded");
    const sampled = ended.layouts.find(({ phase }) => phase === "sample");
    expect([sampled?.layout, sampled?.nodeIds.length]).toEqual(["branches", 2]);
    const out = join(workplace.path, "out");
    expect((await cluster.ask(["download", ended.id, "--out", out])).err).toBe("");
    expect(await readdir(out)).toContain("poster.png");
  });

  it("takes up new certificates while it runs", async () => {
    await Promise.all(roles.map(renew));
    for (const name of ["coordinator", "node-1", "node-2"]) {
      const changed = async (): Promise<void> =>
        expect(await readFile(join(cluster.folder, `${name}.log`), "utf8")).toContain(
          "certificates changed",
        );
      await vi.waitFor(changed, { timeout: 60_000, interval: 100 });
    }
    const list = await cluster.ask(["list", "--json"]);
    expect(JSON.parse(list.out).edits).toMatchObject([{ state: "succeeded" }]);
  });

  it("tells a client without a certificate, or with a node's, what to do", async () => {
    const ask = (tls: readonly string[]) =>
      retake(workplace, ["list", "--dir", cluster.folder, ...tls]);
    const node = await ask(["--tls", join(tlsFolder, "node")]);
    expect(node.err).toContain("expected the DNS name client.retake");
    const none = await ask(["--tls", await writeTlsFolder(join(tlsFolder, "none"), [authority])]);
    expect(none.err).toContain("expected the certificate of client.retake or who has a token");
    expect([node, none].map(({ code }) => code)).not.toContain(0);
  });
});
