import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../media/testing/generated-video.js";
import { operatorsBy, readTokens, tenantsBy } from "./tokens.js";

const folder = await temporaryFolder();
const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

function bearer(authorization?: string): Metadata {
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set("authorization", authorization);
  return metadata;
}

const caller = (authorization?: string) => ({
  ...{ metadata: bearer(authorization), role: undefined },
});

async function tokensIn(text: string) {
  const path = join(folder, "tokens");
  await writeFile(path, text);
  return readTokens(path);
}

describe("readTokens", () => {
  it("refuses a line that is none, and says which", async () => {
    for (const line of ["a", "a secret", `A ${hashOf("x")}`, `a ${hashOf("x")} more`]) {
      await expect(tokensIn(`# who\n\n${line}\n`)).rejects.toThrow("line 3");
    }
  });
});

describe("tenantsBy", () => {
  it("knows callers by their tokens, and lets nobody else in", async () => {
    const tokens = await tokensIn(`one ${hashOf("1")}\ntwo ${hashOf("2")}\n`);
    const tenantOf = tenantsBy(tokens, { isOpen: false });
    expect(tenantOf(bearer("Bearer 1"))).toBe("one");
    expect(tenantOf(bearer("bearer 2"))).toBe("two");
    for (const given of [undefined, "", "1", "Bearer ", "Bearer 3", "Basic 1"]) {
      const refusal = expect.objectContaining({ reason: "not-allowed", code: "UNAUTHENTICATED" });
      expect(() => tenantOf(bearer(given))).toThrow(refusal);
    }
  });

  it("needs none on loopback, but refuses one that is not known", () => {
    const tenantOf = tenantsBy([], { isOpen: true });
    expect(tenantOf(bearer())).toBe("local");
    expect(() => tenantOf(bearer("Bearer x"))).toThrow("not known");
  });
});

describe("operatorsBy", () => {
  it("lets the tenant cluster in, and on loopback who has no token", async () => {
    const tokens = await tokensIn(`cluster ${hashOf("c")}\none ${hashOf("1")}\n`);
    for (const isOpen of [true, false]) {
      const assertOperator = operatorsBy(tenantsBy(tokens, { isOpen }), { isOpen });
      assertOperator(caller("Bearer c"));
      expect(() => assertOperator(caller("Bearer 1"))).toThrow("got one's");
      if (isOpen) assertOperator(caller());
      else expect(() => assertOperator(caller())).toThrow("got none");
    }
  });

  it("lets a node in by its certificate, and nobody else by theirs", () => {
    const assertOperator = operatorsBy(tenantsBy([], { isOpen: false }), { isOpen: false });
    assertOperator({ metadata: bearer(), role: "node" });
    for (const role of ["client", "coordinator", "nats"] as const) {
      expect(() => assertOperator({ metadata: bearer(), role })).toThrow("got none");
    }
  });

  it("does not take a tenant of the name local for who has no token", async () => {
    const tokens = await tokensIn(`local ${hashOf("l")}\n`);
    const tenantOf = tenantsBy(tokens, { isOpen: false });
    const assertOperator = operatorsBy(tenantOf, { isOpen: false });
    expect(() => assertOperator(caller("Bearer l"))).toThrow("got local's");
  });
});
