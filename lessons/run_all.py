"""Run every lesson in a process of its own, then print one table: the notes' figures and ours.

    python tests/run_all.py            # the notes' settings, one lesson after another
    python tests/run_all.py --smoke    # in seconds, two lessons at a time

Other flags go to every lesson. All lessons run, whatever happens to one of them; the exit status
is 1 if any failed, left no report or no figure, or if a row of the full runs does not hold.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LESSONS = Path(__file__).resolve().parent.parent / "lessons"
sys.path.insert(0, str(LESSONS))
import common  # noqa: E402


def run(script, flags, out, quiet):
    """Run one lesson; returns `(results or None, what went wrong or None)`."""
    started = time.time()
    output = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if quiet else {}
    process = subprocess.run(
        [sys.executable, script, *flags], encoding="utf-8", errors="replace", **output
    )
    if process.returncode:
        return None, (process.stdout or "") + f"exit status {process.returncode}"
    folder = out / script.stem.split("_")[0]
    try:
        report = folder / "results.json"
        if report.stat().st_mtime < started - 2:  # some file systems count in two seconds
            return None, "exit status 0, but results.json is an old one"
        results = json.loads(report.read_text("utf-8"))
        if not results["figures"] or not results["results"]:
            return None, "exit status 0, but the report is empty"
        for name in results["figures"]:
            if (folder / name).stat().st_size == 0 or (folder / name).stat().st_mtime < started - 2:
                return None, f"exit status 0, but {name} is empty or an old one"
    except OSError as error:
        return None, f"exit status 0, but {error.filename} is missing"
    return results, None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path, default=common.OUTPUTS)
    parser.add_argument("--lessons", type=Path, default=LESSONS, help=argparse.SUPPRESS)
    args, flags = parser.parse_known_args()
    flags += ["--out", str(args.out), *(["--smoke"] if args.smoke else [])]
    scripts = sorted(args.lessons.glob("lesson*.py"))

    closing, claims, failures = [], [], {}
    with ThreadPoolExecutor(2 if args.smoke else 1) as pool:
        outcomes = pool.map(lambda script: run(script, flags, args.out, args.smoke), scripts)
        for script, (results, failure) in zip(scripts, outcomes):
            if failure:
                failures[script.stem] = failure
                print(f"{script.stem} FAILED", flush=True)
                continue
            if args.smoke:
                print(f"{script.stem} {results['seconds']:.1f} s", flush=True)
            rows = [
                (row["name"], row["notes"], row["here"], row["holds"])
                for row in results["results"]
                if row["notes"] is not None or row["holds"] is not None
            ]
            closing += ["", f"Lesson {results['lesson']}: {results['title']}", *common.table(rows)]
            claims += [holds for *_, holds in rows if holds is not None]

    if not args.smoke:
        print("\n".join(["", "All lessons", *closing]))
        print(f"\n{sum(claims)} of {len(claims)} hold")
        if not all(claims):
            failures["the table"] = f"{len(claims) - sum(claims)} rows do not hold"
    for name, failure in failures.items():
        print(f"\n{name}: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
