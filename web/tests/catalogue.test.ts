import { describe, expect, it } from "vitest";
import { titleOf } from "../src/talk/catalogue";

describe("what faces and voices are called", () => {
  it("leaves out the letters that tell a voice's language and gender", () => {
    expect(["zf_xiaoxiao", "am_adam", "bf_emma"].map(titleOf)).toEqual(["Xiaoxiao", "Adam", "Emma"]);
  });

  it("keeps two voices apart that share a last name", () => {
    expect(["af_heart", "hibari_heart"].map(titleOf)).toEqual(["Heart", "Hibari Heart"]);
  });

  it("keeps the whole of any other name", () => {
    expect(["mei", "front_desk", "am_", "小美", "my_face"].map(titleOf)).toEqual([
      "Mei", "Front Desk", "Am", "小美", "My Face",
    ]);
  });
});
