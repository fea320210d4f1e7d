"""A backbone that takes no time, for tests: what ``MODEL`` needs for a narrow network of random weights."""

#: Of ``MODEL.TIMM``, whatever the config that is read before has there.
TIMM = {
    "NAME": "resnet18",
    "WEIGHTS": "",
    "WIDTHS": [16, 16, 16, 16],
    "FREEZE_AT": 0,
    "FREEZE_DEPTHWISE": False,
    "NORM": "BN",
}
#: Of ``MODEL``.
NARROW = {"TIMM": TIMM, "IDA": {"CHANNELS": [16, 16, 16, 16], "NORM": ""}}
#: The same for ``cfg.merge_from_list``.
NARROW_OPTIONS = [
    item
    for part, keys in NARROW.items()
    for key, value in keys.items()
    for item in (f"MODEL.{part}.{key}", value)
]
