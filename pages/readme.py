"""Bring both READMEs up to date with the last `make lessons`.

    python pages/readme.py            # table, overview.png and results.json from outputs/
    python pages/readme.py --check    # exit status 1 if a README is not what results.json says

The table between the two marks in README.md and README.zh-Hant.md is written from
pages/results.json, which is what the lessons reported at the notes' settings.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
MARK = "<!-- table: written by `make readme` -->"

# lesson: (section of the notes, what you see, the same in Chinese, the row that stands for it)
LESSONS = {}

HEADINGS = {
    "README.md": ("notes", "script", "what you see", "figure", "in the notes", "here", "seconds"),
    "README.zh-Hant.md": ("筆記", "程式", "看到什麼", "數值", "筆記", "這裡", "秒"),
}


def table(results, headings, chinese):
    """The Markdown table, one row a lesson."""
    rows = [headings, ["---"] * len(headings)]
    for number, (section, english, translated, name) in LESSONS.items():
        lesson = results[number]
        row = next(row for row in lesson["results"] if row["name"] == name)
        notes, here = (
            "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
            for value in (row["notes"], row["here"])
        )
        script = next((ROOT / "lessons").glob(f"lesson{number}_*.py")).name
        link = f"[`{script}`](lessons/{script})"
        seen = translated if chinese else english
        rows.append([section, link, seen, name, notes, here, f"{lesson['seconds']:.0f}"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def with_table(path, results):
    """The README's text with the table that the results call for."""
    before, _, after = path.read_text("utf-8").split(MARK)
    body = table(results, HEADINGS[path.name], path.name != "README.md")
    return f"{before}{MARK}\n\n{body}\n\n{MARK}{after}"


def overview(outputs):
    """One picture out of the lessons' own figures."""


def main():
    if "--check" in sys.argv:
        results = json.loads(RESULTS.read_text("utf-8"))
        stale = [
            name
            for name in HEADINGS
            if (ROOT / name).read_text("utf-8") != with_table(ROOT / name, results)
        ]
        sys.exit(f"stale, run `make readme`: {', '.join(stale)}" if stale else 0)
    outputs = ROOT / "outputs"
    results = {
        number: json.loads((outputs / f"lesson{number}" / "results.json").read_text("utf-8"))
        for number in LESSONS
    }
    if any(lesson["smoke"] for lesson in results.values()):
        sys.exit("outputs/ has a --smoke run; run `make lessons` first")
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name in HEADINGS:
        (ROOT / name).write_text(with_table(ROOT / name, results), "utf-8")
    overview(outputs)


if __name__ == "__main__":
    main()
