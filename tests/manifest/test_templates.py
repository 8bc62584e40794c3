"""Values reach a command unchanged, whatever they hold; what is no template passes through untouched."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overnight.domain.errors import Refused
from overnight.manifest.shell import Context, ShellScanner
from overnight.manifest.template import Template, Unquotable, launch_text

HOSTILE = [
    "",
    " ",
    "a b",
    "it's",
    '"quoted"',
    "$HOME",
    "${HOME}",
    "$${HOME}",
    "${run_dir}",
    "$${run_dir}",
    "${needs.a}",
    "$(touch /tmp/never)",
    "`touch never`",
    "a;b",
    "a&b|c>d<e",
    "#no comment",
    "~",
    "*",
    "a\nb",
    "\n",
    "back\\slash\\",
    "trailing\\",
    "!!",
    "{a,b}",
    "-n",
    "é ü 日本",
    "\t",
    "'\"'\"'",
    "$'x'",
    "%s",
    "\x7f\x01",
]
UNTOUCHED = [
    "echo $HOME $1 $$ $? $# $@",
    "echo ${HOME:-x} ${#a} ${a%.txt} ${1} ${a[0]}",
    "echo $(date) `date` $((1 + 2))",
    "awk '{print $1}' < {} > {a,b}",
    '{"json": {"a": [1, 2]}}',
    "echo ${ x } ${} ${a b} ${needs.} $needs.x",
    "costs 5$",
    "$",
]


def in_shell(text: str) -> bytes:
    return subprocess.run(["/bin/sh", "-c", text], capture_output=True, check=True, timeout=20).stdout


def expanded(text: str, value: str, *, shell: bool) -> str:
    return Template.of(text, shell=shell).expand({"x": value})


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_comes_back_unchanged_through_the_shell(value: str) -> None:
    text = launch_text(expanded("printf '%s\\n' ${x} pre${x}post --a=${x}", value, shell=True), {}, shell=True)
    assert in_shell(text) == f"{value}\npre{value}post\n--a={value}\n".encode()


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_is_an_argument_unchanged(value: str) -> None:
    assert launch_text(expanded("a${x}b", value, shell=False), {}, shell=False) == f"a{value}b"


@pytest.mark.parametrize(
    "text",
    [
        'printf "%s\\n" "$(printf %s ${x})"',
        "true # it's a comment\nprintf '%s\\n' ${x}",
        "printf '%s\\n' it\\'s ${x} | tail -n 1",
        "(printf '%s\\n' ${x})",
        "a='b c'\nprintf '%s\\n' ${x}",
        "printf '%s\\n' \\\n ${x}",
        "echo 'a#' b#'c' >/dev/null; printf '%s\\n' ${x}",
        "test -n ${HOME:-x}; printf '%s\\n' ${x}",
    ],
)
@pytest.mark.parametrize("value", ["a b", "it's", "$(echo never)", "`x`", '"'])
def test_a_value_outside_of_quotes_is_quoted_wherever_it_stands(text: str, value: str) -> None:
    assert in_shell(launch_text(expanded(text, value, shell=True), {}, shell=True)) == f"{value}\n".encode()


@pytest.mark.parametrize(
    "text",
    [
        'echo "${x}"',
        "echo '${x}'",
        "echo `echo ${x}`",
        'echo "`echo ${x}`"',
        "cat <<EOF\n${x}\nEOF",
        "cat <<'EOF'\n${x}\nEOF",
        "echo $'a ${x}'",
        "echo \\${x}",
        "echo $((${x} + 1))",
        "echo ${a:-${x}}",
        'echo "${a:-\'}${x}"',
        'echo "$(case a in a) echo "${x}";; esac)"',
        "true \\ # it's \n echo ${x}'",
        "echo \"a 'b\" 'c ${x}'",
        "echo \\' '${x}'",
        'echo "\\"" \'${x}\'',
        'echo "$(echo \'a" ${x} \')"',
        "true # ${x}",
        "(true # it's ${x}\n)",
    ],
)
def test_a_value_that_needs_quoting_is_refused_where_quotes_are_uncertain(text: str) -> None:
    with pytest.raises(Unquotable) as refusal:
        expanded(text, "a b", shell=True)
    assert refusal.value.name == "x"
    assert expanded(text, "0.1", shell=True) == text.replace("${x}", "0.1")


def test_a_comment_goes_on_behind_a_value_in_it() -> None:
    text = "true # ${a}'\nprintf %s '${b}'"
    with pytest.raises(Unquotable) as refusal:
        Template.of(text, shell=True).expand({"a": "0", "b": "$(touch owned)"})
    assert refusal.value.name == "b"


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_is_no_template_passes_through_untouched(text: str) -> None:
    for shell in (True, False):
        template = Template.of(text, shell=shell)
        assert not template.references
        assert launch_text(template.expand({}), {}, shell=shell) == text


def test_an_escape_lasts_until_launch_and_ends_there() -> None:
    text = expanded("echo $${x} ${x} $${needs.a} $$${x}", "1", shell=True)
    assert text == "echo $${x} 1 $${needs.a} $$${x}"
    assert launch_text(text, {"needs.a": "never"}, shell=True) == "echo ${x} 1 ${needs.a} $${x}"


def test_values_that_spell_a_template_together_stay_literal() -> None:
    template = Template.of("${a}${b} ${ru${c}}", shell=False)
    text = template.expand({"a": "$", "b": "{run_dir}", "c": "n_dir"})
    assert launch_text(text, {"run_dir": "never"}, shell=False) == "${run_dir} ${run_dir}"


def test_launch_names_are_replaced_and_others_left_to_the_shell() -> None:
    names = {"run_dir": "/r u/n", "GPU": "0,1", "needs.t": "/it's"}
    text = "cat ${needs.t} \"${run_dir}/$x\" '${run_dir}' ${run_dir}/a ${GPU} ${HOME}"
    assert launch_text(text, names, shell=True) == "cat '/it'\"'\"'s' \"/r u/n/$x\" '/r u/n' '/r u/n'/a 0,1 ${HOME}"
    assert launch_text("${run_dir}/${GPU}", names, shell=False) == "/r u/n/0,1"


@pytest.mark.parametrize("value", [value for value in HOSTILE if value])
def test_a_folder_with_a_hostile_name_is_passed_on_inside_of_quotes(value: str) -> None:
    text = "printf '%s\\n' \"${run_dir}\" '${run_dir}'"
    assert in_shell(launch_text(text, {"run_dir": value}, shell=True)) == f"{value}\n{value}\n".encode()


def test_a_launch_name_without_a_value_is_refused() -> None:
    with pytest.raises(Refused, match=r"\$\{needs.t\} has no value"):
        launch_text("cat ${needs.t}", {"run_dir": "/r"}, shell=True)


def test_a_folder_that_cannot_be_quoted_is_refused_at_launch() -> None:
    with pytest.raises(Refused, match="cannot be quoted"):
        launch_text("echo `cat ${run_dir}/x`", {"run_dir": "/a b"}, shell=True)
    assert launch_text("echo `cat ${run_dir}/x`", {"run_dir": "/a"}, shell=True) == "echo `cat /a/x`"


ARGUMENT = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
TRICKY = st.text(alphabet="$${}'\"\\` \nxa#(<)", max_size=10)


@given(ARGUMENT | TRICKY)
@settings(max_examples=150, deadline=None)
def test_any_value_comes_back_unchanged_through_the_shell(value: str) -> None:
    text = launch_text(expanded("printf '%s\\n' a${x}b", value, shell=True), {}, shell=True)
    assert in_shell(text) == f"a{value}b\n".encode()


@given(TRICKY, TRICKY, st.sampled_from(["'${x}", '"${x}', "${x}", "\\${x}", "$(${x}"]))
@settings(max_examples=400, deadline=None)
@example("$", "", "'${x}")
@example("'#\n", "'", "${x}")
def test_a_value_is_never_executed_wherever_it_stands(before: str, after: str, middle: str) -> None:
    """Whatever surrounds it, a value that is accepted cannot start a command of its own."""
    value = '\';: > "$MARK" ;\'"; : > $MARK; $(: > $MARK) `: > $MARK`'
    template = Template.of(f"set -f; {before}{middle}{after}", shell=True)
    if any(reference.name != "x" for reference in template.references):
        return
    try:
        text = launch_text(template.expand({"x": value}), {}, shell=True)
    except Unquotable:
        return
    # `set -x` shows every command that is executed; none of them may be the value's own.
    done = subprocess.run(
        ["/bin/sh", "-xc", text],
        capture_output=True,
        timeout=20,
        env={"PATH": "/nowhere", "MARK": "/dev/full"},
        check=False,
    )
    assert b"\n+ :" not in b"\n" + done.stderr, text


@given(st.lists(TRICKY | st.sampled_from(["${run_dir}", "$${run_dir}", "${x}", "$${x}"]), max_size=5), TRICKY)
@settings(max_examples=300, deadline=None)
def test_expansion_and_launch_give_what_one_replacement_would(pieces: list[str], value: str) -> None:
    template = Template.of("".join(pieces), shell=False)
    names = {name: value if name == "x" else f"<{name}>" for name in [one.name for one in template.references]}
    launch = {reference.name: names[reference.name] for reference in template.references if reference.at_launch}
    try:
        text = template.expand(names)
    except Unquotable:
        return
    assert launch_text(text, launch, shell=False) == template.final(names)


def test_the_context_of_every_place_is_known() -> None:
    scanner = ShellScanner()
    seen = []
    for piece in ["echo ", "'", "' \"", "$(", ")", '" ', "\\", "; # '\n", "<<A "]:
        scanner.feed(piece)
        seen.append(scanner.context)
    plain, single, double = Context.PLAIN, Context.SINGLE, Context.DOUBLE
    assert seen == [plain, single, double, plain, double, plain, Context.OPAQUE, plain, Context.OPAQUE]
