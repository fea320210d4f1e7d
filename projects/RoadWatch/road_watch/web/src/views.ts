// What is drawn from answers: boxes, their list, alarms and their clips.

import { Alarm, Answer } from "./api.js";
import { kind, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

export function element<T extends Element>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found as unknown as T;
}

function shape(name: string, attributes: Record<string, number>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

export function clearBoxes(): void {
  element("boxes").replaceChildren();
}

/** Boxes over the picture, numbered from 1. */
export function drawBoxes(answer: Answer): void {
  const [height, width] = answer.size;
  const svg = element("boxes");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const size = 16 * width / Math.max(svg.getBoundingClientRect().width, 1); // 16 pixels of the screen
  svg.replaceChildren(...answer.objects.map((object, i) => {
    const group = shape("g", {});
    for (const [x1, y1, x2, y2] of object.lines) group.append(shape("line", { x1, y1, x2, y2 }));
    const [left, top] = object.bbox;
    const label = shape("text", { x: Math.max(2, left), y: Math.max(size, top - size / 4), "font-size": size });
    label.textContent = String(i + 1);
    group.append(label);
    return group;
  }));
}

function choose(chosen: number): void {
  element("boxes").querySelectorAll("g").forEach((group, i) => group.classList.toggle("chosen", i === chosen));
}

/** Number of objects, their list, and links to their labels. */
export function listObjects(answer: Answer): void {
  const count = answer.objects.length;
  element("answer-title").textContent = `${count ? `${count} ${word("found")}` : word("nobody")}: ${answer.text}`;
  element("objects").replaceChildren(...answer.objects.map((object, i) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    const number = document.createElement("b");
    number.textContent = String(i + 1);
    const text = document.createElement("small");
    text.textContent = `${object.distance.toFixed(1)} m · ${Math.round(100 * object.score)} %`;
    button.append(number, ` ${kind(object.class)} `, text);
    for (const name of ["mouseenter", "focus", "click"]) button.addEventListener(name, () => choose(i));
    for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => choose(-1));
    item.append(button);
    return item;
  }));
  const links = [["JSON", "labels.json"], ["KITTI", "kitti.txt"], ["Rope3D", "rope3d.txt"]].map(([name, file]) => {
    const link = document.createElement("a");
    link.href = `/api/answers/${answer.answer}/${file}`;
    link.download = file;
    link.textContent = name;
    return link;
  });
  element("labels").replaceChildren(word("labels"), ...links);
  element<HTMLElement>("answer").hidden = false;
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}

function place(alarm: Alarm): string {
  const end = alarm.end === null ? word("ongoing") : clock(alarm.end);
  const tracks = alarm.vehicles.slice(0, 4).join(", ");
  return `${clock(alarm.start)} – ${end} · ${word("lane")} ${alarm.place.lane}${tracks && ` · ${word("track")} ${tracks}`}`;
}

let shown = "";

/** The list, which is left as it is where nothing has changed, so that the keyboard's place is not lost. */
export function listAlarms(alarms: Alarm[]): void {
  const now = JSON.stringify([document.documentElement.lang, alarms]);
  if (now === shown) return;
  shown = now;
  const empty = element<HTMLElement>("no-alarms");
  empty.textContent = word("noAlarms");
  empty.hidden = alarms.length > 0;
  const list = element<HTMLElement>("alarms");
  const focused = (document.activeElement as HTMLElement | null)?.dataset.alarm;
  list.replaceChildren(...alarms.map((alarm) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.alarm = String(alarm.id);
    button.dataset.state = alarm.state;
    const name = document.createElement("b");
    name.textContent = kind(alarm.kind);
    const text = document.createElement("small");
    text.textContent = place(alarm);
    button.append(name, text);
    button.addEventListener("click", () => openAlarm(alarm));
    item.append(button);
    return item;
  }));
  if (focused) list.querySelector<HTMLElement>(`[data-alarm="${focused}"]`)?.focus();
}

let timer = 0;

function openAlarm(alarm: Alarm): void {
  const picture = element<HTMLImageElement>("viewer-picture");
  const still = `/api/alarms/${alarm.id}/picture.jpg`;
  const frame = (i: number): string => `/api/alarms/${alarm.id}/clip/${i}.jpg`;
  element("viewer-title").textContent = kind(alarm.kind);
  element("viewer-text").textContent = `${place(alarm)} · ${alarm.by} ${alarm.score.toFixed(1)}`;
  picture.alt = kind(alarm.kind);
  picture.onerror = () => {
    picture.onerror = null;
    if (alarm.clip) picture.src = frame(Math.floor(alarm.clip / 2));
  };
  picture.src = still;
  const play = element<HTMLButtonElement>("viewer-play");
  play.hidden = !alarm.clip;
  play.onclick = () => {
    let i = 0;
    window.clearInterval(timer);
    timer = window.setInterval(() => {
      if (i >= alarm.clip) window.clearInterval(timer);
      else picture.src = frame(i++);
    }, 200);
  };
  element<HTMLDialogElement>("viewer").showModal();
}

export function prepareViewer(): void {
  const viewer = element<HTMLDialogElement>("viewer");
  element("viewer-close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("close", () => window.clearInterval(timer));
}
