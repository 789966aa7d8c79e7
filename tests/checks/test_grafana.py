from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from servers import Answer, Asked, answer, site

from recover.checks.grafana import UNTITLED, GrafanaShows
from recover.errors import PlaybookError
from recover.evidence import Evidence
from recover.secrets import Secret
from recover.web import HttpWeb

VIEW: Any = SimpleNamespace(web=HttpWeb())
HEALTH = {"commit": "087143285", "database": "ok", "version": "5.1.3"}


def write(folder: Path, **files: object) -> Path:
    for name, body in files.items():
        text = body if isinstance(body, str) else json.dumps(body)
        (folder / f"{name}.json").write_text(text)
    return folder


def about_files(folder: Path) -> Evidence:
    return GrafanaShows(dashboards=folder).ask(VIEW)


# --- the files ------------------------------------------------------------------------------------


def test_dashboards_with_titles_are_fine(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "One", "uid": "a"}, two={"title": "Two"}, three={"title": "Three", "uid": None})
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", four={"title": "One", "uid": "b"})
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / ".hidden", five={})
    (tmp_path / "notes.txt").write_text("{")
    evidence = about_files(tmp_path)
    assert (evidence.passed, evidence.answer) == (True, "yes: 4 dashboards")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, UNTITLED),
        ({"title": ""}, UNTITLED),
        ({"title": "  "}, UNTITLED),
        ({"title": 5}, UNTITLED),
        ({"title": None}, UNTITLED),
        (
            {"dashboard": {"title": "One"}, "overwrite": True},
            f'{UNTITLED}: it is wrapped in "dashboard", and a file holds the dashboard itself',
        ),
        ([], "it is no JSON object"),
        ("{", "it is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("", "it is no JSON: Expecting value: line 1 column 1 (char 0)"),
    ],
)
def test_a_file_that_grafana_cannot_show_is_named(tmp_path: Path, body: object, says: str) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep", bad=body)
    write(tmp_path, good={"title": "Good"})
    evidence = about_files(tmp_path)
    assert (evidence.passed, evidence.answer) == (False, f"deep/bad.json: {says}")


def test_bytes_that_are_not_utf8_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b'{"title": "\xff"}')
    assert about_files(tmp_path).answer.startswith("bad.json: it is no JSON: 'utf-8' codec")


def test_a_uid_that_is_no_word_is_no_crash(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "One", "uid": ["a"]}, two={"title": "Two", "uid": {"a": 1}}, three={"title": "3"})
    assert about_files(tmp_path).passed


def test_a_uid_is_used_once(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "One", "uid": "a"}, two={"title": "Two", "uid": "a"})
    evidence = about_files(tmp_path)
    assert (evidence.passed, evidence.answer) == (False, "two.json: its uid 'a' is also that of one.json")


def test_all_faults_are_kept_and_the_first_named(tmp_path: Path) -> None:
    write(tmp_path, **{f"n{n}": {} for n in range(8)})
    evidence = about_files(tmp_path)
    assert evidence.answer.endswith(f"n4.json: {UNTITLED}; and 3 more")
    assert len((evidence.attachment or "").splitlines()) == 8


def test_an_empty_folder_and_none_are_a_no(tmp_path: Path) -> None:
    evidence = about_files(tmp_path)
    assert (evidence.passed, evidence.answer) == (False, f"there is no *.json below {tmp_path}")
    evidence = about_files(tmp_path / "none")
    assert (evidence.passed, evidence.answer) == (False, f"{tmp_path / 'none'}: it is no folder")


# --- the server -----------------------------------------------------------------------------------


def grafana(*titles: str, status: int = 200) -> Any:
    def respond(asked: Asked) -> Answer:
        parts = urlsplit(asked.path)
        if parts.path == "/api/health":
            return answer(200, HEALTH)
        if status != 200:
            return answer(status, {"message": "Invalid username or password"})
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        assert (parts.path, query["type"]) == ("/api/search", "dash-db")
        first, size = (int(query["page"]) - 1) * int(query["limit"]), int(query["limit"])
        return answer(200, [{"uid": "x", "title": title, "type": "dash-db"} for title in titles[first : first + size]])

    return respond


def test_a_healthy_grafana() -> None:
    with site(grafana()) as here:
        evidence = GrafanaShows(f"{here.url}/").ask(VIEW)
    assert (evidence.passed, evidence.answer) == (True, "yes")
    assert [asked.path for asked in here.asked] == ["/api/health"]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (answer(200, {**HEALTH, "database": "failing"}), "health: body.database is 'failing', wanted 'ok'"),
        (answer(503, {"database": "failing"}), 'health: status 503, wanted 200: {"database": "failing"}'),
        (answer(200, "<html>"), "health: body is not an object"),
        (answer(200, {}), "health: body.database is missing"),
    ],
)
def test_another_health_is_named(told: Answer, says: str) -> None:
    with site(lambda _: told) as here:
        evidence = GrafanaShows(here.url).ask(VIEW)
    assert (evidence.passed, evidence.answer) == (False, says)


def test_no_answer_is_a_no_with_the_reason() -> None:
    with site(lambda _: answer()) as here:
        pass
    evidence = GrafanaShows(here.url).ask(VIEW)
    assert not evidence.passed
    assert "refused" in evidence.answer


def signed_in(url: str, folder: Path | None) -> Evidence:
    return GrafanaShows(url, folder, "admin", Secret("grafana", "pä:ss")).ask(VIEW)


def test_every_title_of_a_file_is_found_by_the_search(tmp_path: Path) -> None:
    write(tmp_path, one={"title": " One "}, two={"title": "Two"})
    with site(grafana("One", "Two", "Other")) as here:
        assert signed_in(here.url, tmp_path).passed
    login = here.asked[-1].headers["Authorization"]
    assert b64decode(login.removeprefix("Basic ")).decode() == "admin:pä:ss"
    with site(grafana("Two")) as here:
        evidence = signed_in(here.url, tmp_path)
    assert (evidence.passed, evidence.answer) == (False, "one.json: Grafana shows no 'One'")


def test_the_search_is_read_page_by_page(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "t249"})
    with site(grafana(*(f"t{n}" for n in range(250)))) as here:
        assert signed_in(here.url, tmp_path).passed
    assert len(here.asked) == 1 + 3


def test_a_refused_login_is_named(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "One"})
    with site(grafana(status=401)) as here:
        evidence = signed_in(here.url, tmp_path)
    assert not evidence.passed
    assert evidence.answer == 'search: status 401, wanted 200: {"message": "Invalid username or password"}'


def test_a_login_without_files_is_tried_too() -> None:
    with site(grafana(status=401)) as here:
        assert not signed_in(here.url, None).passed
    with site(grafana()) as here:
        assert signed_in(here.url, None).passed


def test_an_answer_that_is_no_list_is_named(tmp_path: Path) -> None:
    write(tmp_path, one={"title": "One"})
    with site(lambda _: answer(200, HEALTH)) as here:
        evidence = signed_in(here.url, tmp_path)
    assert (evidence.passed, evidence.answer) == (False, "search: the answer is no list of dashboards")


def test_what_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match="url or dashboards"):
        GrafanaShows()
    with pytest.raises(PlaybookError, match="user and password together"):
        GrafanaShows("http://x", user="admin")
    with pytest.raises(PlaybookError, match="needs url"):
        GrafanaShows(dashboards=tmp_path, user="a", password="b")


def test_it_is_about_its_folder(tmp_path: Path) -> None:
    assert GrafanaShows(dashboards=tmp_path).about == {f"file:{tmp_path}"}
    assert GrafanaShows("http://x").about == frozenset()
