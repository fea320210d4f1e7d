"""Chinese characters that are tokens, with English words whose vectors theirs begin near."""

from __future__ import annotations

_TABLE = """
车 vehicle|轿 sedan|卡 truck|货 cargo|客 passenger|公 public|交 traffic|面 face|包 bag|巴 bus|大 big
小 small|汽 motor|电 electric|轨 rail|摩 motorcycle|托 support|三 three|轮 wheel|手 hand|推 push|锥 cone
桶 barrel|通 through|障 obstacle|碍 obstacle|物 object|固 fixed|定 fixed|移 move|动 move|未 not|知 know
类 kind|型 kind|人 person|行 walk|骑 ride|者 person|自 self|路 road|步 walk|坐 sit|孩 child|儿 child
童 child|男 man|女 woman|司 driver|机 machine|乘 passenger|员 member|工 work|警 police|伞 umbrella
帽 hat|衣 clothes|服 clothes|穿 wear|着 wearing|裤 trousers|上 top|下 bottom|左 left|右 right|前 front
后 behind|中 middle|间 between|内 inside|外 outside|里 inside|旁 beside|侧 side|边 side|方 direction
向 towards|朝 facing|对 opposite|背 back|正 straight|近 near|远 far|高 tall|低 low|长 long|短 short
宽 wide|窄 narrow|度 degree|距 distance|离 distance|米 metre|尺 foot|约 about|概 roughly|超 exceed
过 past|以 by|于 at|至 to|到 to|从 from|与 and|和 and|或 or|不 not|没 not|无 no|非 not|有 have|在 at
是 is|为 be|的 of|地 place|得 get|了 already|都 all|全 all|所 all|每 every|各 each|个 piece|辆 vehicle
名 person|位 person|只 animal|条 long|台 machine|些 some|几 several|一 one|二 two|两 two|四 four|五 five
六 six|七 seven|八 eight|九 nine|十 ten|百 hundred|千 thousand|零 zero|多 many|少 few|半 half|部 part
分 part|区 area|域 area|处 place|界 boundary|角 corner|缘 edge|央 centre|心 centre|图 picture|像 image
画 picture|片 picture|照 photograph|视 view|野 field|屏 screen|白 white|黑 black|灰 gray|红 red|蓝 blue
绿 green|黄 yellow|棕 brown|褐 brown|色 color|深 dark|浅 light|亮 bright|紫 purple|橙 orange|粉 pink
银 silver|金 gold|青 cyan|找 find|请 please|看 look|见 see|指 point|标 mark|出 out|示 show|记 mark
把 take|给 give|帮 help|我 me|你 you|他 him|她 her|它 it|们 people|这 this|那 that|哪 which|什 what
么 what|谁 who|怎 how|吗 whether|呢 whether|啊 ah|要 want|说 say|问 ask|答 answer|话 speak|该 this
此 this|其 its|另 other|别 other|同 same|参 join|目 target|被 covered|遮 cover|挡 block|住 stop|盖 cover
露 show|截 cut|断 cut|完 complete|整 whole|可 can|能 can|会 can|横 across|纵 along|偏 aside
拍 photograph|很 very|最 most|更 more|较 rather|绝 absolutely|尾 rear|头 head|身 body|门 door|窗 window
灯 light|停 stop|驶 drive|驾 drive|开 open|来 come|去 go|走 walk|跑 run|站 stand|等 wait|转 turn|弯 bend
直 straight|道 lane|街 street|桥 bridge|口 crossing|灭 extinguish|火 fire|消 vanish|救 rescue|护 protect
租 rent|校 school|快 quick|慢 slow|速 speed|重 heavy|轻 light|新 new|旧 old|好 good|坏 bad|家 home
天 sky|空 empty|气 air|水 water|山 mountain|树 tree|花 flower|草 grass|楼 building|房 house|船 ship
飞 fly|鸟 bird|狗 dog|猫 cat|马 horse|牛 cow|羊 sheep|象 elephant|鹿 deer|颈 neck|鱼 fish|吃 eat|饭 meal
菜 vegetable|茶 tea|琴 piano|钢 steel|桌 table|椅 chair|床 bed|书 book|今 today|明 bright|日 day
月 month|年 year|时 time|候 time|点 point|围 around|范 range|置 place|何 what|任 any|比 compare|就 just
相 mutual|之 of|也 also|还 still|再 again|又 again|并 and|且 and|但 but|而 and|则 then|因 because|如 if
果 result|起 rise|谢 thanks|早 morning|晚 evening|生 life|乐 happy|老 old|师 teacher|学 study|国 country
城 city|市 city
"""

#: A character's English words; signs have none.
GLOSSES: dict[str, tuple[str, ...]] = {
    entry[0]: tuple(entry[1:].split()) for line in _TABLE.split("\n") for entry in line.split("|") if entry
} | {sign: () for sign in "，。、？！：；（）“”"}
