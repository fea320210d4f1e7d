// What the server answers.

export interface Status {
  state: "none" | "waiting" | "on" | "over" | "failed";
  error: string; number: number; dropped: number; asks: boolean;
  time?: number; size?: [number, number]; vehicles?: number; kmh?: number | null;
}

export interface Alarm {
  id: number; state: "raised" | "over"; kind: string; by: string; vehicles: number[]; start: number;
  end: number | null; place: { lane: string; position: number }; score: number; clip: number;
}

export interface Found {
  class: string; score: number; distance: number; bbox: [number, number, number, number];
  lines: [number, number, number, number][];
}

export interface Answer { answer: number; text: string; size: [number, number]; objects: Found[] }

export interface Hand { horizon: number; height: number; fov: number; focal: number | null; roll: number }

export interface Brought { picture: string; size: [number, number] }

/** The JSON of an answer; an Error with the server's line where it refuses. */
export async function get<T>(path: string, options: RequestInit = {}): Promise<T> {
  const response = await fetch(path, options);
  const content: unknown = await response.json().catch(() => ({}));
  if (!response.ok) {
    const told = (content as { error?: unknown }).error;
    throw new Error(typeof told === "string" ? told : `${response.status}`);
  }
  return content as T;
}

export function post<T>(path: string, content: unknown): Promise<T> {
  const headers = { "Content-Type": "application/json" };
  return get<T>(path, { method: "POST", headers, body: JSON.stringify(content) });
}

export function bring(file: File): Promise<Brought> {
  return get<Brought>("/api/pictures", { method: "POST", headers: { "Content-Type": file.type }, body: file });
}

export function query(hand: Hand): string {
  const given = Object.entries(hand).filter(([, value]) => value !== null);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

/** Show the picture behind an address once it is there, so that nothing flickers; false: the server has none. */
export async function show(image: HTMLImageElement, path: string): Promise<boolean> {
  const response = await fetch(path, { cache: "no-cache" });
  if (!response.ok) return false;
  const address = URL.createObjectURL(await response.blob());
  const before = image.src;
  image.src = address;
  await image.decode().catch(() => undefined);
  image.hidden = false;
  if (before.startsWith("blob:")) URL.revokeObjectURL(before);
  return true;
}
