// One rater's way through a study. The server says what comes next; nothing is known here of what it is.
import { language, say } from "./words.js";

const at = (id) => document.getElementById(id);
const SIDES = ["A", "B"];
const ICONS = { play: "M8 5v14l11-7z", pause: "M6 5h4v14H6zM14 5h4v14h-4z", again: "M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z" };
const KEPT = "rater";
const named = location.pathname.match(/^\/r\/([\w-]+)$/)?.[1];
let rater = named ?? remembered();
let state = null;
let players = [];
let seenAt = 0;

// A browser may forbid storage; the address alone then leads back.
function remembered() {
  try { return localStorage.getItem(KEPT); } catch { return null; }
}
function remember(token) {
  try { token ? localStorage.setItem(KEPT, token) : localStorage.removeItem(KEPT); } catch { /* as above */ }
}

async function ask(path, body) {
  const request = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const answer = await fetch(path, request);
  if (!answer.ok) throw Object.assign(new Error(path), { status: answer.status });
  return answer.json();
}

function show(id) {
  for (const part of ["welcome", "rating", "finished"]) at(part).hidden = part !== id;
  at("trouble").hidden = true;
  window.scrollTo(0, 0);
}

// Tell of trouble, with one thing to do about it and perhaps a second.
function complain(text, label, action, skip = null) {
  at("what").textContent = text;
  at("again").textContent = label;
  at("again").onclick = () => { at("trouble").hidden = true; action(); };
  at("skip").hidden = !skip;
  at("skip").textContent = say.skip;
  at("skip").onclick = () => { at("trouble").hidden = true; skip(); };
  at("trouble").hidden = false;
  at("again").focus();
}

// Do what needs the server, again and again if the rater wants it.
async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (error.status === 404 && rater) {
      complain(say.unknown, say.fresh, () => { remember(null); location.assign("/"); });
    } else if (error.status === 409) {
      await attempt(load);
    } else {
      complain(say.lost, say.retry, () => attempt(work));
    }
  }
}

async function welcome() {
  const study = await ask("/api/study");
  document.title = at("title").textContent = study.title || "…";
  at("lead").textContent = (study.kind === "pairs" ? say.leadPairs : say.lead)(study.total, study.minutes);
  at("hints").replaceChildren(...say.hints.map((hint) => Object.assign(document.createElement("li"), { textContent: hint })));
  at("privacy").textContent = say.privacy;
  at("consent").textContent = say.consent;
  at("start").textContent = say.start;
  at("agree").onchange = () => { at("start").disabled = !at("agree").checked; };
  at("start").onclick = () => attempt(begin);
  show("welcome");
}

async function begin() {
  at("start").disabled = true;
  try {
    ({ rater } = await ask("/api/raters", { language }));
  } catch (error) {
    at("start").disabled = false;
    if (error.status !== 503) throw error;
    complain(say.full, say.retry, () => attempt(begin));
    return;
  }
  remember(rater);
  await load();
}

async function load() {
  const found = await ask(`/api/raters/${rater}`);
  // The address leads back here, to be kept or opened on another device.
  history.replaceState(null, "", `/r/${rater}`);
  arrive(found);
}

function arrive(next) {
  state = next;
  document.title = state.title || "…";
  if (!state.trial) {
    at("stage").replaceChildren();
    at("thanks").textContent = say.thanks;
    at("closing").textContent = say.closing;
    at("another").textContent = say.another;
    at("another").onclick = () => { remember(null); location.assign("/"); };
    show("finished");
    at("thanks").focus();
    return;
  }
  const { done, total, questions } = state;
  at("count").textContent = say.count(done + 1, total);
  at("progress").max = total;
  at("progress").value = done;
  at("next").textContent = done + 1 === total ? say.last : say.next;
  for (const player of players) player.close();
  seenAt = 0;
  players = state.trial.videos.map((source, i) => makePlayer(source, state.trial.videos.length > 1 ? SIDES[i] : ""));
  at("stage").className = players.length > 1 ? "two" : "one";
  at("stage").replaceChildren(...players.map((player) => player.element));
  at("questions").replaceChildren(...questions.map((question, i) => makeQuestion(question[language], i)));
  show("rating");
  at("count").focus();
  refresh();
}

function makeQuestion(text, number) {
  const field = document.createElement("fieldset");
  field.append(Object.assign(document.createElement("legend"), { textContent: text }));
  const row = Object.assign(document.createElement("div"), { className: "choices" });
  const [labels, first] = state.kind === "pairs" ? [say.pairs, -1] : [say.scores, 1];
  labels.forEach((label, i) => {
    const choice = Object.assign(document.createElement("label"), { className: "choice" });
    const input = Object.assign(document.createElement("input"), { type: "radio", name: `q${number}`, value: first + i });
    input.addEventListener("change", refresh);
    choice.append(input);
    if (state.kind === "scores") choice.append(Object.assign(document.createElement("b"), { textContent: first + i }));
    choice.append(Object.assign(document.createElement("span"), { textContent: label }));
    row.append(choice);
  });
  field.append(row);
  return field;
}

