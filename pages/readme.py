"""Bring the READMEs up to date with the last `make lessons` and `make bench`.

    python pages/readme.py            # results and picture from outputs/, then every README
    python pages/readme.py --check    # change nothing; exit status 1 if a README is not up to date

A number in a README stands between marks, `<!--15 seconds-->87<!---->`. The first names what is
there: a lesson and a row of its report or its `seconds`, or an entry of pages/bench.json.
README.zh-Hans.md is README.zh-Hant.md in Simplified characters.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import translations

HERE = Path(__file__).resolve().parent
ROOT, OUTPUTS = HERE.parent, HERE.parent / "outputs"
# The figures in the picture, row by row; a row is as high as fits its width.
PICTURES = ["15/wrong 17/gates 18/grid", "16/power_cut 20/before_after 21/contours"]
PICTURES += ["19/shared_cell 22/eval"]


def collect():
    """{lesson: its results.json} from outputs/; SystemExit where one is not of a full run."""
    found = {}
    for number in range(15, 23):
        path = OUTPUTS / f"lesson{number}" / "results.json"
        results = json.loads(path.read_text("utf-8")) if path.exists() else {"smoke": True}
        if results["smoke"]:
            raise SystemExit(f"{path} is missing, or of a smoke run: make lessons comes first")
        found[str(number)] = results
    return found


def overview(width=1660):
    """Draw pages/overview.png out of the figures in outputs/, each with its lesson's number."""
    from PIL import Image, ImageDraw, ImageFont

    rows, above, font = [], 44, ImageFont.load_default(30)  # pixels
    for line in PICTURES:
        names = line.split()
        images = [Image.open(OUTPUTS / f"lesson{name}.png").convert("RGB") for name in names]
        height = int(width / sum(image.width / image.height for image in images))
        row, left = Image.new("RGB", (width, height + above), "white"), 0
        for name, image in zip(names, images):
            image = image.resize((image.width * height // image.height, height), Image.LANCZOS)
            row.paste(image, (left, above))
            ImageDraw.Draw(row).text((left + 6, 4), name[:2], "black", font)
            left += image.width
        rows.append(row)
    picture = Image.new("RGB", (width, sum(row.height for row in rows)), "white")
    for i, row in enumerate(rows):
        picture.paste(row, (0, sum(other.height for other in rows[:i])))
    picture.save(HERE / "overview.png", optimize=True)


def figures(results, bench):
    """{what may stand between marks: its text}."""
    found = {"minutes": round(sum(lesson["seconds"] for lesson in results.values()) / 60, 1)}
    found |= results["15"]["versions"] | {"cores": results["15"]["cores"]}
    for number, lesson in results.items():
        found[f"{number} seconds"] = round(lesson["seconds"])
        found |= {f"{number} {row['name']}": row["here"] for row in lesson["results"]}
    for row in bench["lessons"]:
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
    path = HERE / "bench.json"  # make bench takes half an hour; there may be none
    bench = json.loads(path.read_text("utf-8")) if path.exists() else {"lessons": []}
    texts = {}
    for name in ("README.md", "README.zh-Hant.md"):
        texts[name] = filled((ROOT / name).read_text("utf-8"), figures(results, bench))
    texts["README.zh-Hans.md"] = translations.simplified(texts["README.zh-Hant.md"])
    stale = [name for name in texts if (ROOT / name).read_text("utf-8") != texts[name]]
    for name in [] if check else stale:
        (ROOT / name).write_text(texts[name], "utf-8")
    print("make readme would change" if check else "changed:", *stale or ["nothing"])
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
