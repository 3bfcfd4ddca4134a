import { type Instruction, isSent, partsOfCopy, type Stage } from "./dockerfile.js";

/** A Dockerfile, and what its rules must know of the repository. */
export interface ImageFile {
  readonly service: string;
  readonly stages: readonly Stage[];
  readonly ignoreRules: readonly string[];
  readonly nodeMajor: string;
  /** Files and folders, from the root. */
  readonly paths: ReadonlySet<string>;
  /** Folders of the packages that the service runs with, its own among them. */
  readonly packages: readonly string[];
  /** Ports that its pods have. */
  readonly ports: readonly number[];
}

/** A rule for Dockerfiles: it gives what breaks it. */
export interface ImagePolicy {
  readonly name: string;
  readonly findings: (file: ImageFile) => string[];
}

const lastOf = ({ stages }: ImageFile): readonly Instruction[] => stages.at(-1)?.instructions ?? [];

const textsOf = (instructions: readonly Instruction[], name: string): string[] =>
  instructions.filter((each) => each.name === name).map(({ text }) => text);

const copiesOf = (instructions: readonly Instruction[]) =>
  textsOf(instructions, "COPY").map(partsOfCopy);

const packagesInstalled = (file: ImageFile): string[] =>
  textsOf(lastOf(file), "RUN").flatMap((text) => {
    const [, names = ""] = /apt-get install ([^&]*)/.exec(text) ?? [];
    return names.split(/\s+/).filter((name) => name !== "" && !name.startsWith("-"));
  });

const buildTools = /^(gcc|g\+\+|make|cmake|build-essential|python3?|git|npm|golang.*|curl|wget)$/;

export const imagePolicies: readonly ImagePolicy[] = [
  {
    name: "an image begins with one that has a version, of the Node that the tests run on",
    findings: ({ stages, nodeMajor }) =>
      stages
        .map(({ image }) => image)
        .filter((image) => !new RegExp(`^node:${nodeMajor}\\.\\d+\\.\\d+-`).test(image)),
  },
  {
    name: "what builds is not in what runs",
    findings: (file) => {
      const tools = packagesInstalled(file).filter((name) => buildTools.test(name));
      const runs = textsOf(lastOf(file), "RUN");
      const removesNpm = runs.some((text) => text.includes("/usr/local/lib/node_modules"));
      const builds = runs.filter((text) => /\bnpm (ci|install)|\btsc\b/.test(text));
      const stages = file.stages.length > 1 ? [] : ["one stage"];
      return [...tools, ...builds, ...stages, ...(removesNpm ? [] : ["npm stays"])];
    },
  },
  {
    name: "an image runs as a user with a number, and not as root",
    findings: (file) => {
      const [user = "root"] = textsOf(lastOf(file), "USER").slice(-1);
      return /^[1-9]\d*:[1-9]\d*$/.test(user) ? [] : [user];
    },
  },
  {
    name: "ffmpeg is in the coordinator's image only",
    findings: (file) => {
      const has = packagesInstalled(file).includes("ffmpeg");
      return has === (file.service === "coordinator") ? [] : [`${file.service}: ${has}`];
    },
  },
  {
    name: "what is copied is there, and is sent to the engine",
    findings: (file) =>
      file.stages.flatMap(({ instructions }) =>
        copiesOf(instructions).flatMap(({ from, sources }) =>
          from === undefined
            ? sources.filter(
                (source) => !file.paths.has(source) || !isSent(source, file.ignoreRules),
              )
            : file.stages.some(({ name }) => name === from)
              ? []
              : [from],
        ),
      ),
  },
  {
    name: "nothing of a work place is sent to the engine",
    findings: ({ ignoreRules, packages }) => {
      const [folder = ""] = packages;
      const unwanted = ["node_modules/x", ".git/config", ".env", "shared/x", "test/e2e/x.ts"];
      const inside = ["node_modules/x", "dist/main.js", ".env", "src/x.test.ts"];
      return [...unwanted, ...inside.map((path) => `${folder}/${path}`)].filter((path) =>
        isSent(path, ignoreRules),
      );
    },
  },
  {
    name: "every package that the service runs with is copied, built",
    findings: (file) => {
      const copied = new Set(copiesOf(lastOf(file)).map(({ target }) => target));
      return file.packages
        .flatMap((folder) => [`${folder}/package.json`, `${folder}/dist`])
        .filter((path) => !copied.has(path));
    },
  },
  {
    name: "an image starts its service, by a program that passes signals on",
    findings: (file) => {
      const [entry = ""] = textsOf(lastOf(file), "ENTRYPOINT");
      const wanted = `["tini", "--", "node", "services/${file.service}/dist/main.js"]`;
      const hasInit = packagesInstalled(file).includes("tini");
      return entry === wanted && hasInit ? [] : [entry];
    },
  },
  {
    name: "an image names the ports of its pods",
    findings: (file) => {
      const ports = textsOf(lastOf(file), "EXPOSE").join(" ").split(" ").map(Number);
      return file.ports.filter((port) => !ports.includes(port)).map(String);
    },
  },
  {
    name: "no secret and nothing from elsewhere goes into an image",
    findings: ({ stages }) =>
      stages.flatMap(({ instructions }) =>
        instructions
          .filter(
            ({ name, text }) =>
              name === "ADD" || (/^(ARG|ENV)$/.test(name) && /token|secret|password/i.test(text)),
          )
          .map(({ name, text }) => `${name} ${text}`),
      ),
  },
];
