import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isSent, parseDockerfile, partsOfCopy, rulesOf } from "./dockerfile.js";
import { type ImageFile, imagePolicies } from "./image-policy.js";
import { workloadsOf } from "./manifest.js";
import { objectsOf, readRendered, root } from "./render.js";

const services = ["coordinator", "gpu-node"] as const;
const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

interface PackageManifest {
  readonly dependencies?: Readonly<Record<string, string>>;
}

const folderOf = (name: string): string =>
  [`packages/${name}`, `services/${name}`].find((path) => existsSync(join(root, path))) ?? "";

/** The folders of a service's packages, its own first. */
function packagesOf(service: string): string[] {
  const taken = new Set<string>();
  const wanted = [folderOf(service)];
  for (let folder = wanted.shift(); folder !== undefined; folder = wanted.shift()) {
    taken.add(folder);
    const manifest: PackageManifest = JSON.parse(textOf(`${folder}/package.json`));
    const own = Object.keys(manifest.dependencies ?? {})
      .filter((name) => name.startsWith("@retake/"))
      .map((name) => folderOf(name.replace("@retake/", "")));
    wanted.push(...own.filter((each) => !taken.has(each)));
  }
  return [...taken];
}

function portsOf(service: string): number[] {
  return workloadsOf(objectsOf(readRendered(), "gpu")).flatMap(({ template }) =>
    template.spec.containers
      .filter(({ name }) => name === service)
      .flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort)),
  );
}

function imageFile(service: string, change = (text: string): string => text): ImageFile {
  const stages = parseDockerfile(change(textOf(`deploy/images/${service}.Dockerfile`)));
  const sources = stages.flatMap(({ instructions }) =>
    instructions
      .filter(({ name }) => name === "COPY")
      .flatMap(({ text }) => partsOfCopy(text).sources),
  );
  return {
    ...{ service, stages, ignoreRules: rulesOf(change(textOf(".dockerignore"))) },
    ...{ nodeMajor: "20", packages: packagesOf(service), ports: portsOf(service) },
    paths: new Set(sources.filter((path) => existsSync(join(root, path)))),
  };
}

/** Changes that somebody could make: what stands there, and what instead. */
const plants: readonly (readonly [rule: number, from: string | RegExp, to: string])[] = [
  [0, "FROM node:20.20.2-bookworm-slim AS build", "FROM node:latest AS build"],
  [0, /20\.20\.2/g, "22.11.0"],
  [1, " libvulkan1 tini", " libvulkan1 tini make"],
  [1, /RUN rm -rf .*/, ""],
  [1, "ENV NODE_ENV", "RUN npm ci\nENV NODE_ENV"],
  [2, "USER 10001:10001", ""],
  [2, "USER 10001:10001", "USER 0:0"],
  [3, " libvulkan1 tini", " libvulkan1 tini ffmpeg"],
  [4, "COPY models/demo models/demo", "COPY models/demos models/demos"],
  [4, "COPY models/demo models/demo", "COPY bench bench"],
  [4, "--from=install", "--from=instal"],
  [5, "**/node_modules", ""],
  [5, /^\*$/m, ""],
  [6, "COPY --from=build /app/packages/compile/dist packages/compile/dist", ""],
  [7, '"tini", "--", ', ""],
  [8, "EXPOSE 7071 9464", "EXPOSE 9464"],
  [9, "ENV NODE_ENV=production", "ENV HF_TOKEN=hf_x"],
];

describe("deploy/images", () => {
  it.each(services.flatMap((service) => imagePolicies.map(({ name }) => ({ service, name }))))(
    "$service: $name",
    ({ service, name }) => {
      const policy = imagePolicies.find((each) => each.name === name);
      expect(policy?.findings(imageFile(service))).toEqual([]);
    },
  );

  it.each(plants)("rule %i sees %s turned into %s", (rule, from, to) => {
    const policy = imagePolicies[rule];
    const changed = imageFile("gpu-node", (text) => text.replace(from, to));
    expect(policy?.findings(changed)).not.toEqual([]);
  });

  it("has an error planted for each of its rules", () => {
    const tried = new Set(plants.map(([rule]) => rule));
    expect(tried.size).toBe(imagePolicies.length);
  });
});

describe("isSent", () => {
  const rules = ["*", "!packages", "**/dist", "**/*.test.ts", "packages/big"];

  it.each([
    ["packages/errors/src/index.ts", true],
    ["package.json", false],
    ["packages/errors/dist/index.js", false],
    ["packages/errors/src/a.test.ts", false],
    ["packages/big/file", false],
    ["packages/bigger", true],
    ["dist", false],
  ])("says of %s: %s", (path, sent) => {
    expect(isSent(path, rules)).toBe(sent);
  });
});
