import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type JsonObject, jsonObject } from "../test/golden/json-object.js";

/** A program in a process of its own, which answers each line with an object. */
export class LineChild {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;

  constructor(program: URL, args: readonly string[]) {
    this.#process = spawn(process.execPath, [fileURLToPath(program), ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#process;
    if (stdout === null) throw new Error("the child has no output");
    const kill = (): void => void this.#process.kill();
    process.once("exit", kill);
    this.#ended = new Promise((resolve) => this.#process.once("close", resolve));
    void this.#ended.then(() => process.off("exit", kill));
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  ask(line: string): Promise<JsonObject> {
    this.say(line);
    return this.answer();
  }

  async answer(): Promise<JsonObject> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("a child ended before it answered");
    return jsonObject(JSON.parse(value));
  }

  async end(): Promise<void> {
    this.#process.stdin?.end();
    await this.#ended;
  }
}
