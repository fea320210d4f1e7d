// The page: what is live, what is brought, and what is asked.
import { bring, get, post, query, show } from "./api.js";
import { clearBoxes, drawBoxes, element, listAlarms, listObjects, prepareViewer } from "./views.js";
import { examples, other, translate, word } from "./words.js";
const POLL = 250; // ms
const picture = element("picture");
const notice = element("notice");
const frame = element("drop");
const text = element("text");
const send = element("send");
const field = (id) => element(id);
let status = null;
let tab = "live";
let brought = ""; // name of one's own picture
let frozen = false; // an answer is shown in the place of the live picture
let chosen = false; // the viewer has chosen a tab
let asking = false;
let answer = null;
let drawn = -1; // number of the live picture that is shown
function tell(line) {
    if (notice.textContent !== line)
        notice.textContent = line;
}
function fail(error) {
    notice.setAttribute("role", "alert");
    tell(error instanceof Error ? error.message : String(error));
}
function showState() {
    const place = element("state");
    const line = element("state-text");
    place.dataset.state = status ? status.state : "lost";
    if (!status)
        line.textContent = word("lost");
    else if (status.state === "failed")
        line.textContent = status.error;
    else if (status.state === "none")
        line.textContent = "";
    else if (status.time === undefined)
        line.textContent = word("waiting");
    else {
        const speed = status.kmh === null ? "" : ` · ${status.kmh} km/h`;
        const lost = status.dropped ? ` · ${status.dropped} ${word("dropped")}` : "";
        const over = status.state === "over" ? ` · ${word("over")}` : "";
        line.textContent = `${status.time?.toFixed(1)} s · ${status.vehicles} ${word("vehicles")}${speed}${lost}${over}`;
    }
    place.hidden = status?.state === "none";
    element("files").hidden = !status || status.number < 0;
    element("side").hidden = status?.state === "none";
    const mute = status !== null && !status.asks;
    send.disabled = asking || mute;
    text.disabled = mute;
    text.placeholder = mute ? word("noModel") : "";
    element("examples").hidden = mute;
}
async function poll() {
    try {
        status = await get("/api/status");
        if (status.state === "none" && !chosen)
            selectTab("own");
        if (status.state !== "none")
            listAlarms(await get("/api/alarms"));
        else
            listAlarms([]);
        if (status.number >= 0 && status.number !== drawn)
            await showLive(status.number);
        else if (tab === "live" && !frozen && status.number < 0) {
            tell(status.state === "failed" ? status.error : word(status.state === "none" ? "noVideo" : "waiting"));
        }
    }
    catch {
        status = null;
    }
    showState();
    window.setTimeout(() => void poll(), document.hidden || !status ? 2000 : POLL);
}
async function showLive(number) {
    const views = [show(element("above"), "/api/live/above.jpg"), show(element("graph"), "/api/live/graph.jpg")];
    if (tab === "live" && !frozen) {
        views.push(show(picture, "/api/live/picture.jpg"));
        tell("");
    }
    await Promise.all(views);
    drawn = number;
}
function selectTab(to) {
    tab = to;
    frozen = false;
    drawn = -1;
    answer = null;
    clearBoxes();
    notice.removeAttribute("role");
    element("tab-live").setAttribute("aria-pressed", String(to === "live"));
    element("tab-own").setAttribute("aria-pressed", String(to === "own"));
    element("own").hidden = to !== "own";
    element("back").hidden = true;
    element("answer").hidden = true;
    picture.hidden = true;
    if (to === "own") {
        if (brought)
            void showGrid();
        else
            tell(word("dropHere"));
    }
    else {
        tell(status?.state === "none" ? word("noVideo") : word("loading"));
    }
}
// One's own picture.
function hand() {
    const focal = field("focal").value;
    return {
        horizon: field("horizon").valueAsNumber / 100, height: field("height").valueAsNumber,
        fov: field("fov").valueAsNumber, focal: focal ? Number(focal) : null, roll: field("roll").valueAsNumber,
    };
}
function valid() {
    return ["height", "fov", "focal", "roll"].every((id) => field(id).checkValidity() && (id === "focal" || field(id).value));
}
let drawing = false;
let again = false;
/** The metric grid of the present calibration; while one is drawn at most one more waits. */
async function showGrid() {
    element("horizon-out").textContent = `${field("horizon").value} %`;
    if (!brought || !valid())
        return;
    again = drawing;
    if (drawing)
        return;
    drawing = true;
    try {
        const given = query(hand());
        for (const name of ["calib", "denorm"]) {
            element(name).href = `/api/pictures/${brought}/${name}.txt?${given}`;
        }
        const there = await show(picture, `/api/pictures/${brought}/grid.jpg?${given}`);
        tell(there ? "" : word("dropHere"));
        if (!answer)
            clearBoxes();
    }
    catch (error) {
        fail(error);
    }
    finally {
        drawing = false;
    }
    if (again)
        await showGrid();
}
async function take(file) {
    if (!file)
        return;
    chosen = true;
    if (tab !== "own")
        selectTab("own");
    tell(word("loading"));
    frame.classList.add("busy");
    try {
        brought = (await bring(file)).picture;
        answer = null;
        clearBoxes();
        element("answer").hidden = true;
        element("hand").disabled = false;
        picture.alt = file.name;
        await showGrid();
    }
    catch (error) {
        fail(error);
    }
    finally {
        frame.classList.remove("busy");
    }
}
// Sentences.
async function ask() {
    const sentence = text.value.trim();
    if (asking)
        return;
    if (!sentence)
        return text.focus();
    if (tab === "own" && !brought)
        return tell(word("dropHere"));
    asking = send.disabled = true;
    frame.classList.add("busy");
    tell(word("searching"));
    try {
        const about = tab === "own" ? { picture: brought, hand: hand() } : {};
        const found = await post("/api/ask", { text: sentence, ...about });
        frozen = tab === "live";
        await show(picture, `/api/answers/${found.answer}/picture.jpg`);
        answer = found;
        element("back").hidden = !frozen;
        drawBoxes(found);
        listObjects(found);
        tell("");
        notice.removeAttribute("role");
    }
    catch (error) {
        fail(error);
    }
    finally {
        frame.classList.remove("busy");
        asking = send.disabled = false;
    }
}
function showExamples() {
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
function speak(to) {
    translate(to);
    const button = element("language");
    button.textContent = other() === "zh" ? "中文" : "English";
    button.lang = other();
    for (const [id, name] of [["above", "above"], ["graph", "graph"], ["picture", "stage"]]) {
        element(id).alt = word(name);
    }
    showExamples();
    showState();
    if (answer)
        listObjects(answer);
    else if (tab === "own" && !brought)
        tell(word("dropHere"));
}
function prepare() {
    element("language").addEventListener("click", () => speak(other()));
    element("theme").addEventListener("click", () => {
        const root = document.documentElement;
        const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
        root.dataset.theme = dark ? "light" : "dark";
    });
    for (const name of ["live", "own"]) {
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
            element("answer").hidden = true;
            clearBoxes();
            void showGrid();
        });
    }
    for (const name of ["dragover", "dragleave", "drop"]) {
        document.addEventListener(name, (event) => {
            event.preventDefault();
            frame.classList.toggle("over", name === "dragover");
            if (name === "drop")
                void take(event.dataTransfer?.files[0]);
        });
    }
    prepareViewer();
    speak();
    tell(word("loading"));
    void poll();
}
prepare();
