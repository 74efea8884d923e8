import { describe, expect, it } from "vitest";
import { ServerClock, SmoothClock } from "../../src/live/clock";

describe("ServerClock", () => {
  it("knows nothing before the first pong", () => {
    const clock = new ServerClock();
    expect(clock.at(5)).toBeNull();
    expect(clock.roundTrip).toBeNull();
  });

  it("takes the middle of the trip for the pong's moment", () => {
    const clock = new ServerClock();
    clock.note(10, 10.2, 100);
    expect(clock.roundTrip).toBeCloseTo(0.2);
    expect(clock.at(10.1)).toBeCloseTo(100);
    expect(clock.at(12.1)).toBeCloseTo(102);
  });

  it("is not led astray by trips that took long on one side", () => {
    const clock = new ServerClock();
    for (let i = 0; i < 6; i++) clock.note(i, i + 0.02, 50 + i + 0.01);
    clock.note(6, 7.5, 50 + 7.49); // stuck on the way there
    clock.note(8, 9.5, 50 + 8.01); // stuck on the way back
    expect(clock.at(10)).toBeCloseTo(60, 2);
  });

  it("comes within a frame of the truth though pongs name the frame's beginning", () => {
    const clock = new ServerClock();
    const errors: number[] = [];
    for (let i = 0; i < 40; i++) {
      const sent = i * 2.013;
      const truth = 30 + sent + 0.005;
      clock.note(sent, sent + 0.01, Math.floor(truth * 25) / 25);
      if (i > 11) errors.push(clock.at(sent)! - (30 + sent));
    }
    expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.02);
  });

  it("follows a server that stood still, from the first pong after it on", () => {
    const clock = new ServerClock();
    for (let i = 0; i < 12; i++) clock.note(2 * i, 2 * i + 0.01, 30 + 2 * i);
    expect(clock.at(24)).toBeCloseTo(54, 1);
    clock.note(24, 24.3, 52.1); // two seconds, told by a slow trip
    expect(Math.abs(clock.at(25)! - 53)).toBeLessThan(0.2);
    clock.note(26, 26.01, 54);
    expect(clock.at(27)).toBeCloseTo(55, 1);
  });

  it("does not follow one that is late for a moment", () => {
    const clock = new ServerClock();
    for (let i = 0; i < 12; i++) clock.note(2 * i, 2 * i + 0.01, 30 + 2 * i);
    clock.note(24, 24.01, 53.8);
    expect(clock.at(25)).toBeCloseTo(55, 1);
  });

  it("forgets after a reconnection", () => {
    const clock = new ServerClock();
    clock.note(1, 1.1, 9);
    clock.reset();
    expect(clock.at(2)).toBeNull();
  });
});

describe("SmoothClock", () => {
  it("never runs backwards by a little", () => {
    const clock = new SmoothClock();
    expect([1, 1.5, 1.45, 1.6].map((x) => clock.read(x))).toEqual([1, 1.5, 1.5, 1.6]);
  });

  it("gives in when it is far off", () => {
    const clock = new SmoothClock();
    clock.read(10);
    expect(clock.read(3)).toBe(3);
  });
});
