// The page: what is live, what is brought, and what is asked.

import { Alarm, Answer, bring, get, Hand, post, query, show, Status } from "./api.js";
import { clearBoxes, drawBoxes, element, listAlarms, listObjects, prepareViewer } from "./views.js";
import { examples, other, translate, word } from "./words.js";

const POLL = 250; // ms
const picture = element<HTMLImageElement>("picture");
const notice = element<HTMLElement>("notice");
const frame = element<HTMLElement>("drop");
const text = element<HTMLInputElement>("text");
const send = element<HTMLButtonElement>("send");
const field = (id: string): HTMLInputElement => element<HTMLInputElement>(id);

let status: Status | null = null;
let tab: "live" | "own" = "live";
let brought = ""; // name of one's own picture
let frozen = false; // an answer is shown in the place of the live picture
let chosen = false; // the viewer has chosen a tab
let asking = false;
let answer: Answer | null = null;
let drawn = -1; // number of the live picture that is shown

function tell(line: string): void {
  if (notice.textContent !== line) notice.textContent = line;
}

function fail(error: unknown): void {
  notice.setAttribute("role", "alert");
  tell(error instanceof Error ? error.message : String(error));
}

function showState(): void {
  const place = element<HTMLElement>("state");
  const line = element("state-text");
  place.dataset.state = status ? status.state : "lost";
  if (!status) line.textContent = word("lost");
  else if (status.state === "failed") line.textContent = status.error;
  else if (status.state === "none") line.textContent = "";
  else if (status.time === undefined) line.textContent = word("waiting");
  else {
    const speed = status.kmh === null ? "" : ` · ${status.kmh} km/h`;
    const lost = status.dropped ? ` · ${status.dropped} ${word("dropped")}` : "";
    const over = status.state === "over" ? ` · ${word("over")}` : "";
    line.textContent = `${status.time?.toFixed(1)} s · ${status.vehicles} ${word("vehicles")}${speed}${lost}${over}`;
  }
  place.hidden = status?.state === "none";
  element<HTMLElement>("files").hidden = !status || status.number < 0;
  element<HTMLElement>("side").hidden = status?.state === "none";
  const mute = status !== null && !status.asks;
  send.disabled = asking || mute;
  text.disabled = mute;
  text.placeholder = mute ? word("noModel") : "";
  element<HTMLElement>("examples").hidden = mute;
}

async function poll(): Promise<void> {
  try {
    status = await get<Status>("/api/status");
    if (status.state === "none" && !chosen) selectTab("own");
    if (status.state !== "none") listAlarms(await get<Alarm[]>("/api/alarms"));
    else listAlarms([]);
    if (status.number >= 0 && status.number !== drawn) await showLive(status.number);
    else if (tab === "live" && !frozen && status.number < 0) {
      tell(status.state === "failed" ? status.error : word(status.state === "none" ? "noVideo" : "waiting"));
    }
  } catch {
    status = null;
  }
  showState();
  window.setTimeout(() => void poll(), document.hidden || !status ? 2000 : POLL);
}

async function showLive(number: number): Promise<void> {
  const views = [show(element("above"), "/api/live/above.jpg"), show(element("graph"), "/api/live/graph.jpg")];
  if (tab === "live" && !frozen) {
    views.push(show(picture, "/api/live/picture.jpg"));
    tell("");
  }
  await Promise.all(views);
  drawn = number;
}

function selectTab(to: "live" | "own"): void {
  tab = to;
  frozen = false;
  drawn = -1;
  answer = null;
  clearBoxes();
  notice.removeAttribute("role");
  element("tab-live").setAttribute("aria-pressed", String(to === "live"));
  element("tab-own").setAttribute("aria-pressed", String(to === "own"));
  element<HTMLElement>("own").hidden = to !== "own";
  element<HTMLElement>("back").hidden = true;
  element<HTMLElement>("answer").hidden = true;
  picture.hidden = true;
  if (to === "own") {
    if (brought) void showGrid();
    else tell(word("dropHere"));
  } else {
    tell(status?.state === "none" ? word("noVideo") : word("loading"));
  }
}

// One's own picture.

