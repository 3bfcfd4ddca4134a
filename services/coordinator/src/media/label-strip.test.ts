import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { labelStrip, labelStripHeight } from "./label-strip.js";
import { temporaryFolder } from "./testing/generated-video.js";

const folder = await temporaryFolder();

describe("labelStrip", () => {
  it("draws the text, whatever is in it", async () => {
    const empty = await labelStrip("", 256);
    for (const text of ["a cat", "<b>&\"'</b>", "猫 👩‍🚀\u0000\ud800", "x".repeat(10_000)]) {
      const strip = await labelStrip(text, 256);
      expect(strip.length).toBe(labelStripHeight * 256 * 3);
      expect(Buffer.compare(strip, empty)).not.toBe(0);
    }
  });

  it("ends a long text with an ellipsis, within its width", async () => {
    const strip = await labelStrip("W".repeat(300), 128);
    expect(Buffer.compare(strip, await labelStrip("W".repeat(301), 128))).toBe(0);
    expect((await labelStrip("abc", 8)).length).toBe(labelStripHeight * 8 * 3);
  });

  it("stays empty on a machine without fonts, and does not fail", async () => {
    const config = join(folder, "fonts.conf");
    await writeFile(config, `<fontconfig><dir>${folder}</dir></fontconfig>`);
    const module = fileURLToPath(new URL("../../dist/media/label-strip.js", import.meta.url));
    const script = `import { labelStrip } from ${JSON.stringify(module)};
      console.log(new Set(await labelStrip("a cat", 64)).size);`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
      env: { ...process.env, FONTCONFIG_FILE: config },
      stdio: ["ignore", "pipe", "ignore"],
    });
    expect(String(printed).trim()).toBe("1");
  });
});
