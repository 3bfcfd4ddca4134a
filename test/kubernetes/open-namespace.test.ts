import { createCoordinator } from "@retake/coordinator";
import { openNamespace } from "@retake/coordinator/kubernetes";
import { pino } from "pino";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createAuthority } from "../mtls/certificate-authority.js";
import { temporaryFolder } from "../mtls/temporary-folder.js";
import { writeKubeconfig } from "./fake-api-server.js";

const folder = await temporaryFolder();
const authority = await createAuthority("CN=Kubernetes test");
const logger = pino({ level: "silent" });

beforeEach(() => {
  vi.stubEnv("KUBECONFIG", `${folder}/kubeconfig`);
});
afterAll(() => vi.unstubAllEnvs());

/** Nobody listens there: a namespace is found, or not, before anybody calls. */
const write = (namespace: string | undefined) =>
  writeKubeconfig(folder, { url: "https://127.0.0.1:1", authority }, "token", { namespace });

describe("openNamespace", () => {
  it("takes the one that is named before that of the context", async () => {
    await write("of-the-context");
    expect(openNamespace("named").namespace).toBe("named");
    expect(openNamespace(undefined).namespace).toBe("of-the-context");
  });

  it("asks for one where none is known, whatever Kubernetes is needed for", async () => {
    await write(undefined);
    const pool = { kind: "stateful-set", name: "gpu-node" } as const;
    const nats = { natsServers: ["nats://127.0.0.1:1"] };
    const refused = { reason: "bad-option", message: expect.stringContaining("got none; give") };
    expect(() => openNamespace(undefined)).toThrow(expect.objectContaining(refused));
    for (const kubernetes of [{ leads: true }, { leads: false, pool }, { leads: true, pool }]) {
      const coordinator = createCoordinator({ logger, ...nats, kubernetes });
      await expect(coordinator).rejects.toMatchObject(refused);
    }
  });
});
