"""Tables, Markdown, HTML and the plot: what they show, and that nothing a run wrote becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from overnight.domain.plan import Direction, Goal
from overnight.reports.html import html
from overnight.reports.markdown import code, escaped, markdown
from overnight.reports.plot import plot
from overnight.reports.summary import Summary, summarise
from overnight.reports.text import MOST_ROWS, tables
from tests.reports.worlds import HOSTILE, LOSS, digits, material, run, seeds, sweep

SVG = "{http://www.w3.org/2000/svg}"
ATTACKS = [
    HOSTILE,
    "<img src=x onerror=alert(1)>",
    "`code` ``more``",
    "a | b",
    "*bold* _it_ ~~gone~~ $x$",
    "[text](http://evil)",
    "![i](http://evil)",
    "http://evil.example www.evil.example me@evil.example",
    "# heading",
    "- item",
    "1. item",
    "--- rule",
    "> quote",
    "&lt;b&gt;",
    "\\`",
    "]]>-->",
    "{{7*7}}",
]


def hostile(text: str) -> Summary:
    """A campaign in which everything that can be named is named so."""
    failed = run("f" + text, state="failed", reason=text, detail=text, last_lines=[text, "````", "<b>loud</b>"])
    runs = [run(text, {text: 1.0, "nan": float("nan")}, parameters={text: text}), run("b", {text: 2.0}), failed]
    goal = Goal(text, Direction.MINIMIZE)
    return summarise(material([sweep(text, runs), sweep("two", [run("c", {text: 3.0})])], goal=goal, name=text))


class Markup(HTMLParser):
    """What a browser would see: tags, attributes, text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(document: str) -> Markup:
    markup = Markup()
    markup.feed(document)
    return markup


def rendered(document: str) -> Markup:
    return parsed(MarkdownIt("commonmark", {"linkify": False}).enable(["table", "strikethrough"]).render(document))


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_hostile_becomes_markup_in_html(text: str) -> None:
    seen, calm = parsed(html(hostile(text))), parsed(html(hostile("calm")))
    assert seen.tags == calm.tags
    assert [name for name, _ in seen.attributes] == [name for name, _ in calm.attributes]
    assert not {"script", "img", "a", "link", "iframe", "object"} & set(seen.tags)


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_hostile_becomes_markup_in_markdown(text: str) -> None:
    seen, calm = rendered(markdown(hostile(text))), rendered(markdown(hostile("calm")))
    assert seen.tags == calm.tags
    assert text[:20] in seen.text


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_hostile_becomes_markup_in_the_plot(text: str) -> None:
    picture = plot(hostile(text))
    calm = plot(hostile("calm"))
    assert picture is not None
    assert calm is not None
    assert [it.tag for it in ElementTree.fromstring(picture).iter()] == [
        it.tag for it in ElementTree.fromstring(calm).iter()
    ]


@pytest.mark.parametrize("text", ATTACKS)
def test_tables_are_one_safe_line_a_cell(text: str) -> None:
    for table in tables(hostile(text)):
        for row in [table.header, *table.rows]:
            assert len(row) == len(table.header)
            assert all(cell.isprintable() for cell in row)


@pytest.mark.parametrize("text", ATTACKS)
def test_documents_can_be_encoded_and_hide_no_control_characters(text: str) -> None:
    for document in (html(hostile(text)), markdown(hostile(text)), plot(hostile(text)) or ""):
        document.encode("utf-8")
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", document)


@pytest.mark.parametrize("text", [it for it in ATTACKS if it.isprintable()])
def test_escaped_markdown_reads_as_it_was_written(text: str) -> None:
    assert rendered(escaped(text)).text.strip() == text
    assert rendered(f"x {code(text)}").text.strip() == f"x {text}"


def test_a_log_cannot_close_the_fence_around_it() -> None:
    lines = ["```", "`````", "<b>loud</b>"]
    seen = rendered(markdown(summarise(material([sweep("s", [run("a", state="failed", last_lines=lines)])]))))
    assert "b" not in seen.tags
    assert "```\n`````\n<b>loud</b>\n" in seen.text


def test_ordinary_text_stays_readable_in_the_source() -> None:
    assert escaped("train_loss=-0.5 (n=3) seed-1") == "train_loss=-0.5 (n=3) seed-1"
    assert escaped("-1.25") == "-1.25"


def test_markdown_shows_the_winner_the_tables_and_the_logs() -> None:
    document = markdown(summarise(digits()))
    assert document.startswith("# digits\n")
    assert "**students width=256 is the best of students: accuracy 0.9090 ± 0.0060 (n=3)" in document
    assert "| **256** | **3** | **0.9090** | **0.0060** | **0.9030** | **0.9150** |" in document
    assert "```text\nTraceback (most recent call last):" in document
    assert "`overnight retry cccccccccccc --failed`" in document


