"""Bring both READMEs up to date with the last `make lessons` and `make bench`.

    python pages/readme.py            # tables, overview.png and results.json from outputs/
    python pages/readme.py --tables   # only the tables, from results.json and bench.json
    python pages/readme.py --check    # exit status 1 if a README is not what those two say

The tables stand between marks in README.md and README.zh-Hant.md. pages/results.json is what the
lessons reported at the notes' settings; pages/bench.json, where there is one, is what `make bench`
measured.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
BENCH = HERE / "bench.json"
MARK = "<!-- table: written by `make readme` -->"
BENCH_MARK = "<!-- bench: written by make readme -->"

# lesson: section of the notes; what you see, in English and Chinese; the row of its report that
# stands for it; what that row is called here, in English and Chinese
LESSONS = {
    "15": (
        "十五、卷積神經網絡",
        "a CNN learns to read digits; its filters; its worst mistakes",
        "CNN 學會讀手寫數字;它的卷積核;它錯得最有把握的數字",
        "test accuracy at step 600",
        "test accuracy at step 600",
        "600 步後的測試準確率",
    ),
    "16": (
        "十六、Saver 保存讀取",
        "what can be saved today, rung by rung; a TF1 checkpoint; a power cut",
        "今天能保存什麼,一級一級來;讀 TF1 的存檔;訓練中途斷電",
        "weight",
        "weight, read back",
        "讀回來的 weight",
    ),
    "17": (
        "十七、RNN",
        "an LSTM reads digits row by row; its gates; vanishing gradients",
        "LSTM 逐行讀數字;三個控制器;梯度消失與爆炸",
        "test accuracy at step 782",
        "test accuracy at step 782",
        "782 步後的測試準確率",
    ),
    "18": (
        "十八、自編碼",
        "digits from 128 numbers; digits in a plane; against PCA",
        "從 128 個數還原數字;平面上的數字;和 PCA 比較",
        "cost after epoch 10",
        "cost after epoch 10",
        "10 輪後的 cost",
    ),
    "19": (
        "十九、name_scope / variable_scope",
        "the notes' names and values beside today's; sharing without reuse",
        "筆記的變數名稱和值與今天的對照;不用 reuse 的共享",
        "var22 value",
        "value of var22",
        "var22 的值",
    ),
    "20": (
        "二十、批標準化",
        "what reaches every layer, without and with batch normalization",
        "有無批標準化時,每一層收到的數據",
        "tanh: BN ends lower",
        "tanh: the cost ends lower with BN; with / without",
        "tanh:有 BN 時 cost 較低;有 / 無",
    ),
    "21": (
        "二十一、可視化梯度",
        "gradients descend, jump, and fall into local minima; four optimizers race",
        "梯度下降、跳動、滑到局部最小值;四種優化器賽跑",
        "line from 2,4.5: b",
        "b of the line, started from 2, 4.5",
        "直線的 b,從 2, 4.5 出發",
    ),
    "22": (
        "二十二、遷移學習",
        "the real VGG16 tells cats from tigers by their length",
        "真正的 VGG16 用體長分辨貓和老虎",
        "tigers above cats (AUC), VGG16",
        "pairs with the tiger above the cat (AUC)",
        "老虎排在貓之上的比例(AUC)",
    ),
}

# The figures in overview.png, as they stand in it.
PICTURES = [
    ["15/accuracy", "17/gates"],
    ["18/plane", "21/local_minima"],
    ["20/layers_tanh", "22/held_out"],
]

HEADINGS = {
    "README.md": (
        *("notes", "script", "what you see", "figure", "in the notes", "here"),
        "time on 2 cores",
    ),
    "README.zh-Hant.md": (
        *("筆記章節", "程式", "看到什麼", "數值", "筆記", "這裡"),
        "2 核心耗時",
    ),
}
BENCH_HEADINGS = {
    "README.md": ("lesson", "time, float32", "time, bfloat16", "peak memory"),
    "README.zh-Hant.md": ("課", "時間,float32", "時間,bfloat16", "記憶體峰值"),
}


def text(value):
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def markdown(headings, rows):
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def lessons_table(results, name):
    """One row a lesson: what it shows, its figure in the notes and here, and how long it took."""
    chinese, rows = name != "README.md", []
    for number, (section, seen, seen_zh, row_name, figure, figure_zh) in LESSONS.items():
        lesson = results[number]
        row = next(row for row in lesson["results"] if row["name"] == row_name)
        notes = "是" if chinese and row["notes"] == "yes" else text(row["notes"])
        seconds = lesson.get("seconds")
        time = "-" if seconds is None else f"{seconds:.0f} {'秒' if chinese else 's'}"
        script = next((ROOT / "lessons").glob(f"lesson{number}_*.py")).name
        link = f"[`{script}`](lessons/{script})"
        seen, figure = (seen_zh, figure_zh) if chinese else (seen, figure)
        rows.append([section, link, seen, figure, notes, text(row["here"]), time])
    return markdown(HEADINGS[name], rows)


def read_bench():
    """What `make bench` measured, or None where it has not been run."""
    return json.loads(BENCH.read_text("utf-8")) if BENCH.exists() else None


def ratios(row):
    """A row's ratios as text, in the order of BENCH_HEADINGS."""
    keys = ("float32_ratio", "bfloat16_ratio", "memory_ratio")
    return ["-" if row[key] is None else f"{row[key]:.2f}" for key in keys]


