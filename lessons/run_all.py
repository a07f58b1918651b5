"""Run every lesson in a process of its own, then print one table of all their claims.

    python lessons/run_all.py            # the notes' settings, one lesson after another
    python lessons/run_all.py --smoke    # in seconds, two lessons at a time

Other flags go to every lesson. All lessons run, whatever happens to one of them. The exit status
is 1 if one failed or left no report, or if a claim of the full runs does not hold.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import common

LESSONS = Path(__file__).resolve().parent


def run(script, flags, out, quiet):
    """Run one lesson; returns its results.json, or the text of what went wrong."""
    report = out / script.stem.partition("_")[0] / "results.json"
    before = report.stat().st_mtime_ns if report.exists() else 0  # an old one says nothing
    talk = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if quiet else {}
    command = [sys.executable, script, "--out", out, *flags]
    process = subprocess.run(command, encoding="utf-8", errors="replace", **talk)
    if process.returncode:
        return (process.stdout or "") + f"exit status {process.returncode}"
    if not report.exists() or report.stat().st_mtime_ns == before:
        return "it left no report"
    return json.loads(report.read_text("utf-8"))


def main():
    parser = argparse.ArgumentParser(description="Run every lesson.", allow_abbrev=False)
    parser.add_argument("--smoke", action="store_true", help="in seconds, to see that all works")
    parser.add_argument("--out", type=Path, help="a folder, default: outputs")
    args, flags = parser.parse_known_args()
    out = args.out or LESSONS.parent / "outputs" / ("smoke" if args.smoke else "")
    out = out.expanduser()
    flags += ["--smoke"] if args.smoke else []
    scripts = sorted(LESSONS.glob("lesson*.py"))

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese shows "?"
    closing, all_rows, failures = [], [], []
    with ThreadPoolExecutor(2 if args.smoke else 1) as pool:
        outcomes = pool.map(lambda script: run(script, flags, out, args.smoke), scripts)
        for script, results in zip(scripts, outcomes):
            if isinstance(results, str):
                failures.append(f"{script.name}: {results}")
                print(f"{script.name} FAILED", flush=True)
                continue
            print(f"{script.name} {results['seconds']:.0f} s\n", flush=True)
            rows = results["results"]
            closing += ["", f"Lesson {results['lesson']}: {results['title']}", *common.table(rows)]
            all_rows += rows

    if not args.smoke:
        print("All lessons", *closing, "", common.count(all_rows), sep="\n")
    for failure in failures:
        print(failure, file=sys.stderr)
    claims_fail = any(row["holds"] == "no" for row in all_rows) and not args.smoke
    return bool(failures) or claims_fail


if __name__ == "__main__":
    sys.exit(main())