function hand(): Hand {
  const focal = field("focal").value;
  return {
    horizon: field("horizon").valueAsNumber / 100, height: field("height").valueAsNumber,
    fov: field("fov").valueAsNumber, focal: focal ? Number(focal) : null, roll: field("roll").valueAsNumber,
  };
}

function valid(): boolean {
  return ["height", "fov", "focal", "roll"].every((id) => field(id).checkValidity() && (id === "focal" || field(id).value));
}

let drawing = false;
let again = false;

/** The metric grid of the present calibration; while one is drawn at most one more waits. */
async function showGrid(): Promise<void> {
  element("horizon-out").textContent = `${field("horizon").value} %`;
  if (!brought || !valid()) return;
  again = drawing;
  if (drawing) return;
  drawing = true;
  try {
    const given = query(hand());
    for (const name of ["calib", "denorm"]) {
      element<HTMLAnchorElement>(name).href = `/api/pictures/${brought}/${name}.txt?${given}`;
    }
    const there = await show(picture, `/api/pictures/${brought}/grid.jpg?${given}`);
    tell(there ? "" : word("dropHere"));
    if (!answer) clearBoxes();
  } catch (error) {
    fail(error);
  } finally {
    drawing = false;
  }
  if (again) await showGrid();
}

async function take(file: File | undefined): Promise<void> {
  if (!file) return;
  chosen = true;
  if (tab !== "own") selectTab("own");
  tell(word("loading"));
  frame.classList.add("busy");
  try {
    brought = (await bring(file)).picture;
    answer = null;
    clearBoxes();
    element<HTMLElement>("answer").hidden = true;
    element<HTMLFieldSetElement>("hand").disabled = false;
    picture.alt = file.name;
    await showGrid();
  } catch (error) {
    fail(error);
  } finally {
    frame.classList.remove("busy");
  }
}

// Sentences.

async function ask(): Promise<void> {
  const sentence = text.value.trim();
  if (asking) return;
  if (!sentence) return text.focus();
  if (tab === "own" && !brought) return tell(word("dropHere"));
  asking = send.disabled = true;
  frame.classList.add("busy");
  tell(word("searching"));
  try {
    const about = tab === "own" ? { picture: brought, hand: hand() } : {};
    const found = await post<Answer>("/api/ask", { text: sentence, ...about });
    frozen = tab === "live";
    await show(picture, `/api/answers/${found.answer}/picture.jpg`);
    answer = found;
    element<HTMLElement>("back").hidden = !frozen;
    drawBoxes(found);
    listObjects(found);
    tell("");
    notice.removeAttribute("role");
  } catch (error) {
    fail(error);
  } finally {
    frame.classList.remove("busy");
    asking = send.disabled = false;
  }
}

function showExamples(): void {
  element("examples").replaceChildren(...examples().map((sentence) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sentence;
    button.addEventListener("click", () => {
      text.value = sentence;
      void ask();
    });
    return button;
  }));
}

function speak(to?: Parameters<typeof translate>[0]): void {
  translate(to);
  const button = element<HTMLElement>("language");
  button.textContent = other() === "zh" ? "中文" : "English";
  button.lang = other();
  for (const [id, name] of [["above", "above"], ["graph", "graph"], ["picture", "stage"]] as const) {
    element<HTMLImageElement>(id).alt = word(name);
  }
  showExamples();
  showState();
  if (answer) listObjects(answer);
  else if (tab === "own" && !brought) tell(word("dropHere"));
}

function prepare(): void {
  element("language").addEventListener("click", () => speak(other()));
  element("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  for (const name of ["live", "own"] as const) {
    element(`tab-${name}`).addEventListener("click", () => {
      chosen = true;
      selectTab(name);
    });
  }
  element("back").addEventListener("click", () => selectTab("live"));
  element("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    void ask();
  });
  field("file").addEventListener("change", () => void take(field("file").files?.[0]));
  for (const id of ["horizon", "height", "fov", "focal", "roll"]) {
    field(id).addEventListener("input", () => {
      answer = null;
      element<HTMLElement>("answer").hidden = true;
      clearBoxes();
      void showGrid();
    });
  }
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      frame.classList.toggle("over", name === "dragover");
      if (name === "drop") void take((event as DragEvent).dataTransfer?.files[0]);
    });
  }
  prepareViewer();
  speak();
  tell(word("loading"));
  void poll();
}

prepare();
