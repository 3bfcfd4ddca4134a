import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../testing/temporary-folder.js";
import {
  clusterFolder,
  coordinatorAddress,
  forgetCluster,
  runningCluster,
  writeCluster,
} from "./cluster-folder.js";

/** No process has it: the largest that Linux gives is smaller. */
const deadPid = 2 ** 22 + 1;

describe("runningCluster", () => {
  it("finds what was written, while its process lives", async () => {
    const folder = await temporaryFolder();
    expect(await runningCluster(folder)).toBeUndefined();
    const cluster = { coordinator: "127.0.0.1:1", pid: process.pid };
    await writeCluster(folder, cluster);
    expect(await runningCluster(folder)).toEqual(cluster);
    await writeCluster(folder, { ...cluster, pid: deadPid });
    expect(await runningCluster(folder)).toBeUndefined();
    await forgetCluster(folder);
    expect(await runningCluster(folder)).toBeUndefined();
  });

  it("takes no other file for one", async () => {
    const folder = await temporaryFolder();
    for (const text of ["", "{", "null", "{}", '{"coordinator":3,"pid":1}', '{"pid":-1}']) {
      await writeFile(join(folder, "cluster.json"), text);
      expect(await runningCluster(folder)).toBeUndefined();
    }
  });
});

describe("coordinatorAddress", () => {
  it("is what is named, else the variable's, else the local cluster's", async () => {
    const folder = await temporaryFolder();
    await writeCluster(folder, { coordinator: "local:1", pid: process.pid });
    const env = { RETAKE_COORDINATOR: "variable:1" };
    const named = { coordinator: "named:1", folder };
    expect(await coordinatorAddress(env, named)).toBe("named:1");
    expect(await coordinatorAddress(env, { ...named, coordinator: undefined })).toBe("variable:1");
    expect(await coordinatorAddress({}, { ...named, coordinator: undefined })).toBe("local:1");
  });

  it("says how to have one where there is none", async () => {
    const given = { coordinator: undefined, folder: await temporaryFolder() };
    await expect(coordinatorAddress({}, given)).rejects.toThrow("start one with retake up");
  });
});

describe("clusterFolder", () => {
  it("is in the cache unless it is given", () => {
    expect(clusterFolder({ RETAKE_CACHE: "/c" }, undefined)).toBe("/c/cluster");
    expect(clusterFolder({ RETAKE_CACHE: "/c" }, "/d")).toBe("/d");
  });
});
