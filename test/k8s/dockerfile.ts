/** An instruction of a Dockerfile: its lines that continue are one. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

export interface Stage {
  readonly image: string;
  /** What others copy from it by; the last stage of a file has none. */
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** What of a Dockerfile the checks and the trial look at. */
export function parseDockerfile(text: string): readonly Stage[] {
  const lines = text
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const stages: { image: string; name: string | undefined; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === "") throw new Error(`Dockerfile: expected an instruction, got ${line}`);
    if (name === "FROM") {
      const [image = "", as, stage] = rest.split(/\s+/);
      stages.push({ image, name: as === "AS" ? stage : undefined, instructions: [] });
    } else stages.at(-1)?.instructions.push({ name, text: rest });
  }
  return stages;
}

/** Where a COPY takes from, and where it puts it. */
export function partsOfCopy(text: string): {
  readonly from: string | undefined;
  readonly sources: readonly string[];
  readonly target: string;
} {
  const words = text.split(/\s+/);
  const from = /^--from=(\S+)$/.exec(words[0] ?? "")?.[1];
  const paths = from === undefined ? words : words.slice(1);
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "" };
}

/** Whether a path of the repository is sent to the engine, by the rules of a `.dockerignore`. */
export function isSent(path: string, rules: readonly string[]): boolean {
  const matches = (pattern: string): boolean => {
    const source = pattern.split("/").map((part, index, parts) => {
      if (part === "**") return "(?:.*/)?";
      const text = part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*");
      return index < parts.length - 1 ? `${text}/` : text;
    });
    // A rule for a folder is one for what lies in it.
    return new RegExp(`^${source.join("")}(?:/.*)?$`).test(path);
  };
  let sent = true;
  for (const rule of rules) {
    const isException = rule.startsWith("!");
    if (matches(isException ? rule.slice(1) : rule)) sent = isException;
  }
  return sent;
}

/** The rules of a `.dockerignore`. */
export const rulesOf = (text: string): readonly string[] =>
  text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
