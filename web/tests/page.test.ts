import { flushPromises, mount } from "@vue/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PERSONA, play } from "../dev/scenes";
import { ScriptedClient } from "../dev/scripted";
import { ref } from "vue";
import App from "../src/App.vue";
import { chooseLanguage } from "../src/words";

const SUGGESTIONS = ["几点开门？", "在哪里取号？"];
let client: ScriptedClient;

async function open(scene = "start") {
  client = new ScriptedClient();
  const page = mount(App, { props: { client }, attachTo: document.body });
  await play(client, scene, "zh");
  await flushPromises();
  await vi.advanceTimersByTimeAsync(50);
  return page;
}

const calls = (name: string) => client.calls.filter(([one]) => one === name).map((call) => call.slice(1));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["requestAnimationFrame", "cancelAnimationFrame", "setInterval", "clearInterval", "setTimeout", "clearTimeout", "performance"] });
  vi.stubGlobal("fetch", async (path: string) =>
    path.startsWith("/api/v1/suggestions")
      ? Response.json({ language: "zh", questions: SUGGESTIONS })
      : new Response(null, { status: 404 }),
  );
  chooseLanguage("zh");
});
afterEach(() => {
  document.body.innerHTML = "";
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the page", () => {
  it("begins with one button, which opens a session in the page's language", async () => {
    const page = await open();
    expect(page.find("#question").exists()).toBe(false);
    await page.get(".go").trigger("click");
    await flushPromises();
    expect(calls("connect")).toEqual([[{ language: "zh" }]]);
    expect(page.find("#question").exists()).toBe(true);
    page.unmount();
  });

  it("offers questions until one is asked", async () => {
    const page = await open("live");
    const chips = page.findAll(".suggestions .chip");
    expect(chips.map((chip) => chip.text())).toEqual(SUGGESTIONS);
    await chips[0]?.trigger("click");
    expect(calls("ask")).toEqual([["几点开门？"]]);
    await play(client, "thinking", "zh");
    expect(page.find(".suggestions").exists()).toBe(false);
    page.unmount();
  });

  it("sends a typed question once, and no empty one", async () => {
    const page = await open("live");
    await page.get("#question").setValue("  怎么走？ ");
    await page.get("form.ask").trigger("submit");
    await page.get("form.ask").trigger("submit");
    expect(calls("ask")).toEqual([["怎么走？"]]);
    page.unmount();
  });

  it("marks the word that is said, by the player's clock", async () => {
    const page = await open("speaking");
    await vi.advanceTimersByTimeAsync(50);
    const before = page.get(".now").text();
    client.clock += 0.6;
    await vi.advanceTimersByTimeAsync(50);
    const after = page.get(".now").text();
    expect(after).not.toBe(before);
    const line = page.get(".captions .line").text();
    expect(line.indexOf(after)).toBeGreaterThan(line.indexOf(before));
    expect(page.get(".captions [aria-live]").text()).toBe(line);
    page.unmount();
  });

  it("stops at once, and shows nothing more of what was being said", async () => {
    const page = await open("speaking");
    await page.get(".stop").trigger("click");
    expect(calls("interrupt")).toHaveLength(1);
    expect(page.find(".now").exists()).toBe(false);
    client.send({ type: "turn.ended", turn: 1, reason: "interrupted", heard: "办理居民" });
    client.send({ type: "session.state", turn: 1, state: "idle" });
    await vi.advanceTimersByTimeAsync(50);
    expect(page.find(".stop").exists()).toBe(false);
    expect(page.get(".captions").text()).toBe("办理居民");
    page.unmount();
  });

  it("has talk held by the space bar, but not while typing", async () => {
    const page = await open("live");
    const input = page.get("#question").element;
    input.dispatchEvent(new KeyboardEvent("keydown", { code: "Space", key: " ", bubbles: true }));
    expect(calls("talk")).toEqual([]);
    document.body.dispatchEvent(new KeyboardEvent("keydown", { code: "Space", key: " ", bubbles: true }));
    document.body.dispatchEvent(new KeyboardEvent("keydown", { code: "Space", key: " ", bubbles: true, repeat: true }));
    dispatchEvent(new KeyboardEvent("keyup", { code: "Space", key: " " }));
    await flushPromises();
    expect(calls("talk")).toEqual([[true], [false]]);
    page.unmount();
  });

  it("says what to do about a refused microphone, and typing goes on", async () => {
    const page = await open("live");
    client.refuse = { code: "microphone_denied", message: "" };
    await page.get("button.open").trigger("click");
    await flushPromises();
    expect(page.get(".notice").text()).toContain("话筒没有获准使用");
    expect(page.get("button.open").attributes("aria-pressed")).toBe("false");
    await page.get("#question").setValue("怎么走？");
    await page.get("form.ask").trigger("submit");
    expect(calls("ask")).toEqual([["怎么走？"]]);
    page.unmount();
  });

  it("asks a full server again by itself", async () => {
    const page = await open("full");
    expect(page.get("h1").text()).toBe("现在人满了");
    client.refuse = null;
    await vi.advanceTimersByTimeAsync(19_000);
    expect(calls("connect")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(calls("connect")).toHaveLength(2);
    expect(page.find("#question").exists()).toBe(true);
    page.unmount();
  });

  it("opens a session with the face that was chosen before it", async () => {
    vi.stubGlobal("fetch", async (path: string) =>
      path === "/api/v1/avatars"
        ? Response.json({
            avatars: ["mei", "adam"].map((name) => ({ name, default: name === "mei", picture: `/${name}.jpg` })),
          })
        : new Response(null, { status: 404 }),
    );
    const page = await open();
    expect(page.get("figure img").attributes("src")).toBe("/api/v1/avatars/mei/picture.jpg");
    await page.get("nav .round:last-child").trigger("click");
    await flushPromises();
    const adam = page.get<HTMLInputElement>("input[value=adam]");
    adam.element.checked = true;
    await adam.trigger("change");
    expect(page.get("figure img").attributes("src")).toBe("/api/v1/avatars/adam/picture.jpg");
    await page.get(".go").trigger("click");
    await flushPromises();
    expect(calls("connect")).toEqual([[{ avatar: "adam", language: "zh" }]]);
    page.unmount();
  });

  it("starts again after the end, with an empty dialogue", async () => {
    const page = await open("ended");
    expect(page.get("[role=alert]").text()).toContain("有一阵子没人说话");
    await page.get(".go").trigger("click");
    await flushPromises();
    expect(page.find("#question").exists()).toBe(true);
    expect(page.find(".history li").exists()).toBe(false);
    page.unmount();
  });

  it("changes all texts and the session's language together", async () => {
    const page = await open("live");
    await page.get(".language").trigger("click");
    await flushPromises();
    expect(calls("change")).toEqual([[{ language: "en" }]]);
    expect(page.get(".talk").text()).toContain("Hold to talk");
    expect(document.documentElement.lang).toBe("en");
    page.unmount();
  });

  it("sends a thumb at once and the comment with it later", async () => {
    const page = await open("answer");
    await page.get(".thumbs button:last-child").trigger("click");
    await page.get(".comment input").setValue("太长");
    await page.get(".comment").trigger("submit");
    expect(calls("feedback")).toEqual([[1, "down", ""], [1, "down", "太长"]]);
    expect(page.get(".thanks").text()).toContain("谢谢");
    page.unmount();
  });

  it("links sources to the web only", async () => {
    const page = await open("thinking");
    client.send({
      type: "answer.sources", turn: 1, outcome: "answer", confidence: 0.9, candidates: [],
      sources: [
        {
          title: "a",
          url: "https://example.org/a",
          question: "",
          attachments: [
            { kind: "link", value: "https://example.org/map", label: "地图" },
            { kind: "link", value: "javascript:alert(2)", label: "坏的" },
            { kind: "phone", value: "(010) 6888-1234 转 5", label: "热线" },
            { kind: "office", value: "三号窗口", label: "" },
            { kind: "phone", value: "+86 10 12345", label: "" },
            { kind: "phone", value: "见窗口", label: "" },
          ],
        },
        { title: "b", url: "javascript:alert(1)", question: "", attachments: [] },
      ],
    });
    client.send({ type: "session.state", turn: 1, state: "speaking" });
    client.send({ type: "sentence.started", turn: 1, index: 0, text: "好。", language: "zh", emotion: "neutral", intensity: 0.5 });
    client.send({ type: "turn.ended", turn: 1, reason: "complete", heard: "好。" });
    client.send({ type: "session.state", turn: 1, state: "idle" });
    await vi.advanceTimersByTimeAsync(50);
    expect(page.findAll(".sources a").map((link) => link.attributes("href"))).toEqual(["https://example.org/a"]);
    expect(page.findAll(".sources .chip")).toHaveLength(2);
    const beside = page.findAll(".attachments .chip");
    expect(beside.map((one) => one.attributes("href"))).toEqual([
      "https://example.org/map", undefined, "tel:01068881234;ext=5", undefined, "tel:+861012345", undefined,
    ]);
    expect(beside.map((one) => one.text())).toEqual([
      "地图 (在新窗口打开)", "链接: 坏的 javascript:alert(2)", "电话: 热线 (010) 6888-1234 转 5", "地点: 三号窗口",
      "电话: +86 10 12345", "电话: 见窗口",
    ]);
    page.unmount();
  });

  it("says that it reconnects and keeps the dialogue", async () => {
    const page = await open("reconnecting");
    expect(page.get(".state p").text()).toBe("连接断了，正在重新连接");
    expect(page.findAll(".history li")).toHaveLength(1);
    page.unmount();
  });

  it("never invites to speak while nobody hears", async () => {
    for (const scene of ["reconnecting", "openaway", "restoring", "blind"]) {
      const page = await open(scene);
      const shown = page.get(".below").text();
      for (const word of ["请提问", "请直接说"]) expect(shown, scene).not.toContain(word);
      expect(page.find(".talk:enabled").exists(), scene).toBe(false);
      document.body.dispatchEvent(new KeyboardEvent("keydown", { code: "Space", key: " ", bubbles: true }));
      await flushPromises();
      expect(calls("talk"), scene).toEqual([]);
      page.unmount();
    }
  });

  it("lets go of the button when the line goes", async () => {
    const page = await open("live");
    document.body.dispatchEvent(new KeyboardEvent("keydown", { code: "Space", key: " ", bubbles: true }));
    await flushPromises();
    client.become({ phase: "reconnecting", transport: null });
    await flushPromises();
    expect(calls("talk")).toEqual([[true], [false]]);
    client.become({ phase: "connected", transport: "webrtc" });
    await flushPromises();
    expect(page.get(".state p").text()).toBe("请提问");
    page.unmount();
  });

  it("brings the picture back while typed questions go on", async () => {
    const page = await open("restoring");
    expect(page.get(".state p").text()).toBe("画面断了，正在恢复");
    await page.get("#question").setValue("怎么走？");
    await page.get("form.ask").trigger("submit");
    expect(calls("ask")).toEqual([["怎么走？"]]);
    expect(page.find(".waiting").exists()).toBe(false);
    page.unmount();
  });

  it("shows the question that waits for the line, and gives it back", async () => {
    const page = await open("reconnecting");
    await page.get("#question").setValue("怎么走？");
    await page.get("form.ask").trigger("submit");
    expect(page.get(".waiting").text()).toContain("怎么走？");
    expect(page.get(".waiting").text()).toContain("连上后发送");
    await page.get(".waiting .button").trigger("click");
    expect(page.find(".waiting").exists()).toBe(false);
    expect(page.get<HTMLInputElement>("#question").element.value).toBe("怎么走？");
    page.unmount();
  });

  it("has a question that was never sent in the field of the next session", async () => {
    const page = await open("unsent");
    const question = "那要等多久才能拿到新的身份证？";
    expect(page.get(".stopped").text()).toContain(question);
    await page.get(".stopped .go").trigger("click");
    await flushPromises();
    expect(page.get<HTMLInputElement>("#question").element.value).toBe(question);
    expect(calls("ask")).toEqual([[question]]);
    page.unmount();
  });

  it("has a face that was chosen while the line was away when it is back", async () => {
    const page = await open("reconnecting");
    await page.get(".language").trigger("click");
    expect(calls("change")).toEqual([[{ language: "en" }]]);
    page.unmount();
  });

  it("tells failures in its own language, and what is unknown in the server's", async () => {
    const page = await open("failure");
    expect(page.get(".notice").text()).toContain("这次没有答成");
    expect(page.get(".notice").text()).not.toMatch(/did not answer/);
    await page.get(".notice .button").trigger("click");
    expect(calls("ask")).toEqual([["办身份证要带什么材料？"]]);
    client.send({ type: "error", code: "FromTomorrow", message: "the moon is full", retryable: false });
    await flushPromises();
    expect(page.get(".notice").text()).toContain("the moon is full");
    page.unmount();
    const stopped = await open("refused");
    expect(stopped.get("section.stopped").text()).toContain("数据库没有响应");
    expect(stopped.get("section.stopped").text()).not.toMatch(/[a-z]{4}/);
    stopped.unmount();
  });

  it("names who answers, before the start and after, in the page's language", async () => {
    vi.stubGlobal("fetch", async (path: string) =>
      path === "/api/v1/persona" ? Response.json({ persona: PERSONA }) : new Response(null, { status: 404 }),
    );
    const page = await open("named");
    expect(page.get("h1").text()).toBe("有问题，当面问小惠");
    await page.get(".language").trigger("click");
    expect(page.get("h1").text()).toBe("Ask Xiaohui face to face");
    await page.get(".go").trigger("click");
    await flushPromises();
    expect(page.get(".bar .name").text()).toBe("Xiaohui");
    page.unmount();
  });

  it("says that voices are recorded where they are, and only then lets them be kept", async () => {
    const keeps = (sound: unknown) =>
      vi.stubGlobal("fetch", async (path: string) =>
        path === "/api/v1/privacy" ? Response.json({ sound }) : new Response(null, { status: 404 }),
      );
    keeps(true);
    const page = await open();
    expect(page.get(".start").text()).toContain("您说话时会录音");
    expect(page.get(".start").text()).not.toContain("不会保存");
    await page.get(".language").trigger("click");
    expect(page.get(".start").text()).toContain("your voice is recorded");
    await page.get(".go").trigger("click");
    await flushPromises();
    expect(calls("connect")).toEqual([[{ language: "en", may_keep_sound: true }]]);
    page.unmount();
    chooseLanguage("zh");
    keeps(false);
    const quiet = await open();
    expect(quiet.get(".start").text()).toContain("您的声音不会保存；问答的文字可能留存");
    expect(quiet.get(".start").text()).not.toContain("录音");
    await quiet.get(".go").trigger("click");
    await flushPromises();
    expect(calls("connect")).toEqual([[{ language: "zh" }]]);
    quiet.unmount();
  });

  it("promises nothing of voices while the server does not say", async () => {
    const page = await open();
    expect(page.get(".start").text()).toContain("由 AI 生成");
    expect(page.get(".unknown").text()).toMatch(/声音不会/);
    page.get(".unknown").element.remove(); // it only keeps the room, unseen
    expect(page.get(".start").text()).not.toMatch(/声音不会|录音/);
    page.unmount();
  });

  it("shows the button to start when it will not move any more, or when that takes too long", async () => {
    let tell: (answer: Response) => void = () => {};
    vi.stubGlobal("fetch", (path: string) =>
      path === "/api/v1/persona"
        ? new Promise<Response>((told) => (tell = told))
        : Promise.resolve(Response.json({ sound: false })),
    );
    const page = await open();
    expect(page.get("section.start").classes()).toContain("unsettled");
    tell(Response.json({ persona: PERSONA }));
    await flushPromises();
    expect(page.get("section.start").classes()).not.toContain("unsettled");
    expect(page.get("h1").text()).toBe("有问题，当面问小惠");
    page.unmount();
    const silent = await open();
    expect(silent.get("section.start").classes()).toContain("unsettled");
    await vi.advanceTimersByTimeAsync(1500);
    expect(silent.get("section.start").classes()).not.toContain("unsettled");
    silent.unmount();
  });

  it("believes the session that nobody is named any more", async () => {
    vi.stubGlobal("fetch", async (path: string) =>
      path === "/api/v1/persona" ? Response.json({ persona: PERSONA }) : new Response(null, { status: 404 }),
    );
    const page = await open("live");
    expect(page.find(".bar .name").exists()).toBe(false);
    page.unmount();
  });

  it("says that it greets, offers questions after it, and asks no opinion of it", async () => {
    const page = await open("greeting");
    expect(page.get(".state p").text()).toBe("正在问候");
    expect(page.get(".captions .line").text()).toContain("我是小惠");
    page.unmount();
    const after = await open("greeted");
    expect(after.get(".state p").text()).toBe("请提问");
    expect(after.get(".captions").text()).toBe("您好，我是小惠，由人工智能驱动。请问您要办什么事？");
    expect(after.findAll(".suggestions .chip")).toHaveLength(2);
    expect(after.find(".thumbs").exists()).toBe(false);
    client.send({ type: "turn.started", turn: 2, kind: "text", text: "怎么走？" });
    client.send({ type: "session.state", turn: 2, state: "thinking" });
    await vi.advanceTimersByTimeAsync(50);
    expect(after.get(".state p").text()).toBe("正在想");
    expect(after.find(".suggestions").exists()).toBe(false);
    after.unmount();
  });

  it("clears the history with one button, and says so where the focus is", async () => {
    const page = await open("history");
    await page.get(".bar .history").trigger("click");
    const sheet = page.get("dialog");
    expect(sheet.findAll("li")).toHaveLength(1);
    await sheet.get(".clear button").trigger("click");
    await flushPromises();
    expect(calls("forget")).toHaveLength(1);
    expect(page.findAll(".history li")).toHaveLength(0);
    expect(sheet.get(".empty").text()).toBe("对话已清空，之前说的不再作数。");
    expect(document.activeElement).toBe(sheet.get(".empty").element);
    expect(page.get(".captions").text()).toBe("");
    expect(page.find(".thumbs").exists()).toBe(false);
    expect(page.find(".bar .history").exists(), "focus has somewhere to go back to").toBe(true);
    // What still comes of the turn that was cleared brings nothing back.
    client.send({ type: "sentence.started", turn: 1, index: 2, text: "迟到。", language: "zh", emotion: "neutral", intensity: 0.5 });
    client.send({ type: "turn.ended", turn: 1, reason: "interrupted", heard: "迟到。" });
    await vi.advanceTimersByTimeAsync(50);
    expect(page.findAll(".history li")).toHaveLength(0);
    page.unmount();
  });

  it("is cleared when the server says so", async () => {
    const page = await open("failure");
    expect(page.find(".notice").exists()).toBe(true);
    client.send({ type: "history.cleared" });
    await flushPromises();
    expect(page.find(".notice").exists()).toBe(false);
    expect(page.findAll(".history li")).toHaveLength(0);
    expect(page.findAll(".suggestions .chip")).toHaveLength(2);
    page.unmount();
  });

  it("tells in its language what the connection check found", async () => {
    const page = await open("check");
    page.unmount();
    const { default: ConnectionDetails } = await import("../src/parts/ConnectionDetails.vue");
    const talk = {
      connection: ref({ phase: "new", transport: null, problem: null }),
      marks: {},
    };
    const props = { talk: talk as never, figures: async () => null as never, check: client.check.bind(client), open: true };
    for (const [language, said] of [
      ["zh", ["正常 · Opus，21 毫秒", "没有查 · 没有设置中转服务器", "用户名或口令不对（401 Unauthorized）"]],
      ["en", ["fine · Opus, 21 ms", "not checked · no TURN server is set", "credential is wrong (401 Unauthorized)"]],
    ] as const) {
      chooseLanguage(language);
      const details = mount(ConnectionDetails, { props });
      await flushPromises();
      for (const text of said) expect(details.get(".check").text()).toContain(text);
      details.unmount();
    }
  });
});
