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

# lesson: section of the notes, what you see, the same in Chinese, the row that stands for it
LESSONS = {
    "15": (
        "十五、卷積神經網絡",
        "a CNN learns to read digits; its filters; its worst mistakes",
        "CNN 學會讀手寫數字;它的卷積核;它錯得最有把握的數字",
        "test accuracy at step 600",
    ),
    "16": (
        "十六、Saver 保存讀取",
        "what can be saved today, rung by rung; a TF1 checkpoint; a power cut",
        "今天能保存什麼,一級一級來;讀 TF1 的存檔;訓練中途斷電",
        "weight",
    ),
    "17": (
        "十七、RNN",
        "an LSTM reads digits row by row; its gates; vanishing gradients",
        "LSTM 逐行讀數字;三個控制器;梯度消失與爆炸",
        "test accuracy at step 782",
    ),
    "18": (
        "十八、自編碼",
        "digits from 128 numbers; digits in a plane; against PCA",
        "從 128 個數還原數字;平面上的數字;和 PCA 比較",
        "cost after epoch 10",
    ),
    "19": (
        "十九、name_scope / variable_scope",
        "the notes' names and values beside today's; sharing without reuse",
        "筆記的變數名稱和值與今天的對照;不用 reuse 的共享",
        "var22 value",
    ),
    "20": (
        "二十、批標準化",
        "what reaches every layer, without and with batch normalization",
        "有無批標準化時,每一層收到的數據",
        "tanh: BN ends lower",
    ),
    "21": (
        "二十一、可視化梯度",
        "gradients descend, jump, and fall into local minima; four optimizers race",
        "梯度下降、跳動、滑到局部最小值;四種優化器賽跑",
        "line from 2,4.5: b",
    ),
    "22": (
        "二十二、遷移學習",
        "the real VGG16 tells cats from tigers by their length",
        "真正的 VGG16 用體長分辨貓和老虎",
        "tigers above cats (AUC), VGG16",
    ),
}

# The figures in overview.png, as they stand in it.
PICTURES = [
    ["15/accuracy", "17/gates"],
    ["18/plane", "21/local_minima"],
    ["20/layers_tanh", "22/held_out"],
]

HEADINGS = {
    "README.md": ("notes", "script", "what you see", "figure", "in the notes", "here"),
    "README.zh-Hant.md": ("筆記", "程式", "看到什麼", "數值", "筆記", "這裡"),
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
        rows.append([section, link, seen, name, notes, here])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def with_table(path, results):
    """The README's text with the table that the results call for."""
    before, _, after = path.read_text("utf-8").split(MARK)
    body = table(results, HEADINGS[path.name], path.name != "README.md")
    return f"{before}{MARK}\n\n{body}\n\n{MARK}{after}"


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
        results = json.loads(RESULTS.read_text("utf-8"))
        stale = [
            name
            for name in HEADINGS
            if (ROOT / name).read_text("utf-8") != with_table(ROOT / name, results)
        ]
        sys.exit(f"stale, run `make readme`: {', '.join(stale)}" if stale else 0)
    outputs = ROOT / "outputs"
    results = {}
    for number in LESSONS:
        report = json.loads((outputs / f"lesson{number}" / "results.json").read_text("utf-8"))
        if report["smoke"]:
            sys.exit("outputs/ has a --smoke run; run `make lessons` first")
        results[number] = {key: report[key] for key in ("title", "results", "versions")}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    for name in HEADINGS:
        (ROOT / name).write_text(with_table(ROOT / name, results), "utf-8")
    overview(outputs)


if __name__ == "__main__":
    main()
