"""featprobe doctor"""

from __future__ import annotations

import json
from typing import Any

import click

from featprobe.cli.common import cache_option, json_option
from featprobe.cli.verb import Verb
from featprobe.core.display import bytes_text


@click.command(
    cls=Verb,
    epilog="""\b
Examples:
  featprobe doctor
  featprobe doctor --model dinov2_vitl14
  featprobe doctor --json > report.json     to put into an issue
""",
)
@click.option("--model", help="Also say what this backbone would need.")
@cache_option
@json_option
def command(model: str | None, cache: str | None, as_json: bool) -> None:
    """Say what this machine has: versions, devices, extras, the hub, the cache.

    Exits 1 when something keeps featprobe from working, with what to do about it.
    """
    from featprobe.cli import doctor_checks as doctor

    requested = doctor.needs(model) if model else None
    found = doctor.report(cache)
    wrong = doctor.problems(found)
    if as_json:
        print(json.dumps({**found, "problems": wrong, "model": requested}))
    else:
        show(found)
        if requested:
            show_model(requested, found)
        for text in wrong:
            print(f"problem     {text}")
        if not wrong:
            print("no problem found")
    raise SystemExit(1 if wrong else 0)


def show(found: dict[str, Any]) -> None:
    """Print a report, one subject a line."""
    print(f"featprobe   {found['featprobe']}, Python {found['python']}, {found['platform']}")
    have = [f"{p} {v}" for p, v in found["packages"].items() if v]
    print(f"packages    {', '.join(have)}")
    present = [e for e, missing in found["extras"].items() if not missing]
    absent = [f"{e} (no {', '.join(m)})" for e, m in found["extras"].items() if m]
    print(f"extras      {', '.join(present) or 'none'}")
    if absent:
        print(f"  not here  {', '.join(absent)}")
    d = found["devices"]
    memory = f", {bytes_text(d['bytes'])} memory" if d["bytes"] else ""
    print(f"cpu         {d['cores']} cores, {d['threads']} torch threads{memory}")
    for gpu in d["gpus"]:
        bf16 = "bf16" if d["bf16"] else "no bf16"
        print(f"gpu         {gpu['device']}: {gpu['name']}, {bytes_text(gpu['bytes'])}, {bf16}")
    if not d["gpus"]:
        build = f"CUDA {d['torch_cuda']}" if d["torch_cuda"] else "a CPU build"
        print(f"gpu         none that torch sees ({build}); extraction runs on the CPU")
    hub = found["hub"]
    state = "reachable" if hub["reachable"] else "not reachable: folders and --weights still work"
    print(f"hub         {hub['address']} {'set offline' if hub['offline'] else state}")
    print(f"  weights   in {hub['folder']}")
    c = found["cache"]
    odd = "".join(f", {c[k]} {k}" for k in ("incomplete", "damaged") if c[k])
    print(
        f"cache       {c['features']}: {c['stores']} stores{odd}, {bytes_text(c['bytes'])}, "
        f"{bytes_text(c['free'])} free in {c['path']}"
    )
    print(f"data        {found['data'] or 'FEATPROBE_DATA is not set; use --root'}")


def show_model(needs: dict[str, Any], found: dict[str, Any]) -> None:
    """Print what a backbone would need."""
    print(f"model       {needs['name']}")
    if "parameters" in needs:
        shape = " x ".join(map(str, needs["input"])) if needs["input"] else "its own"
        print(
            f"  size      {needs['parameters']:g} M parameters, "
            f"{bytes_text(needs['bytes'])} in float32; input {shape}; "
            f"about {needs['frame_bytes']} bytes of features a frame"
        )
        print(f"  licence   {needs['licence']}")
    for extra in needs["missing"]:
        print(f"  needs     pip install 'featprobe[{extra}]'")
    if needs["here"]:
        print(f"  weights   here: {needs['here']}")
    elif needs["place"] or any(f.startswith("https://") for f in needs.get("files", ())):
        where = needs["place"] or ", ".join(needs["files"])
        if found["hub"]["reachable"]:
            print(f"  weights   not here; will be downloaded from {where}")
        else:
            print(f"  weights   not here, and {where} cannot be reached: give --weights FILE")
    else:
        print(f"  weights   give {', '.join(needs.get('files', ())) or 'them'} with --weights FILE")
