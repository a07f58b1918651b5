"""Bring the READMEs up to date with the last `make lessons` and `make bench`; with --check, only
say what is not. A number in a README stands between marks, `<!--15 seconds-->87<!---->`: the first
names a lesson and a row of its report or its `seconds`, or an entry of pages/bench.json.
README.zh-Hans.md is README.zh-Hant.md in Simplified characters.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import translations
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).resolve().parent
ROOT, OUTPUTS = HERE.parent, HERE.parent / "outputs"
# The figures in the picture, row by row; a row is as high as fits its width.
ROWS = "15/wrong 17/gates 18/grid|16/power_cut 20/before_after 21/contours|19/shared_cell 22/eval"


def collect():
    """{lesson: its results.json} from outputs/; SystemExit where one is not of a full run."""
    found = {}
    for number in range(15, 23):
        path = OUTPUTS / f"lesson{number}" / "results.json"
        found[str(number)] = json.loads(path.read_text("utf-8")) if path.exists() else None
        if not found[str(number)] or found[str(number)]["smoke"]:
            raise SystemExit(f"{path} is missing, or of a smoke run: make lessons comes first")
    return found


def overview(width=1660, above=44):
    """Draw pages/overview.png out of the figures in outputs/, each below its lesson's number."""
    picture, font, top = Image.new("RGB", (width, 4000), "white"), ImageFont.load_default(30), 0
    for line in ROWS.split("|"):
        names, left = line.split(), 0
        images = [Image.open(OUTPUTS / f"lesson{name}.png") for name in names]
        height = int(width / sum(image.width / image.height for image in images))
        for name, image in zip(names, images):
            image = image.resize((image.width * height // image.height, height), Image.LANCZOS)
            ImageDraw.Draw(picture).text((left + 6, top + 4), name[:2], "black", font)
            picture.paste(image, (left, top + above))
            left += image.width
        top += height + above
    picture.crop((0, 0, width, top)).save(HERE / "overview.png", optimize=True)


def figures(results, bench):
    """{what may stand between marks: its text}."""
    found = {"minutes": round(sum(lesson["seconds"] for lesson in results.values()) / 60, 1)}
    found |= results["15"]["versions"] | {"cores": results["15"]["cores"]}
    for number, lesson in results.items():
        found[f"{number} seconds"] = round(lesson["seconds"])
        found |= {f"{number} {row['name']}": row["here"] for row in lesson["results"]}
    for row in bench["lessons"] + bench["steps"]:
        found |= {f"bench {row['lesson']} {name}": value for name, value in row.items()}
    found |= {f"bench {name}": bench[name] for name in bench}
    found = {name: "–" if value is None else value for name, value in found.items()}
    return {name: f"{v:.4g}" if isinstance(v, float) else str(v) for name, v in found.items()}


def filled(text, numbers):
    """A README with its numbers between their marks; KeyError for a mark that names nothing."""
    mark = re.compile("<!--([^>]+)-->[^<]*<!---->")
    return mark.sub(lambda found: f"<!--{found[1]}-->{numbers[found[1]]}<!---->", text)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    if not check:
        results = json.dumps(collect(), indent=1, ensure_ascii=False) + "\n"
        (HERE / "results.json").write_text(results, "utf-8")
        overview()
    results = json.loads((HERE / "results.json").read_text("utf-8"))
    numbers = figures(results, json.loads((HERE / "bench.json").read_text("utf-8")))
    names = ["README.md", "README.zh-Hant.md"]
    texts = {name: filled((ROOT / name).read_text("utf-8"), numbers) for name in names}
    texts["README.zh-Hans.md"] = translations.simplified(texts["README.zh-Hant.md"])
    stale = [name for name in texts if (ROOT / name).read_text("utf-8") != texts[name]]
    for name in [] if check else stale:
        (ROOT / name).write_text(texts[name], "utf-8")
    print("make readme would change" if check else "changed:", *stale or ["nothing"])
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