def test_html_is_one_file_with_the_plot_in_it() -> None:
    document = html(summarise(digits()))
    seen = parsed(document)
    assert seen.tags.count("svg") == 1
    assert not [value for name, value in seen.attributes if name in ("src", "href")]
    assert "prefers-color-scheme:dark" in document
    assert "RuntimeError: shapes (8, 64) | `x`" in seen.text


def test_a_table_marks_the_best_row_and_lists_what_is_missing() -> None:
    found = {table.title: table for table in tables(summarise(digits()))}
    students = found["students: accuracy"]
    assert students.header == ("width", "n", "Mean", "SD", "Min", "Max", "Missing")
    assert students.marked == {3}
    assert students.rows[0] == ("4", "2", "0.8225", "0.028", "0.8030", "0.8420", "width4-teacherTrue-s2 is NaN")
    assert students.rows[2][-1] == "student-w64-s3 blocked"
    assert found["alone: accuracy"].marked == frozenset()
    assert [row[0] for row in found["Failures"].rows] == ["nonzero_exit", "need_failed"]


def test_other_metrics_have_a_column_each_and_the_rest_is_counted() -> None:
    results = {"accuracy": 0.5} | {f"m{n}": float(n) for n in range(10)}
    (_, _, others) = tables(summarise(material([sweep("s", [run("a", results), run("b", results)])])))
    assert others.header == ("Configuration", "m0", "m1", "m2", "m3", "m4", "m5")
    assert others.note == "4 more metrics are in the JSON."


def test_of_many_configurations_the_best_are_shown() -> None:
    runs = [
        it for width in range(250) for it in seeds("loss", [(250 - width) / 10, (250 - width) / 10 + 1], width=width)
    ]
    summary = summarise(material([sweep("s", runs)], goal=LOSS))
    table = tables(summary)[1]
    assert len(table.rows) == MOST_ROWS
    assert table.rows[0][0] == "249"
    assert table.marked == {0}
    assert table.note == "150 more configurations are in the JSON."
    picture = plot(summary)
    assert picture is not None
    assert picture.count("<g") == 24


def test_the_plot_sorts_by_the_mean_and_marks_one_winner() -> None:
    picture = plot(summarise(digits()), alone=True)
    assert picture is not None
    root = ElementTree.fromstring(picture)
    rows = [[text.text for text in group.findall(f"{SVG}text")] for group in root.findall(f"{SVG}g")]
    assert [row[0] for row in rows] == [
        *("width=256", "width=64", "width=16", "width=4"),
        "alone",
        *("width=256", "width=64", "width=16", "width=4"),
    ]
    assert rows[0][1] == "0.9747 ± 0.0025"
    assert rows[-1][1] == "0.823 ± 0.028, 1 × NaN"
    winners = [group for group in root.findall(f"{SVG}g") if group.get("class") == "winner"]
    assert len(winners) == 1
    # three replicates and their mean
    assert len(winners[0].findall(f"{SVG}circle")) == 4


def test_a_diverged_configuration_does_not_flatten_the_others() -> None:
    runs = [it for width in range(1, 7) for it in seeds("loss", [width / 10, width / 10 + 0.05], width=width)]
    picture = plot(summarise(material([sweep("s", [*runs, *seeds("loss", [1e9, 2e9], width=0)])], goal=LOSS)))
    assert picture is not None
    root = ElementTree.fromstring(picture)
    means = [group.findall(f"{SVG}circle")[-1:] for group in root.findall(f"{SVG}g")]
    places = [float(circle[0].get("cx", "0")) for circle in means if circle]
    assert len(places) == 6
    assert max(places) - min(places) > 150


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [1e308, -1e308], [1e-300], [1e16, 1e16 + 2]])
def test_whatever_the_values_are_the_plot_is_drawn(values: list[float]) -> None:
    picture = plot(summarise(material([sweep("s", seeds("accuracy", values))])))
    assert picture is not None
    ElementTree.fromstring(picture)
    assert not re.search(r"\b(nan|inf)\b", picture.replace("info", ""))


def test_without_goal_or_values_there_is_no_plot_and_the_documents_stand() -> None:
    for given in (
        material([]),
        material([sweep("s", [run("a", state="queued")])], settled_at=None),
        material([sweep("s", seeds("accuracy", [0.5]))], goal=None),
        material([sweep("s", seeds("accuracy", [float("nan")]))]),
    ):
        summary = summarise(given)
        assert plot(summary) is None
        assert "<svg" not in html(summary)
        assert markdown(summary).startswith("# digits")
