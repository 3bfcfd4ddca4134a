import { describe, expect, it } from "vitest";
import { repairedMojibake } from "./mojibake.js";

describe("repairedMojibake", () => {
  it.each([
    ["cafÃ©", "café"],
    ["donâ€™t", "don’t"],
    ["ðŸ™‚", "🙂"],
    ["ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет"],
    ["ä½\u00a0å¥½", "你好"],
    ["cafÃƒÂ©", "café"],
    ["voilÃ\u00a0 la mode", "voilà la mode"],
    ["voilÃ  la mode", "voilà la mode"],
    ["voilÃ la mode", "voilà la mode"],
    ["nÃ£o, SÃ£o é", "não, São é"],
  ])("reads %j as %j", (text, repaired) => {
    expect(repairedMojibake(text)).toBe(repaired);
  });

  it.each([
    "plain words",
    "“café…” he said",
    "„FÖ“ MENÜ»",
    "L’État, c’est moi",
    "20°C £5 €10 ½",
    "Ångström Ærø",
    "Crème brûlée à la carte",
    "你好 «guillemets»",
    "İstanbul ığüşöç",
  ])("leaves %j alone", (text) => {
    expect(repairedMojibake(text)).toBe(text);
  });
});
