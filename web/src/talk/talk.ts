import { computed, reactive, ref, shallowRef, watch } from "vue";
import { type Connection, LiveError, type LiveClient, type Opening, type Problem } from "../live/types";
import type { Failure, LatencyMark, Persona, ServerEvent, SessionChanged } from "../protocol";
import { type Caption, Captions } from "./captions";
import { type Turn, follow } from "./dialogue";
import { Pacing } from "./pacing";
import { type Activity, chooseView } from "./view";

/** How the session is set, as the server said last. */
export type Setting = Pick<
  SessionChanged,
  "avatar" | "voices" | "language" | "emotion" | "microphone" | "width" | "height"
>;

/** Everything that the page shows of a conversation, and what a user can do with it. */
export function createTalk(client: LiveClient) {
  const connection = shallowRef<Connection>(client.connection);
  const microphone = ref(client.microphone);
  const activity = ref<Activity>("idle");
  const setting = shallowRef<Setting | null>(null);
  const turns = reactive<Turn[]>([]);
  const caption = shallowRef<Caption | null>(null);
  const heard = ref("");
  const failure = shallowRef<Failure | null>(null);
  const problem = shallowRef<Problem | null>(null);
  const marks = reactive<Partial<Record<LatencyMark["mark"], number>>>({});
  const pressed = ref(false);
  /** What stands in the question field. */
  const draft = ref("");
  /** The typed question that has not reached the server. */
  const waiting = ref(client.waiting);
  const asked = ref("");
  /** Who answers; undefined before the first session. */
  const persona = shallowRef<Persona | null | undefined>(undefined);
  /** The history was cleared in this session. */
  const cleared = ref(false);

  const captions = new Captions();
  const pacing = new Pacing(() => client.now());
  /** What the next session is opened with: what was chosen, in a session or before one. */
  const opening = shallowRef<Opening>({});
  let timer = 0;

  const view = computed(() => chooseView(connection.value));
  const latest = computed<Turn | null>(() => turns.at(-1) ?? null);
  /** Whether speech is heard; typed questions wait where it is not. */
  const hears = computed(() => connection.value.phase === "connected");

  function silence(): void {
    captions.clear();
    caption.value = null;
  }

  function clear(): void {
    turns.length = 0;
    asked.value = "";
    heard.value = "";
    failure.value = null;
    silence();
  }

  /** Captions move with the player, frame by frame, while something is said. */
  function tick(): void {
    timer = 0;
    for (const event of pacing.due()) show(event);
    const next = activity.value === "speaking" ? captions.at(client.now()) : null;
    const last = caption.value;
    if (
      next?.turn !== last?.turn ||
      next?.index !== last?.index ||
      next?.current !== last?.current ||
      next?.pieces !== last?.pieces
    )
      caption.value = next;
    if (activity.value === "speaking" || !pacing.isEmpty) timer = requestAnimationFrame(tick);
  }

  function keepTicking(): void {
    if (!timer) timer = requestAnimationFrame(tick);
  }

  function receive(event: ServerEvent): void {
    // A caption is found by its own times, so it may be known before its moment.
    if (event.type === "sentence.started" || event.type === "speech.marks") captions.add(event);
    for (const due of pacing.take(event)) show(due);
    keepTicking();
  }

  function show(event: ServerEvent): void {
    follow(turns, event);
    switch (event.type) {
      case "session.started":
        setting.value = event;
        persona.value = event.persona ?? null;
        activity.value = event.state;
        break;
      case "session.changed":
        setting.value = event;
        break;
      case "session.state":
        activity.value = event.state;
        if (event.state !== "speaking") silence();
        if (event.state === "listening") heard.value = "";
        break;
      case "history.cleared":
        clear();
        cleared.value = true;
        break;
      case "turn.started":
        silence();
        failure.value = null;
        heard.value = "";
        if (event.kind !== "text") asked.value = "";
        break;
      case "transcript.partial":
        heard.value = event.text;
        break;
      case "transcript.final":
        heard.value = "";
        break;
      case "turn.ended":
        if (event.reason !== "complete") silence();
        break;
      case "latency":
        marks[event.mark] = event.seconds;
        break;
      case "error":
        failure.value = event;
        break;
      case "session.ended":
        activity.value = "idle";
        silence();
        break;
    }
  }

  const listeners = [
    client.on("event", receive),
    client.on("connection", (value) => (connection.value = value)),
    client.on("microphone", (value) => (microphone.value = value)),
    client.on("problem", (value) => (problem.value = value)),
    client.on("waiting", (value) => (waiting.value = value)),
    // Who holds the button when the line goes would talk to nobody.
    watch(hears, (now) => !now && void release(), { flush: "sync" }),
  ];

  async function release(): Promise<void> {
    if (!pressed.value) return;
    pressed.value = false;
    await attempt(() => client.talk(false));
  }

  function ask(text: string): void {
    const question = text.trim();
    if (!question) return;
    failure.value = null;
    asked.value = question;
    client.ask(question);
  }

  async function attempt(action: () => Promise<void>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      problem.value =
        error instanceof LiveError ? error.problem : { code: "failed", message: String(error) };
      return false;
    }
  }

  return {
    connection,
    microphone,
    activity,
    setting,
    opening,
    turns,
    latest,
    caption,
    heard,
    failure,
    problem,
    marks,
    pressed,
    draft,
    waiting,
    hears,
    view,
    persona,
    cleared,

    /** Open a session; a problem shows in `connection`. */
    async start(how: Opening = {}): Promise<void> {
      opening.value = { ...opening.value, ...how };
      if (client.waiting) draft.value = client.waiting;
      clear();
      cleared.value = false;
      problem.value = null;
      activity.value = "idle";
      try {
        await client.connect(opening.value);
      } catch (error) {
        const why: Problem =
          error instanceof LiveError ? error.problem : { code: "failed", message: String(error) };
        // A client says so itself as well; this holds for one that threw before it could.
        if (!client.connection.problem)
          connection.value = { phase: "ended", transport: null, problem: why };
      }
    },

    ask,

    /** Ask again what could not be answered; what was spoken as it was understood. */
    askAgain: () => ask(asked.value || (latest.value?.question ?? "")),

    /** Take the question that waits back into the field, unless something else stands there. */
    takeBack(): void {
      const question = waiting.value;
      client.interrupt();
      draft.value ||= question;
    },

    stop(): void {
      client.interrupt();
      silence();
    },

    /** Clear the history; here at once, as the line may be away. */
    forget(): void {
      client.forget();
      clear();
      cleared.value = true;
    },

    async press(down: boolean): Promise<void> {
      if (pressed.value === down || (down && !hears.value)) return;
      pressed.value = down;
      if (down) problem.value = null;
      if (!(await attempt(() => client.talk(down)))) pressed.value = false;
    },

    async listen(open: boolean): Promise<void> {
      problem.value = null;
      await attempt(() => client.setMicrophone(open ? "open" : "push"));
    },

    change(what: Parameters<LiveClient["change"]>[0]): void {
      opening.value = { ...opening.value, ...what };
      // What is set while the line is away goes out when it is back.
      if (view.value === "live") client.change(what);
    },

    rate(turn: Turn, rating: "up" | "down", comment = ""): void {
      const shown = turns.find((one) => one.turn === turn.turn);
      if (shown) shown.rating = rating;
      client.feedback(turn.turn, rating, comment);
    },

    /** Let sound play, in a tap, where the browser refused it before. */
    async resume(): Promise<void> {
      problem.value = null;
      await attempt(() => client.resume());
    },

    leave: () => client.leave(),

    dispose(): void {
      cancelAnimationFrame(timer);
      for (const end of listeners) end();
    },
  };
}

export type Talk = ReturnType<typeof createTalk>;
