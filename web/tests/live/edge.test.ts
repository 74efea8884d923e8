import { describe, expect, it } from "vitest";
import { LiveEdge, TARGET, toRemove } from "../../src/live/edge";

/** A player and a server, a tenth of a second a step; returns how far behind it was at each. */
function play(edge: LiveEdge, seconds: number, from: number, bursts = 0.08): number[] {
  const behind: number[] = [];
  let place = from;
  for (let now = 100; now < 100 + seconds; now += 0.1) {
    const end = 100 + Math.floor((now - 100) / bursts) * bursts;
    const move = edge.move(place, [{ start: 90, end }]);
    if (move.seek !== null) place = move.seek;
    place = Math.min(end, place + 0.1 * move.rate);
    behind.push(end - place);
  }
  return behind;
}

describe("LiveEdge", () => {
  it("waits while nothing is there", () => {
    expect(new LiveEdge().move(0, [])).toEqual({ seek: null, rate: 1 });
  });

  it("jumps in where a late start's times begin", () => {
    const { seek } = new LiveEdge().move(0, [{ start: 1000, end: 1000.08 }]);
    expect(seek).toBe(1000);
  });

  it("jumps when it is far behind", () => {
    const { seek } = new LiveEdge().move(100, [{ start: 90, end: 103 }]);
    expect(seek).toBeCloseTo(103 - TARGET);
  });

  it("hastens when it is a little behind, until the aim is reached", () => {
    const behind = play(new LiveEdge(), 20, 99.2);
    expect(behind[0]).toBeGreaterThan(0.5);
    expect(Math.max(...behind.slice(100))).toBeLessThan(0.5);
    expect(Math.min(...behind.slice(100))).toBeGreaterThan(0);
  });

  it("stays within half a second of the edge for long", () => {
    const behind = play(new LiveEdge(), 600, 99.8);
    expect(Math.max(...behind.slice(50))).toBeLessThanOrEqual(0.5);
  });

  it("keeps more in hand after it ran dry, and less again after a while", () => {
    const edge = new LiveEdge();
    edge.stalled();
    edge.stalled();
    expect(edge.aim).toBeGreaterThan(TARGET + 0.2);
    for (let i = 0; i < 30; i++) edge.stalled();
    expect(edge.aim).toBeLessThanOrEqual(1);
    play(edge, 60, 99);
    expect(edge.aim).toBe(TARGET);
  });

  it("jumps over a gap to the newest stretch", () => {
    const ranges = [
      { start: 90, end: 95 },
      { start: 99, end: 99.5 },
    ];
    expect(new LiveEdge().move(95, ranges).seek).toBeCloseTo(99.5 - TARGET);
  });

  it("does not jump back when the end was just reached", () => {
    expect(new LiveEdge().move(100.01, [{ start: 90, end: 100 }]).seek).toBeNull();
  });
});

describe("toRemove", () => {
  it("keeps some seconds behind, and removes the rest in large pieces", () => {
    expect(toRemove(8, [{ start: 0, end: 9 }])).toBeNull();
    expect(toRemove(12, [{ start: 0, end: 13 }])).toEqual({ start: 0, end: 7 });
    expect(toRemove(12, [])).toBeNull();
  });
});
