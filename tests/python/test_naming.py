"""`decide/naming.py`: what a template may contain, and how it is filled."""

from __future__ import annotations

import math

import pytest

from modelcheckpoint.decide.naming import LONGEST_NAME, Template


def fill(text, **values):
    return Template(text).fill(values).path


def test_the_name_of_the_keras_documentation():
    """The name in every tutorial is filled with epoch and loss."""
    name = "weights.{epoch:02d}-{val_loss:.2f}.hdf5"
    assert fill(name, epoch=3, val_loss=0.12345) == "weights.03-0.12.hdf5"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("w.keras", "w.keras"),
        ("{epoch}.keras", "7.keras"),
        ("{epoch:>4}.keras", "   7.keras"),
        ("{val_loss:e}.keras", "5.000000e-01.keras"),
        ("{val_loss:.0%}.keras", "50%.keras"),
        ("{val_loss:+08.3f}.keras", "+000.500.keras"),
        ("{step:03d}.keras", "012.keras"),
        ("{{x}}.{epoch}.keras", "{x}.7.keras"),
        ("{{{epoch}}}.keras", "{7}.keras"),
        ("{epoch}}}.keras", "7}.keras"),
        ("{epoch}-{epoch:02d}.keras", "7-07.keras"),
        ("{top-k}.keras", "3.keras"),
    ],
)
def test_fields_are_filled_as_python_formats_them(text, path):
    """Fields take Python's formats for numbers; doubled braces stand for one."""
    values = {"epoch": 7, "val_loss": 0.5, "step": 12.0, "top-k": 3}
    assert fill(text, **values) == path


@pytest.mark.parametrize(
    ("text", "folder", "path"),
    [
        ("w.keras", "", "w.keras"),
        ("a/b/w.keras", "a/b", "w.keras"),
        ("/w.keras", "/", "w.keras"),
        ("//a//b//w.keras", "//a//b", "w.keras"),
        ("../w.keras", "..", "w.keras"),
        ("a/../w.keras", "a/..", "w.keras"),
        ("./w.keras", ".", "w.keras"),
        ("a/w{epoch}.keras", "a", "w1.keras"),
        ("a/{epoch}.keras", "a", "1.keras"),
        ("/{epoch}.keras", "/", "1.keras"),
        ("{epoch}/w.keras", "", "1/w.keras"),
        ("a/b{epoch}/c/w.keras", "a", "b1/c/w.keras"),
        ("a/{epoch}/{val_loss}/w.keras", "a", "1/0.5/w.keras"),
        ("a/{epoch}/b", "a", "1/b"),
        ("a{{b/w.keras", "a{b", "w.keras"),
        ("/a/{{b}}/c/w.{epoch}.keras", "/a/{b}/c", "w.1.keras"),
        ("a{{/../b/{epoch}.keras", "a{/../b", "1.keras"),
    ],
)
def test_the_folder_ends_before_the_first_field(text, folder, path):
    """The part that no field can change is the folder; the rest is a name within it."""
    template = Template(text)
    name = template.fill({"epoch": 1, "val_loss": 0.5})
    assert (template.folder, name.path) == (folder, path)
    assert template.depth == path.count("/")
    assert template.text == text


@pytest.mark.parametrize(
    ("name", "spec", "written"),
    [
        ("F1 score", ":.2f", "0.50"),
        ("val_out/acc", ":.3f", "0.500"),
        ("out\\acc", "", "0.5"),
        ("top-5", ":.1f", "0.5"),
        ("/acc/", ":06.2f", "000.50"),
        ("Genauigkeit (größte)", ":.0%", "50%"),
        ("a\tb", ":.1f", "0.5"),
        ("~", "", "0.5"),
        ("5-fold", "", "0.5"),
    ],
)
def test_any_metric_can_stand_in_a_name(name, spec, written):
    """The text before the format is a key of `logs`; only its number is written."""
    template = Template(f"a/w-{{{name}{spec}}}.keras")
    assert (template.folder, template.fields, template.depth) == ("a", (name,), 0)
    assert template.fill({name: 0.5}).path == f"w-{written}.keras"
    assert template.fill({}).missing == (name,)


