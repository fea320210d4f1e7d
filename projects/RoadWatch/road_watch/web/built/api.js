// What the server answers.
/** The JSON of an answer; an Error with the server's line where it refuses. */
export async function get(path, options = {}) {
    const response = await fetch(path, options);
    const content = await response.json().catch(() => ({}));
    if (!response.ok) {
        const told = content.error;
        throw new Error(typeof told === "string" ? told : `${response.status}`);
    }
    return content;
}
export function post(path, content) {
    const headers = { "Content-Type": "application/json" };
    return get(path, { method: "POST", headers, body: JSON.stringify(content) });
}
export function bring(file) {
    return get("/api/pictures", { method: "POST", headers: { "Content-Type": file.type }, body: file });
}
export function query(hand) {
    const given = Object.entries(hand).filter(([, value]) => value !== null);
    return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
/** Show the picture behind an address once it is there, so that nothing flickers; false: the server has none. */
export async function show(image, path) {
    const response = await fetch(path, { cache: "no-cache" });
    if (!response.ok)
        return false;
    const address = URL.createObjectURL(await response.blob());
    const before = image.src;
    image.src = address;
    await image.decode().catch(() => undefined);
    image.hidden = false;
    if (before.startsWith("blob:"))
        URL.revokeObjectURL(before);
    return true;
}