def bench_table(bench, name):
    """A sentence and a table of ratios: times are only comparable within one run."""
    rows = [[LESSONS[row["lesson"]][0], *ratios(row)] for row in bench["rows"]]
    machine, version = bench["machine"], bench["versions"]["tensorflow"]
    if name == "README.md":
        said = (
            "Training time and peak memory, ours divided by the TF1 code's, as `make bench`\n"
            f"measured them on {machine} with TensorFlow {version} (below 1: less than TF1):"
        )
    else:
        machine = machine.replace(" cores", " 個核心")
        said = (
            f"在 {machine}上用 TensorFlow {version} 執行 `make bench` 的結果:\n"
            "訓練時間與記憶體峰值,我們的除以 TF1 程式碼的(小於 1 表示比 TF1 少):"
        )
    total = "together" if name == "README.md" else "合計"
    return f"{said}\n\n{markdown(BENCH_HEADINGS[name], [*rows, [total, *ratios(bench['total'])]])}"


def with_tables(path, results, bench):
    """The README's text with the tables that the results and the benchmark call for."""
    before, _, after = path.read_text("utf-8").split(MARK)
    whole = f"{before}{MARK}\n\n{lessons_table(results, path.name)}\n\n{MARK}{after}"
    before, _, after = whole.split(BENCH_MARK)
    between = f"\n{bench_table(bench, path.name)}\n\n" if bench else ""
    return f"{before}{BENCH_MARK}\n{between}{BENCH_MARK}{after}"


def overview(outputs):
    """overview.png: some of the lessons' own figures, in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        len(PICTURES), len(PICTURES[0]), figsize=(14, 15), layout="constrained"
    )
    for ax, name in zip(axes.flat, sum(PICTURES, [])):
        number, figure = name.split("/")
        ax.imshow(plt.imread(outputs / f"lesson{number}" / f"{figure}.png"))
        ax.set_title(f"Lesson {number}", fontsize=14)
        ax.axis("off")
    fig.savefig(HERE / "overview.png", dpi=80)


def main():
    if "--check" in sys.argv:
        results, bench = json.loads(RESULTS.read_text("utf-8")), read_bench()
        stale = [
            name
            for name in HEADINGS
            if (ROOT / name).read_text("utf-8") != with_tables(ROOT / name, results, bench)
        ]
        sys.exit(f"stale, run `make readme`: {', '.join(stale)}" if stale else 0)
    if "--tables" not in sys.argv:
        collect(ROOT / "outputs")
    results, bench = json.loads(RESULTS.read_text("utf-8")), read_bench()
    for name in HEADINGS:
        (ROOT / name).write_text(with_tables(ROOT / name, results, bench), "utf-8")


def collect(outputs):
    """Write results.json and overview.png from what `make lessons` has left."""
    results = {}
    for number in LESSONS:
        path = outputs / f"lesson{number}" / "results.json"
        if not path.exists():
            sys.exit(f"{path} is missing; run `make lessons` first")
        report = json.loads(path.read_text("utf-8"))
        if report["smoke"]:
            sys.exit("outputs/ has a --smoke run; run `make lessons` first")
        results[number] = {key: report[key] for key in ("title", "results", "seconds", "versions")}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    overview(outputs)


if __name__ == "__main__":
    main()
