"""Run every lesson in a process of its own, then print one table: the notes' figures and ours.

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
    report.unlink(missing_ok=True)  # an old one would say that all is well
    talk = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if quiet else {}
    command = [sys.executable, script, "--out", out, *flags]
    process = subprocess.run(command, encoding="utf-8", errors="replace", **talk)
    if process.returncode:
        return (process.stdout or "") + f"exit status {process.returncode}"
    return json.loads(report.read_text("utf-8")) if report.exists() else "it left no report"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--out", type=Path)
    args, flags = parser.parse_known_args()
    out = args.out or LESSONS.parent / "outputs" / ("smoke" if args.smoke else "")
    flags += ["--smoke"] if args.smoke else []
    scripts = sorted(LESSONS.glob("lesson*.py"))

    sys.stdout.reconfigure(errors="replace")  # a terminal without Chinese shows "?"
    closing, claims, failures = [], [], []
    with ThreadPoolExecutor(2 if args.smoke else 1) as pool:
        outcomes = pool.map(lambda script: run(script, flags, out, args.smoke), scripts)
        for script, results in zip(scripts, outcomes):
            if isinstance(results, str):
                failures.append(f"{script.name}: {results}")
                print(f"{script.name} FAILED", flush=True)
                continue
            print(f"{script.name} {results['seconds']:.0f} s\n", flush=True)
            rows = [tuple(row.values()) for row in results["results"]]
            closing += ["", f"Lesson {results['lesson']}: {results['title']}", *common.table(rows)]
            claims += [holds for *_, holds in rows if holds is not None]

    if not args.smoke:
        print("All lessons", *closing, f"\n{sum(claims)} of {len(claims)} hold", sep="\n")
    print(*failures, sep="\n", file=sys.stderr)
    return bool(failures) or not (args.smoke or all(claims))


if __name__ == "__main__":
    sys.exit(main())
