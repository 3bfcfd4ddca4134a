import { describe, expect, it } from "vitest";
import { NatsSplitter } from "./nats-frames.js";

const said = Buffer.from(
  'CONNECT {"name":"node-1"}\r\nPING\r\nPUB a.b _INBOX.1 5\r\nhe\r\no\r\nHPUB c 4 6\r\nhhhhpp\r\n',
);

describe("NatsSplitter", () => {
  it("cuts operations, payloads with line ends in them included, wherever bytes are cut", () => {
    for (let at = 0; at <= said.length; at += 1) {
      const splitter = new NatsSplitter();
      const frames = [...splitter.push(said.subarray(0, at)), ...splitter.push(said.subarray(at))];
      expect(frames.map(({ verb }) => verb)).toEqual(["CONNECT", "PING", "PUB", "HPUB"]);
      expect(Buffer.concat(frames.map(({ bytes }) => bytes))).toEqual(said);
      const [, , publish] = frames;
      const { offset = 0, length = 0 } = publish?.payload ?? {};
      expect(publish?.bytes.subarray(offset, offset + length).toString()).toBe("he\r\no");
      expect(publish?.words).toEqual(["a.b", "_INBOX.1", "5"]);
    }
  });
});
