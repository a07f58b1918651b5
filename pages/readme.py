"""Bring the READMEs up to date with the last `make lessons`; with --check, only
say what is not. A figure in a README stands between marks, `<!--15 seconds-->87<!---->`: the first
names a lesson and its `seconds`, a row of its report or `baseline of …`, or an entry in `values`.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import translations

HERE = Path(__file__).resolve().parent
ROOT, OUTPUTS = HERE.parent, HERE.parent / "outputs"


def collect():
    """{lesson: its results.json} from outputs/; SystemExit if one is missing or of a smoke run."""
    files = sorted(OUTPUTS.glob("lesson[0-9][0-9]/results.json"))
    found = {file.parent.name[-2:]: json.loads(file.read_text("utf-8")) for file in files}
    if len(found) < 8 or any(lesson["smoke"] for lesson in found.values()):
        raise SystemExit(f"make lessons comes first: {OUTPUTS} has not all lessons, or smoke runs")
    return found


def values(results):
    """{what may stand between marks: its text}."""
    found = {"minutes": round(sum(lesson["seconds"] for lesson in results.values()) / 60, 1)}
    found |= results["15"]["versions"] | {"cores": results["15"]["cores"]}
    holds = [row["holds"] for lesson in results.values() for row in lesson["results"]]
    found |= {"yes": holds.count("yes"), "slip": holds.count("slip")}
    for number, lesson in results.items():
        found[f"{number} seconds"] = round(lesson["seconds"])
        for row in lesson["results"]:
            found[f"{number} {row['name']}"] = row["here"]
            found[f"{number} baseline of {row['name']}"] = row["baseline"]
    return {name: f"{v:.4g}" if isinstance(v, float) else str(v) for name, v in found.items()}


def filled(text, found):
    """A README with its figures between their marks; KeyError for a mark that names nothing."""
    mark = re.compile("<!--([^>]+)-->[^<]*<!---->")
    return mark.sub(lambda mark: f"<!--{mark[1]}-->{found[mark[1]]}<!---->", text)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(arguments).check
    if not check:
        results = json.dumps(collect(), indent=1, ensure_ascii=False) + "\n"
        (HERE / "results.json").write_text(results, "utf-8")
    results = json.loads((HERE / "results.json").read_text("utf-8"))
    found = values(results)
    names = ["README.md", "README.zh-Hant.md", "data/README.zh-Hant.md"]
    texts = {name: filled((ROOT / name).read_text("utf-8"), found) for name in names}
    for name in names[1:]:
        simple = translations.simplified(texts[name])
        simple = simple.replace("data/README.zh-Hant", "data/README.zh-Hans")
        texts[name.replace("Hant", "Hans")] = simple
    stale = [name for name, text in texts.items() if (ROOT / name).read_text("utf-8") != text]
    for name in [] if check else stale:
        (ROOT / name).write_text(texts[name], "utf-8", newline="\n")
    print("make readme would change" if check else "changed:", *stale or ["nothing"])
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