def test_the_home_folder(monkeypatch):
    """`~` is the home folder, but only at the front."""
    monkeypatch.setenv("HOME", "/home/me")
    assert Template("~/a/{epoch}.keras").folder == "/home/me/a"
    assert Template("~/a/{epoch}.keras").text == "~/a/{epoch}.keras"
    assert Template("~/a/{epoch}.keras").given_folder == "~/a"
    assert Template("a/~/{epoch}.keras").folder == "a/~"


def test_a_home_folder_with_braces(monkeypatch):
    """Braces in the home folder's own name are not fields."""
    monkeypatch.setenv("HOME", "/home/{me}")
    template = Template("~/{epoch}.keras")
    assert (template.folder, template.fields) == ("/home/{me}", ("epoch",))


@pytest.mark.parametrize(
    ("text", "fields", "tail"),
    [
        ("w.keras", (), "w.keras"),
        ("w{epoch}.keras", ("epoch",), ".keras"),
        ("{a}{b:.2f}-{a}.weights.h5", ("a", "b"), ".weights.h5"),
        ("{epoch}", ("epoch",), ""),
        ("w.{val_loss:.2f}", ("val_loss",), ""),
        ("{epoch}/w.keras", ("epoch",), "/w.keras"),
    ],
)
def test_fields_and_tail(text, fields, tail):
    """Each field is listed once; the tail is the text after the last one."""
    template = Template(text)
    assert (template.fields, template.tail) == (fields, tail)


def test_a_doubled_brace_does_not_cut_the_tail():
    """The tail ends with all literal text after the last field."""
    assert Template("{epoch}.{{x}}.keras").tail.endswith(".keras")
    assert Template("w.keras}}").tail.endswith(".keras}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{val_loss:.2f}.keras", "nan.keras"),
        ("{val_loss:07.2f}.keras", "0000nan.keras"),
        ("{epoch:02d}.keras", "nan.keras"),
        ("{val_loss}/{val_loss:>5}.keras", "nan/  nan.keras"),
    ],
)
def test_a_missing_value_is_written_as_nan(text, path):
    """A missing value raises no error, and is listed once."""
    template = Template(text)
    name = template.fill({})
    assert (name.path, name.missing) == (path, template.fields)


def test_only_what_is_missing_is_listed():
    """An existing value, even NaN, is not missing."""
    name = Template("{a}-{b}-{c}-{d}").fill({"b": 1, "d": math.nan, "e": 2})
    assert (name.path, name.missing) == ("nan-1-nan-nan", ("a", "c"))


def test_a_value_that_its_format_cannot_write_is_nan():
    """`d` writes whole numbers, even if they are floats, and no others."""
    template = Template("{step:d}.keras")
    assert template.fill({"step": 3.0}).path == "3.keras"
    assert template.fill({"step": 3.5}).path == "nan.keras"
    assert template.fill({"step": 3.5}).missing == ("step",)
    assert template.fill({"step": math.inf}).path == "nan.keras"


@pytest.mark.parametrize(
    ("spec", "value"), [("", 10**300), (":.2f", 1e300), (":,d", -(10**250))]
)
def test_a_value_that_no_name_can_hold_is_nan(spec, value):
    """Otherwise, a number with more digits than fit in a name would end training."""
    name = Template(f"{{x{spec}}}.keras").fill({"x": value})
    assert (name.path, name.missing) == ("nan.keras", ("x",))


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_a_template_is_not_empty(text):
    """Blank text does not name a file."""
    with pytest.raises(ValueError, match="`filepath` must be a non-empty string"):
        Template(text)


@pytest.mark.parametrize("text", ["{", "}", "a{epoch.keras", "a}b", "{epoch:{", "{a!}"])
def test_braces_are_balanced(text):
    """The message says how to write a literal brace."""
    with pytest.raises(ValueError, match=r"balanced braces.*\{\{ or \}\}"):
        Template(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{0}",
        "{12}",
        "{epoch.__class__}",
        "{logs[0]}",
        "{epoch!r}",
        "{a!s:>3}",
        "{a]}",
        "{ }",
        "{epoch }",
        "{\tepoch:02d}",
    ],
)
def test_a_field_is_a_name(text):
    """Positions, attributes, items, conversions and typos are not keys of `logs`."""
    with pytest.raises(ValueError, match="only named fields such as"):
        Template(f"w.{text}.keras")


