// The page's words in two languages.
const EN = {
    skip: "To the sentence box", theme: "Dark / light", stage: "Picture", live: "Live", own: "My picture",
    back: "Back to live", choose: "Choose a picture",
    drop: "or drop one on the frame (JPEG, PNG, WebP, BMP; 8 MiB at most)",
    hand: "Calibration by hand: move the line to the horizon", horizon: "Horizon",
    height: "Camera height, m", fov: "Field of view, degrees", focal: "or focal length, pixels",
    roll: "Roll, degrees", ask: "What are you looking for?", find: "Find", alarms: "Alarms", above: "From above",
    graph: "Space and time", nothing: "Nothing to see yet.", play: "Play the clip", close: "Close",
    noAlarms: "No alarms.", loading: "Loading …", waiting: "Waiting for the first picture …",
    noVideo: "No video is watched. Bring a picture of your own.", dropHere: "Drop a picture here, or choose one.",
    over: "The recording is over", lost: "No connection to the server: trying again", dropped: "dropped",
    vehicles: "vehicles", noModel: "The server has no model for sentences.", searching: "Searching …",
    found: "found", nobody: "Nothing that fits was found", labels: "Labels:", ongoing: "goes on",
    object: "object", track: "vehicle", lane: "lane",
};
const ZH = {
    skip: "到问句框", theme: "深色 / 浅色", stage: "画面", live: "实时", own: "我的图片", back: "回到实时",
    choose: "选择图片", drop: "或拖放到画面上（JPEG、PNG、WebP、BMP，最大 8 MiB）",
    hand: "手动标定：把线移到地平线", horizon: "地平线", height: "相机高度（米）", fov: "水平视场角（度）",
    focal: "或焦距（像素）", roll: "横滚角（度）", ask: "你要找什么？", find: "查找", alarms: "告警", above: "俯视图",
    graph: "时空图", nothing: "还没有内容。", play: "播放片段", close: "关闭", noAlarms: "没有告警。",
    loading: "加载中……", waiting: "等待第一帧画面……", noVideo: "没有视频。请上传自己的图片。",
    dropHere: "把图片拖放到这里，或选择一张。", over: "录像已结束", lost: "与服务器断开，正在重试", dropped: "丢弃",
    vehicles: "辆车", noModel: "服务器没有语句模型。", searching: "查找中……", found: "个结果",
    nobody: "没有找到符合的目标", labels: "标注：", ongoing: "进行中", object: "目标", track: "车辆", lane: "车道",
};
const KINDS = {
    car: "轿车", van: "面包车", truck: "卡车", bus: "公交车", pedestrian: "行人", cyclist: "骑自行车的人",
    motorcyclist: "骑摩托车的人", tricyclist: "三轮车", big_vehicle: "大型车", unknown_movable: "未知可移动物",
    abnormal: "异常", standing: "停车", stopped: "停车", reversing: "倒车", wrong_way: "逆行", speeding: "超速",
    weaving: "蛇行", cut_in: "加塞", queue: "排队",
};
const EXAMPLES = {
    en: ["All cars.", "The white car nearest to the camera.", "All pedestrians.", "The bus."],
    zh: ["所有轿车", "离相机最近的白色轿车", "所有行人", "公交车"],
};
let language = navigator.language.startsWith("zh") ? "zh" : "en";
export function word(name) {
    return (language === "zh" ? ZH : EN)[name];
}
/** A class or a kind of alarm, in words. */
export function kind(name) {
    const plain = name.toLowerCase();
    return language === "zh" ? KINDS[plain] ?? name : plain.replaceAll("_", " ");
}
export function examples() {
    return EXAMPLES[language];
}
/** Write all words of the page, in the given language or the present one. */
export function translate(to = language) {
    language = to;
    document.documentElement.lang = to === "zh" ? "zh-CN" : "en";
    for (const element of document.querySelectorAll("[data-word]")) {
        element.textContent = word(element.dataset.word);
    }
}
export function other() {
    return language === "zh" ? "en" : "zh";
}
