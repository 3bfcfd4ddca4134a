import { describe, expect, it } from "vitest";
import { begunDelivery, credited, deliver, deliveryCreditsMax } from "./delivery.js";

const begun = credited(begunDelivery({ offset: 0, frameCount: 4 }), 10);
const framesOf = (ids: readonly string[]) => deliver(begun, ids).frames.map(({ frame }) => frame);

describe("deliver", () => {
  it("sends what is next in order, and keeps back what is early", () => {
    expect(framesOf(["a", "b", "", "d"])).toEqual([0, 1]);
    expect(framesOf(["", "b", "c", "d"])).toEqual([]);
  });

  it("sends no more than there are credits", () => {
    const poor = credited(begunDelivery({ offset: 0, frameCount: 4 }), 2);
    const { delivery, frames, reason } = deliver(poor, ["a", "b", "c", "d"]);
    expect(frames.map(({ artifactId }) => artifactId)).toEqual(["a", "b"]);
    expect(deliver(delivery, ["a", "b", "c", "d"]).frames).toEqual([]);
    expect(reason).toBe("waits for credits");
  });

  it("bounds credits, and an offset that is out of range", () => {
    const { credits } = credited(begun, deliveryCreditsMax + 1);
    expect(credits).toBe(deliveryCreditsMax);
    expect(begunDelivery({ offset: 9, frameCount: 4 }).nextFrame).toBe(4);
    expect(begunDelivery({ offset: -1, frameCount: 4 }).nextFrame).toBe(0);
  });

  it("sends each frame once and in order, for every order of arrival and every break", () => {
    const orders = [0, 1, 2, 3].flatMap((a) =>
      [0, 1, 2, 3].flatMap((b) => [0, 1, 2, 3].map((c) => [a, b, c, 6 - a - b - c])),
    );
    for (const order of orders.filter((candidate) => new Set(candidate).size === 4)) {
      for (let breakAfter = 0; breakAfter < 4; breakAfter += 1) {
        const ids = ["", "", "", ""];
        const sent: number[] = [];
        let delivery = begunDelivery({ offset: 0, frameCount: 4 });
        for (const [turn, frame] of order.entries()) {
          ids[frame] = `frame-${frame}`;
          if (turn === breakAfter) delivery = begunDelivery({ offset: sent.length, frameCount: 4 });
          const next = deliver(credited(delivery, 4), ids);
          delivery = next.delivery;
          sent.push(...next.frames.map((one) => one.frame));
          expect(next.isOver).toBe(sent.length === 4);
        }
        expect(sent).toEqual([0, 1, 2, 3]);
      }
    }
  });
});