function makePlayer(source, side) {
  const element = document.createElement("figure");
  const screen = Object.assign(document.createElement("div"), { className: "screen" });
  const video = Object.assign(document.createElement("video"), {
    src: source, preload: "auto", playsInline: true, disablePictureInPicture: true, disableRemotePlayback: true,
  });
  video.setAttribute("aria-label", side ? say.videoSide(side) : say.video);
  const button = Object.assign(document.createElement("button"), { type: "button", className: "play" });
  if (side) element.append(Object.assign(document.createElement("figcaption"), { textContent: side }));
  screen.append(video, button);
  element.append(screen);
  const player = { element, video, side, plays: 0, toggle, close };

  function draw() {
    const [icon, label] = !video.paused && !video.ended ? ["pause", say.pause]
      : player.plays && (video.ended || !video.currentTime) ? ["again", say.again]
      : ["play", side ? say.playSide(side) : say.play];
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
    button.setAttribute("aria-label", side && icon !== "play" ? `${label} ${side}` : label);
    screen.classList.toggle("plays", icon === "pause");
  }
  function toggle() {
    if (!video.paused && !video.ended) { video.pause(); return; }
    for (const other of players) if (other !== player) other.video.pause();
    screen.classList.add("waits");
    video.play().catch((error) => { if (error.name === "NotSupportedError") fail(); }).finally(() => screen.classList.remove("waits"));
  }
  function fail() {
    if (!video.isConnected) return;
    complain(say.broken, say.retry, () => { video.load(); toggle(); }, () => attempt(async () => {
      arrive(await ask(`/api/raters/${rater}/trials/${state.trial.token}/problem`, { what: `media error ${video.error?.code ?? ""}` }));
    }));
  }
  // Some browsers go on loading a video that is no longer in the page.
  function close() { video.removeAttribute("src"); video.load(); }

  button.addEventListener("click", toggle);
  video.addEventListener("error", () => { if (video.getAttribute("src")) fail(); });
  for (const name of ["play", "pause"]) video.addEventListener(name, draw);
  video.addEventListener("loadedmetadata", () => screen.style.setProperty("--ratio", video.videoWidth / video.videoHeight));
  video.addEventListener("ratechange", () => { if (video.playbackRate !== 1) video.playbackRate = 1; });
  video.addEventListener("ended", () => {
    if (isWhole(video)) player.plays += 1;
    draw();
    if (!seenAt && players.every((each) => each.plays)) seenAt = performance.now();
    refresh();
  });
  draw();
  return player;
}

// Keys of a headset or a remote can jump ahead; what was not seen cannot be rated.
function isWhole({ played, duration }) {
  let seen = 0;
  for (let i = 0; i < played.length; i += 1) seen += played.end(i) - played.start(i);
  return seen > duration - Math.min(0.5, duration / 4);
}

const unseen = () => players.filter((player) => !player.plays);
const chosen = () => state.questions.map((_, i) => at("rating").elements[`q${i}`].value);

function refresh() {
  const left = unseen();
  for (const field of at("questions").children) field.disabled = left.length > 0;
  const complete = !left.length && chosen().every((value) => value !== "");
  at("next").disabled = !complete;
  at("hint").textContent = complete ? say.ready : !left.length ? say.answer
    : players.length === 1 ? say.watch : left.length === 2 ? say.watchPairs : say.watchOther(left[0].side);
}

at("rating").addEventListener("submit", (event) => {
  event.preventDefault();
  if (at("next").disabled) return;
  const body = {
    answers: chosen().map(Number),
    plays: players.map((player) => player.plays),
    seconds: (performance.now() - seenAt) / 1000,
  };
  const path = `/api/raters/${rater}/trials/${state.trial.token}`;
  at("hint").textContent = say.saving;
  at("next").disabled = true;
  attempt(async () => arrive(await ask(path, body)));
});

// Space plays, digits answer the first question that is open, Enter goes on.
document.addEventListener("keydown", (event) => {
  if (at("rating").hidden || !at("trouble").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && !event.target.closest("button, input")) {
    event.preventDefault();
    (players.find((each) => !each.video.paused) ?? unseen()[0] ?? players[0]).toggle();
  } else if (event.key === "Enter" && !event.target.closest("button")) {
    event.preventDefault();
    at("rating").requestSubmit();
  } else if (/^[1-9]$/.test(event.key) && !unseen().length) {
    const values = chosen();
    const number = Math.max(0, values.indexOf(""));
    const input = at("rating").elements[`q${number}`][Number(event.key) - 1];
    if (input) { input.checked = true; input.focus(); refresh(); }
  }
});

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
attempt(async () => {
  if (!rater) return welcome();
  return load().catch((error) => {
    // What was remembered here may be of another study at the same address.
    if (error.status !== 404 || named) throw error;
    remember(rater = null);
    return welcome();
  });
});
