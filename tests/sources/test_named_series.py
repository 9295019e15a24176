from __future__ import annotations

from lrtui.sources.named_series import LONGEST_NAME, MOST_SERIES, NamedSeries


def test_names_are_printable_short_and_different() -> None:
    series = NamedSeries()
    logged = ["train/loss", "größe 📈", "", "a\x1b[31m", "a\\x1b[31m", "x" * 500 + "1", "x" * 500 + "2", "\udcff"]
    names = [series.name(each) for each in logged]
    assert names[:4] == ["train/loss", "größe 📈", "(no name)", "a\\x1b[31m"]
    assert len(set(names)) == len(logged)
    assert all(name is not None and name.isprintable() and len(name) <= LONGEST_NAME for name in names)
    assert [series.name(each) for each in logged] == names
    assert not series.trouble


def test_series_above_the_limit_are_left_out_and_the_first_is_told() -> None:
    series = NamedSeries("columns")
    assert all(series.name(str(index)) for index in range(MOST_SERIES))
    assert [series.name(name) for name in ("more\n", "even more")] == [None, None]
    assert series.name("0") == "0"
    assert series.trouble == ("It has more than 2,000 columns: the further ones, such as more\\n, are left out.")