SPECS = r"s q 5s c />9 \>9 101 0101d .101f 9999999999 d! {epoch} %Y-%m ,b .2d >>> {{"


@pytest.mark.parametrize("spec", SPECS.split())
def test_a_format_is_one_for_numbers(spec):
    """Text formats, slashes as fill and huge sizes are refused."""
    with pytest.raises(ValueError, match="`filepath` must have"):
        Template(f"w.{{epoch:{spec}}}.keras")


@pytest.mark.parametrize(
    "text",
    ["\ud800.keras", "a/\ud800/{epoch}", "{epoch:" + "1" * 5000 + "}.keras"],
    ids=["name", "folder", "digits"],
)
def test_what_python_itself_refuses_is_told_in_our_words(text):
    """No file name can hold a lone surrogate, and no number has 5000 digits."""
    with pytest.raises(ValueError, match="`filepath` must"):
        Template(text)


def test_a_counter_is_a_whole_number():
    """`.2d` never works; a format for fractions works for counters, too."""
    assert fill("{epoch:.1f}", epoch=2) == "2.0"
    assert fill("{epoch:x}", epoch=255) == "ff"


@pytest.mark.parametrize(
    "text", ["{epoch}/../w.keras", "a/{epoch}/..", "{a}/b/../../.."]
)
def test_a_name_stays_in_its_folder(text):
    """After a field, `..` could lead anywhere, so it is refused at once."""
    with pytest.raises(ValueError, match="must not leave its folder"):
        Template(text)


@pytest.mark.parametrize("text", ["http://b/w.keras", "file:///w", "a+b-1.c://x"])
def test_a_url_of_no_store_is_no_path(text):
    """It gets its own message, instead of a folder named `http:`."""
    with pytest.raises(ValueError, match="path on this machine"):
        Template(text)


def test_an_address():
    """Its folder begins with the bucket; the rest is as in a path."""
    template = Template("s3://bucket/run/a-{epoch}/w.keras")
    assert template.folder == template.given_folder == "s3://bucket/run"
    assert template.fill({"epoch": 7}).path == "a-7/w.keras"
    assert template.depth == 1
    assert template.below == Template("/run/a-{epoch}/w.keras").below
    assert Template("s3://bucket/{epoch}.keras").folder == "s3://bucket"


def test_a_null_character():
    """No file system allows it, and the message says so."""
    with pytest.raises(ValueError, match="null character"):
        Template("a\0.keras")


@pytest.mark.parametrize("field", ["batch", "samples"])
def test_batches_have_no_meaning_at_the_end_of_an_epoch(field):
    """Without an integer `save_freq`, nobody counts them."""
    Template(f"{{{field}}}.keras", counts_batches=True)
    with pytest.raises(ValueError, match="only with an integer `save_freq`"):
        Template(f"{{{field}}}.keras", counts_batches=False)


def test_a_name_that_is_too_long():
    """Bytes count, and each name along the path counts separately."""
    fits = "a" * (LONGEST_NAME - 6) + ".keras"
    assert fill(f"{'b' * LONGEST_NAME}/{{epoch}}/{fits}", epoch=1).endswith(fits)
    for text in ("a" + fits, f"{fits}a/w.keras", "ä" * 130, "a{epoch}" + fits):
        with pytest.raises(ValueError, match="at most 255 bytes"):
            Template(text)


@pytest.mark.parametrize(
    ("field", "written"),
    [("{epoch}", "1"), ("{epoch:02d}", "01"), ("{x:.1f}", "0.5"), ("{x:.3f}", "0.500")],
)
def test_a_name_is_as_long_as_its_numbers(field, written):
    """Its length with a number counts; `nan` can be longer or shorter."""
    rest = "a" * (LONGEST_NAME - len(written) - len(".keras")) + ".keras"
    for text in (f"{field}{rest}", f"{field}{rest}/w.keras"):
        name = fill(text, epoch=1, x=0.5).split("/")[0]
        assert name == f"{written}{rest}"
        with pytest.raises(ValueError, match="not 256 "):
            Template(f"a{text}")
